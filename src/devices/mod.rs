//! The computer's audio devices, as the [pipeline](crate::pipeline) sees them.
//!
//! [`CpalBackend`] opens streams through cpal: of PulseAudio, which PipeWire speaks too, where it runs,
//! else of ALSA, whose cards [`host_devices`] lists. A stream's way: [`choice`] finds the device, [`stream`]
//! settles rate, channels and format and moves samples between the callback and the queue, through [`sample`]
//! where the device does not take `f32`; [`callback_thread`] gets the callbacks real-time priority; [`error`] says
//! what an error of cpal asks for. [`pulse`] speaks to a PulseAudio server: it makes its devices devices
//! of cpal, and tells what cpal does not: which appear, vanish and are the default, and whether anybody
//! listens. With the cargo feature of that name, `pipewire` plays and records on PipeWire's own graph instead.

mod backend;
mod callback;
pub mod callback_thread;
mod choice;
mod deadline;
mod error;
mod host_devices;
#[cfg(feature = "pipewire")]
mod pipewire;
pub mod pulse;
pub mod realtime;
mod sample;
mod stream;

pub use backend::CpalBackend;
