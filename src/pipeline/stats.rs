//! Counters and gauges that the pipeline's threads write and the service reads.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::mode::Mode;

/// What `denoised status` shows: the pipeline at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the whole: the worse of the two devices'.
    pub state: State,
    pub mode: Mode,
    #[serde(deserialize_with = "no_limit")]
    pub atten_limit_db: f32,
    pub mix: f32,
    pub input_gain_db: f32,
    pub input: Option<DeviceStatus>,
    pub output: Option<DeviceStatus>,
    /// Level of the captured sound, in dBFS.
    #[serde(deserialize_with = "silence")]
    pub input_dbfs: f32,
    /// Level of what is played, in dBFS.
    #[serde(deserialize_with = "silence")]
    pub output_dbfs: f32,
    /// How much quieter the model makes the sound, in dB.
    pub reduction_db: f32,
    /// From microphone to speaker, without what the audio server adds.
    pub latency_ms: f32,
    /// Worker time per frame, over the last 12,000 or so.
    pub worker_p50_ms: f32,
    pub worker_p99_ms: f32,
    /// Length of a frame.
    pub frame_ms: f32,
    /// Frames processed: stands still when the worker hangs.
    pub frames: u64,
    pub deadline_misses: u64,
    /// Which model runs, or none.
    pub load: Level,
    /// Nothing to clean: the model rests.
    pub idle: bool,
    /// Audio thrown away to keep the latency, in ms.
    pub dropped_ms: u64,
    pub xruns: u64,
    pub underruns: u64,
    pub reopens: u64,
    /// Playback clock against capture clock, in parts per million.
    pub drift_ppm: f32,
    pub recording: Option<RecordingStatus>,
    pub recording_raw: Option<RecordingStatus>,
    pub uptime_s: f64,
}

/// A device in [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceStatus {
    pub state: State,
    pub id: String,
    pub name: String,
    pub rate_hz: u32,
    pub channels: u16,
    pub format: String,
    pub period_ms: f32,
    /// Why it does not run.
    pub error: Option<String>,
}

/// A recording in [`Snapshot`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordingStatus {
    pub path: std::path::PathBuf,
    pub seconds: f64,
    /// Audio that the disk was too slow for, in ms.
    pub dropped_ms: u64,
    /// Why it stopped.
    pub error: Option<String>,
}

/// State of a device or of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Running,
    Starting,
    Stalled,
    Recovering,
    Stopped,
}

/// How much the worker can afford.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    #[default]
    Full,
    /// The lighter model.
    Light,
    /// No model.
    Bypass,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Stalled => "stalled",
            Self::Recovering => "recovering",
            Self::Stopped => "stopped",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Light => "light",
            Self::Bypass => "bypass",
        })
    }
}

/// JSON has no infinities: null is a limit that is none.
fn no_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::INFINITY))
}

/// JSON has no infinities: null is the level of silence.
fn silence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NEG_INFINITY))
}
