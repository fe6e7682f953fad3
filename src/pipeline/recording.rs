//! One of the two recordings, which start, change and fail each by themselves.

use std::path::PathBuf;

use anyhow::Result;

use super::handle::WorkerLink;
use super::recorder::{Recorder, RecorderFeed};
use super::stats::RecordingStatus;
use super::worker::Command;

/// What to record to.
#[derive(Debug, PartialEq)]
pub struct Reel {
    pub path: PathBuf,
    pub channels: u16,
    pub max_bytes: u64,
}

/// A recording as it is wanted and as it is.
pub struct Recording {
    /// Gives the worker its end.
    command: fn(Option<RecorderFeed>) -> Command,
    reel: Option<Reel>,
    recorder: Option<Recorder>,
}

impl Recording {
    /// Nothing is wanted yet.
    pub fn new(command: fn(Option<RecorderFeed>) -> Command) -> Self {
        Self {
            command,
            reel: None,
            recorder: None,
        }
    }

    /// Wants to record to `reel` from the next [`Recording::start`] on, and ends what records to another one or has
    /// failed.
    ///
    /// # Errors
    /// When the recording to another one could not be finished.
    pub fn want(&mut self, reel: Option<Reel>, worker: &WorkerLink) -> Result<()> {
        let changed = self.reel != reel;
        self.reel = reel;
        let ends = |recorder: &mut Recorder| changed || recorder.status().error.is_some();
        let Some(recorder) = self.recorder.take_if(ends) else {
            return Ok(());
        };
        worker.send((self.command)(None));
        let finished = recorder.finish();
        // Why one that is only tried again has failed was said then.
        if changed { finished } else { Ok(()) }
    }

    /// Records what is wanted, if it does not yet.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn start(&mut self, worker: &WorkerLink) -> Result<()> {
        if let (Some(reel), None) = (&self.reel, &self.recorder) {
            let (recorder, feed) = Recorder::start(&reel.path, reel.channels, reel.max_bytes)?;
            self.recorder = Some(recorder);
            worker.send((self.command)(Some(feed)));
        }
        Ok(())
    }

    /// How it goes, if anything is recorded.
    pub fn status(&self) -> Option<RecordingStatus> {
        self.recorder.as_ref().map(Recorder::status)
    }

    /// Waits until everything is written; the worker must have ended.
    ///
    /// # Errors
    /// What ended the recording early.
    pub fn finish(&mut self) -> Result<()> {
        self.recorder.take().map_or(Ok(()), Recorder::finish)
    }
}
