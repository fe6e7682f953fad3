//! PipeWire's own graph, where its library was there to build with (the cargo feature `pipewire`).
//!
//! Which devices there are, and what happens to them, PipeWire's PulseAudio server tells ([`pulse`](super::pulse));
//! streams on them are nodes of the graph, without what that server keeps in between.

mod clock;
mod device;
mod format;
mod stream;

pub use device::Device;
pub use stream::answers;
