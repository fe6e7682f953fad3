//! The live pipeline: from the capture callback to the playback callback.
//!
//! A frame's way: the device's callback → [`queue`] → [`worker`], where [`capture`] resamples it to
//! 48 kHz, a [`lane`] cleans or corrupts it as the [`mode`] says and [`playback`] resamples it to
//! the other device's clock as [`drift`] says → [`queue`] → the other device's callback, and →
//! [`recorder`]. The [`keeper`] opens the devices of a [`backend`] as their [`supervisor`]s say.
//! Nothing here knows an audio system.

pub mod backend;
mod capture;
mod cushion;
mod declick;
pub mod denoise;
mod drift;
mod gauges;
mod handle;
mod keeper;
mod ladder;
mod lane;
pub mod mode;
mod playback;
pub mod queue;
mod ramp;
mod rate;
mod recorder;
pub mod settings;
pub mod stats;
pub mod supervisor;
#[cfg(test)]
mod testing;
mod worker;

pub use backend::{
    Backend, DeviceChoice, DeviceError, DeviceErrorKind, DeviceInfo, Direction, OpenStream,
    StreamEvent, StreamEventKind, StreamHandle, StreamWish,
};
pub use denoise::{Denoise, ModelLoader, Models};
pub use handle::PipelineHandle;
pub use mode::Mode;
pub use queue::{CaptureSide, PlaybackSide};
pub use settings::{Settings, Sound};
pub use stats::{DeviceStatus, Level, RecordingStatus, Snapshot, State};

/// Samples per frame at 48 kHz: 10 ms.
const FRAME_SAMPLES: usize = 480;

/// Asks the system to run the calling thread with real-time priority; an error says why it does
/// not, and is logged once.
pub type RealtimeHook = Box<dyn FnOnce() -> anyhow::Result<()> + Send>;

/// Noise for the corrupting modes, one per channel: adds itself to 48 kHz audio, frame by frame.
pub type Corruption = Box<dyn FnMut(&mut [f32]) + Send>;

/// Appends equally long channels, interleaved.
fn interleave(channels: &[Vec<f32>], interleaved: &mut Vec<f32>) {
    for n in 0..channels.first().map_or(0, Vec::len) {
        interleaved.extend(channels.iter().map(|channel| channel[n]));
    }
}
