//! What a run leaves on disk: the weights it keeps, and the state for going on.
//!
//! A full disk does not end a run. Weights that cannot be written wait in memory for the next
//! attempt, and the files of before stay as they are until new ones are complete.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::optimiser::Optimiser;
use super::state::{self, Progress};
use crate::model::checkpoint::Checkpoint;
use crate::model::tensor_file::Named;
use crate::pending_file::PendingFile;

/// Between attempts to write once training is over.
const RETRY: Duration = Duration::from_secs(10);

/// Where the state of a run that writes `out` is kept.
pub fn state_path(out: &Path) -> PathBuf {
    out.with_extension("state.safetensors")
}

/// All that a run which writes `out` may write: beside the weights and the state, what its [journal](super::journal)
/// holds.
pub fn files(out: &Path) -> [PathBuf; 4] {
    [
        out.to_path_buf(),
        state_path(out),
        out.with_extension("log.csv"),
        out.with_extension("png"),
    ]
}

/// Makes sure that weights can be written to `out`, rather than find out when they are trained.
///
/// # Errors
/// It is a folder, or its folder cannot be made or written to.
pub fn check(out: &Path) -> Result<()> {
    let is_folder = out.is_dir() || out.as_os_str().as_encoded_bytes().ends_with(b"/");
    ensure!(
        !is_folder,
        "--out {} is a folder: name a file, such as {}",
        out.display(),
        out.join("mine.safetensors").display()
    );
    PendingFile::new(out).map(drop).with_context(|| {
        format!(
            "the weights cannot be written to {}: choose another --out",
            out.display()
        )
    })
}

/// The files of one run.
pub struct Outputs {
    out: PathBuf,
    /// Whether the state is kept, too.
    resumable: bool,
    /// Weights that are not on disk yet.
    waiting: Option<Checkpoint>,
}

impl Outputs {
    /// Writes `out` and, for a `resumable` run, its state.
    pub fn new(out: PathBuf, resumable: bool) -> Self {
        Self {
            out,
            resumable,
            waiting: None,
        }
    }

    /// The weights file.
    pub fn weights_path(&self) -> &Path {
        &self.out
    }

    /// Takes the weights to keep, whose tensors must not change any more.
    pub fn keep(&mut self, weights: Checkpoint) {
        self.waiting = Some(weights);
        self.save_waiting();
    }

    /// Writes the weights that wait, if there are any; whether none wait any more.
    pub fn save_waiting(&mut self) -> bool {
        if let Some(weights) = &self.waiting {
            match weights.save(&self.out) {
                Ok(()) => self.waiting = None,
                Err(error) => log::warn!(
                    "the weights stay in memory until the next attempt: {error:#}; is the disk full?"
                ),
            }
        }
        self.waiting.is_none()
    }

    /// Writes the state.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn save_state(
        &self,
        progress: &Progress,
        optimiser: &Optimiser,
        origin: &Named,
    ) -> Result<()> {
        if self.resumable {
            state::save(&state_path(&self.out), progress, optimiser, origin)?;
        }
        Ok(())
    }

    /// Brings the weights to the disk, however long it takes; only `given_up` ends the attempts.
    ///
    /// # Errors
    /// It was given up: names the file.
    pub fn finish(&mut self, given_up: &AtomicBool) -> Result<()> {
        while !self.save_waiting() {
            if given_up.load(Ordering::Relaxed) {
                return Err(anyhow::anyhow!("the weights are lost"))
                    .with_context(|| format!("cannot write {}", self.out.display()));
            }
            log::warn!(
                "training is over, but its weights cannot be written: make room, they are tried again \
                 every {} s; Ctrl-C gives them up",
                RETRY.as_secs()
            );
            let begun = Instant::now();
            while begun.elapsed() < RETRY && !given_up.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    }
}
