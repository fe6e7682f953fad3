//! What the user can choose about a running pipeline.

use std::path::PathBuf;
use std::time::Duration;

use super::backend::{DeviceChoice, StreamWish};
use super::mode::Mode;

/// Everything that [`Pipeline::apply`](super::PipelineHandle::apply) can change while audio runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub input: DeviceChoice,
    /// `None` plays nothing: the result is only recorded.
    pub output: Option<DeviceChoice>,
    pub input_wish: StreamWish,
    pub output_wish: StreamWish,
    pub sound: Sound,
    /// Cleans left and right by themselves, at twice the cost, rather than their mean.
    pub stereo: bool,
    /// Audio held ready for playback. Raised as far as the devices' periods demand.
    pub queue_ms: f32,
    /// After this long a digital silence the model rests.
    pub idle_after: Duration,
    /// Records what is played.
    pub record: Option<PathBuf>,
    /// Records what was captured, before any processing.
    pub record_raw: Option<PathBuf>,
    /// A recording of this many bytes continues in a new file.
    pub record_max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            input: DeviceChoice::Default,
            output: Some(DeviceChoice::Default),
            input_wish: StreamWish::default(),
            output_wish: StreamWish::default(),
            sound: Sound::default(),
            stereo: false,
            queue_ms: 20.0,
            idle_after: Duration::from_secs(5),
            record: None,
            record_raw: None,
            record_max_bytes: 2 << 30,
        }
    }
}

/// What the worker does to the sound; every change fades in over 20 ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sound {
    pub mode: Mode,
    /// Noise is reduced by no more than this many dB; infinity sets no limit.
    pub atten_limit_db: f32,
    /// Share of the cleaned signal, from 0 to 1; the rest is the input.
    pub mix: f32,
    /// Gain before everything else, in dB.
    pub input_gain_db: f32,
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            mode: Mode::Clean,
            atten_limit_db: f32::INFINITY,
            mix: 1.0,
            input_gain_db: 0.0,
        }
    }
}
