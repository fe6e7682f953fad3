//! Everything a run needs to go on exactly where it was: `OUT.state.safetensors` beside the weights.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tch::Device;

use super::config::TrainingConfig;
use super::optimiser::Optimiser;
use super::time_budget::expected_updates;
use crate::model::tensor_file::{Named, TensorFile};

const KEY: &str = "denoised.training_state";

/// Where a run stands, apart from the tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Progress {
    pub config: TrainingConfig,
    pub updates: u64,
    pub audio_seconds: f64,
    pub running_seconds: f64,
    /// Lowest validation loss so far, and when.
    pub best_loss: Option<f64>,
    pub best_update: u64,
    /// Validations since then.
    #[serde(default)]
    pub stale_validations: u64,
    /// How often training diverged and was taken back.
    #[serde(default)]
    pub rollbacks: u64,
}

impl Progress {
    /// Takes note of a validation's `loss`; whether it is the best so far.
    pub fn is_better(&mut self, loss: f64) -> bool {
        let better = self.best_loss.is_none_or(|best| loss < best);
        if better {
            self.best_loss = Some(loss);
            self.best_update = self.updates;
            self.stale_validations = 0;
        } else {
            self.stale_validations += 1;
        }
        better
    }

    /// Plans the rest of the run by `updates` or `minutes`, both in all; what is not given stays as it is.
    pub fn replan(&mut self, updates: Option<u64>, minutes: Option<f64>) {
        self.config.plan(updates, minutes);
        if let Some(minutes) = minutes.filter(|&minutes| minutes > 0.0) {
            self.config.updates = expected_updates(minutes, self.updates, self.running_seconds);
        }
    }

    /// Whether so many validations brought nothing better that the run should end.
    pub fn has_stalled(&self) -> bool {
        self.config.patience > 0 && self.stale_validations >= self.config.patience
    }
}

/// Writes progress, optimiser and the weights that the run began with, which may be none.
///
/// # Errors
/// Names the file that could not be written.
pub fn save(path: &Path, progress: &Progress, optimiser: &Optimiser, origin: &Named) -> Result<()> {
    let groups = [
        ("weights", &optimiser.weights),
        ("average", &optimiser.average),
        ("first_moment", &optimiser.first_moment),
        ("second_moment", &optimiser.second_moment),
        ("origin", origin),
    ];
    let tensors = groups
        .into_iter()
        .flat_map(|(group, named)| {
            named
                .iter()
                .map(move |(name, tensor)| (format!("{group}/{name}"), tensor.shallow_clone()))
        })
        .collect();
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(progress)?)]);
    TensorFile { metadata, tensors }.save(path)
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// Says that the file is missing, damaged or no training state.
pub fn load(path: &Path, device: Device) -> Result<(Progress, Optimiser, Named)> {
    let bytes = fs::read(path).with_context(|| {
        format!(
            "no training state {}: start without --resume",
            path.display()
        )
    })?;
    let read = || -> Result<(Progress, Optimiser, Named)> {
        let file = TensorFile::parse(&bytes, device)?;
        let progress: Progress = serde_json::from_str(
            file.metadata
                .get(KEY)
                .context("it is not a training state")?,
        )?;
        let group = |group: &str| -> Named {
            let tensors = file.tensors.iter();
            let prefix = format!("{group}/");
            tensors
                .filter_map(|(name, t)| {
                    Some((name.strip_prefix(&prefix)?.to_owned(), t.shallow_clone()))
                })
                .collect()
        };
        let optimiser = Optimiser {
            weights: group("weights"),
            average: group("average"),
            first_moment: group("first_moment"),
            second_moment: group("second_moment"),
            updates: progress.updates,
        };
        Ok((progress, optimiser, group("origin")))
    };
    read().with_context(|| format!("cannot resume from {}", path.display()))
}
