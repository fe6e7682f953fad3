//! A PulseAudio server, or PipeWire in its place: its devices, their streams, and what happens to them.

mod connection;
pub mod cookie;
mod device;
mod stream;
mod survey;
mod watch;

pub use connection::Connection;
pub use device::Device;
pub use stream::Shape;
pub use survey::{Survey, id};
pub use watch::{Watch, Watched};

/// Name of the sink that is played into for the virtual microphone.
pub const VIRTUAL_SINK: &str = "denoised";
/// Name of the source that other programs record: the virtual microphone.
pub const VIRTUAL_SOURCE: &str = "denoised_mic";
