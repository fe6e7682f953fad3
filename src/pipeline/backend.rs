//! What the pipeline needs of an audio system, so that it knows no audio system.
//!
//! A [`Backend`] lists devices and opens streams. A stream's callbacks move samples through a
//! [`CaptureSide`] or a [`PlaybackSide`] and nothing else; what happens to the stream later comes
//! as [`StreamEvent`]s. A [`DeviceErrorKind`] says what to do about an error, not where it arose.

use std::borrow::Cow;
use std::fmt;

use crossbeam_channel::Sender;
use serde::Serialize;

use super::queue::{CaptureSide, PlaybackSide};

/// Which way the samples go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From a microphone into the program.
    Input,
    /// From the program to a speaker, or to the sink behind a virtual microphone.
    Output,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// A device as its audio system describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// Stays the same over restarts and replugging.
    pub id: String,
    /// For people.
    pub name: String,
    /// The audio system that owns the device, such as `pulseaudio` or `alsa`.
    pub host: String,
    pub direction: Direction,
    pub is_default: bool,
    /// Rates that the device takes, in Hz, ascending; a range is given by its ends.
    pub rates_hz: Vec<u32>,
    /// Largest number of channels.
    pub channels: u16,
}

/// The device that a user asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// Whatever is the default, also after it changes.
    #[default]
    Default,
    /// The device of this id.
    Id(String),
    /// The one device whose name or id contains this, ignoring case.
    NamePart(String),
}

impl From<&str> for DeviceChoice {
    /// As users write it: `default`, an id or a part of a name.
    fn from(text: &str) -> Self {
        match text {
            "default" => Self::Default,
            part => Self::NamePart(part.into()),
        }
    }
}

/// What a stream should be like; the device may decide otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamWish {
    /// In Hz; without it, 48 kHz where the device has it, else the device's own rate.
    pub rate_hz: Option<u32>,
    /// Without it, the device's own number.
    pub channels: Option<u16>,
    /// Length of one callback in ms.
    pub period_ms: Option<f32>,
}

/// An open, running stream.
pub struct OpenStream {
    pub device: DeviceInfo,
    pub rate_hz: u32,
    pub channels: u16,
    /// Sample format of the device, such as `i16` or `f32`; callbacks see `f32` in any case.
    pub format: String,
    /// Expected samples per channel and callback.
    pub period_frames: usize,
    /// Closes the stream when dropped.
    pub handle: Box<dyn StreamHandle>,
}

/// Keeps a stream open until it is dropped. Lives and dies on the thread that opened it.
pub trait StreamHandle {}

/// What to do about an error of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceErrorKind {
    /// Another program has the device: try again.
    Busy,
    /// Unplugged or not there yet: back off, then look at the devices again.
    NotAvailable,
    /// The audio server is gone: back off, then connect again.
    HostUnavailable,
    /// This stream is dead, its device may live: open it again.
    Invalidated,
    /// The stream moved to another device and goes on.
    Changed,
    /// Samples were lost between device and callback; the stream goes on.
    Xrun,
    /// The stream runs without real-time priority.
    RealtimeDenied,
    /// The device cannot do what was asked.
    Unsupported,
    /// The user may not open the device.
    PermissionDenied,
    Other,
}

/// An error of a device and what the audio system said about it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct DeviceError {
    pub kind: DeviceErrorKind,
    /// Audio threads, which must not allocate, report fixed texts.
    pub message: Cow<'static, str>,
}

impl DeviceError {
    /// An error of this kind; the message says which device and what is wrong.
    pub fn new(kind: DeviceErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// What happened to a running stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    pub direction: Direction,
    pub kind: StreamEventKind,
}

/// See [`StreamEvent`].
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEventKind {
    Error(DeviceError),
    /// Whether any program takes what we play; without listeners the model rests.
    Listeners(bool),
}

/// An audio system.
///
/// All calls come from one thread. Streams send their events with `try_send`: a full channel
/// already holds enough reasons to act.
pub trait Backend: Send {
    /// All devices of both directions.
    ///
    /// # Errors
    /// `HostUnavailable` when the server does not answer.
    fn devices(&mut self) -> Result<Vec<DeviceInfo>, DeviceError>;

    /// Id of the default device now, by which the supervisor follows [`DeviceChoice::Default`];
    /// `None` where there is no default or the audio system itself moves streams after it. Asked
    /// every two seconds, so it must be cheap.
    ///
    /// # Errors
    /// As [`Backend::devices`].
    fn default_device(&mut self, direction: Direction) -> Result<Option<String>, DeviceError>;

    /// Opens a device and starts capturing into `side`.
    ///
    /// # Errors
    /// Says by its kind whether another attempt can help.
    fn open_input(
        &mut self,
        choice: &DeviceChoice,
        wish: &StreamWish,
        side: CaptureSide,
        events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError>;

    /// Opens a device and starts playing from `side`.
    ///
    /// # Errors
    /// As [`Backend::open_input`].
    fn open_output(
        &mut self,
        choice: &DeviceChoice,
        wish: &StreamWish,
        side: PlaybackSide,
        events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError>;
}
