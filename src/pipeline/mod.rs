//! The live pipeline: from the capture callback to the playback callback.
//!
//! A frame's way: the device's callback → [`queue`] → [`worker`] (resample to 48 kHz, clean or
//! corrupt it as the [`mode`] says, resample to the playback device's clock as [`drift`] says) →
//! [`queue`] → the other device's callback, and → [`recorder`]. The [`supervisor`] opens the
//! devices of a [`backend`] and opens them again when they fail; [`stats`] tells what goes on.
//! Nothing here knows an audio system.

pub mod backend;
mod declick;
pub mod denoise;
pub mod mode;
pub mod queue;
pub mod settings;
pub mod stats;

use anyhow::Result;

pub use backend::{
    Backend, DeviceChoice, DeviceError, DeviceErrorKind, DeviceInfo, Direction, OpenStream,
    StreamEvent, StreamEventKind, StreamHandle, StreamWish,
};
pub use denoise::{Denoise, ModelLoader, Models};
pub use mode::Mode;
pub use queue::{CaptureSide, PlaybackSide};
pub use settings::{Settings, Sound};
pub use stats::Snapshot;

/// Asks the system to run the calling thread with real-time priority; an error says why it does
/// not, and is logged once.
pub type RealtimeHook = Box<dyn FnOnce() -> Result<()> + Send>;

/// Noise for the corrupting modes, one per channel: adds itself to 48 kHz audio, frame by frame.
pub type Corruption = Box<dyn FnMut(&mut [f32]) + Send>;

/// The running pipeline; dropping it stops it.
pub struct PipelineHandle {}

impl PipelineHandle {
    /// Starts all threads and waits until the model is warm. Devices may still be missing then:
    /// they never stop the pipeline.
    ///
    /// # Errors
    /// When the model cannot be loaded or a recording cannot be started.
    pub fn start(
        settings: Settings,
        backend: Box<dyn Backend>,
        load: ModelLoader,
        realtime: RealtimeHook,
    ) -> Result<Self> {
        let _ = (settings, backend, load, realtime);
        todo!()
    }

    /// What is set now.
    pub fn settings(&self) -> Settings {
        todo!()
    }

    /// Changes everything that differs: sound fades, a recording starts or ends, only a changed
    /// device is opened again.
    ///
    /// # Errors
    /// When a recording cannot be started; all the rest is changed then.
    pub fn apply(&self, settings: Settings) -> Result<()> {
        let _ = settings;
        todo!()
    }

    /// Fades to another mode, limit, mix or gain: [`PipelineHandle::apply`] for sound alone.
    pub fn set_sound(&self, sound: Sound) {
        let _ = sound;
        todo!()
    }

    /// The noise of the corrupting modes, one for each of up to two channels. Without it they add
    /// nothing.
    pub fn set_corruption(&self, corruption: Vec<Corruption>) {
        let _ = corruption;
        todo!()
    }

    /// How it goes.
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }

    /// Plays what is queued, finishes the recordings and ends all threads.
    ///
    /// # Errors
    /// When a recording could not be finished.
    pub fn stop(self) -> Result<()> {
        todo!()
    }
}
