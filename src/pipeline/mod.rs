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
mod recording;
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
pub use denoise::{Denoise, Denoiser, ModelLoader, Models};
pub use handle::PipelineHandle;
pub use mode::Mode;
pub use queue::{CaptureSide, PlaybackSide};
pub use settings::{Settings, Sound};
pub use stats::{DeviceStatus, Level, RecordingStatus, Snapshot, State};

/// How a device delivers or takes sound.
#[derive(Clone, Copy, Debug, PartialEq)]
struct DeviceFormat {
    rate_hz: u32,
    channels: u16,
    /// Samples per channel of a callback.
    period_frames: usize,
}

impl From<&OpenStream> for DeviceFormat {
    fn from(stream: &OpenStream) -> Self {
        Self {
            rate_hz: stream.rate_hz,
            channels: stream.channels,
            period_frames: stream.period_frames,
        }
    }
}

/// What the worker does in one step: a frame of each lane, as long as the model wants it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    lanes: usize,
    /// At 48 kHz.
    frame_samples: usize,
}

impl Step {
    /// Length of a frame.
    fn seconds(self) -> f64 {
        self.frame_samples as f64 / f64::from(crate::SAMPLE_RATE_HZ)
    }
}

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
