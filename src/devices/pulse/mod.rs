//! What denoised asks of a PulseAudio server, or of PipeWire in its place, besides streams.

mod connection;
pub mod cookie;
mod latency_hold;
mod survey;
mod watch;

pub use connection::Connection;
pub use latency_hold::LatencyHold;
pub use survey::{Survey, id};
pub use watch::{Watch, Watched};

/// Name of the sink that is played into for the virtual microphone.
pub const VIRTUAL_SINK: &str = "denoised";
/// Name of the source that other programs record: the virtual microphone.
pub const VIRTUAL_SOURCE: &str = "denoised_mic";
