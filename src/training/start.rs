//! What a run needs, and where it begins: from random weights, from a weights file or where it stopped.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tch::{Device, nn};

use super::batch::Material;
use super::config::TrainingConfig;
use super::opinion::Opinion;
use super::optimiser::{self, Optimiser};
use super::outputs::state_path;
use super::state::{self, Progress};
use crate::model::ModelConfig;
use crate::model::autoencoder::Autoencoder;
use crate::model::checkpoint::Checkpoint;
use crate::model::growth::begin_silent;
use crate::model::tensor_file::Named;

/// What a run needs besides its configuration.
pub struct Run {
    pub out: PathBuf,
    pub device: Device,
    /// Single-threaded copies of the network; one on a GPU.
    pub replicas: usize,
    pub loader_threads: usize,
    pub validation_interval: Duration,
    /// Whether to leave a state file behind, for [`Start::Resume`].
    pub resumable: bool,
    pub training: Material,
    pub validation: Material,
    /// Part of the loss, where its weight says so.
    pub opinion: Option<Opinion>,
}

/// Where a run begins.
pub enum Start {
    Fresh(Box<TrainingConfig>),
    /// From a weights file, whose architecture is used unless the configuration has one of its own, which the weights
    /// must fit: frames may be shorter, dilations others, gates may see more, or layers follow the last ones.
    FineTune(Box<TrainingConfig>, Box<Checkpoint>),
    /// The same, and what it is to remember are the answers of these weights.
    Adapt(Box<TrainingConfig>, Box<Checkpoint>),
    /// From the state file; `updates` or `minutes`, both in all, replace what was planned.
    Resume {
        updates: Option<u64>,
        minutes: Option<f64>,
    },
}

/// The state before the first update, and the weights that it began with, none where it began with random ones.
///
/// # Errors
/// A configuration that is not valid, weights that do not fit it, or a state that cannot be read.
pub(super) fn begin(run: &Run, start: Start) -> Result<(Progress, Optimiser, Named)> {
    match start {
        Start::Fresh(config) => fresh(*config, None, run.device),
        Start::FineTune(mut config, checkpoint) | Start::Adapt(mut config, checkpoint) => {
            if config.model == ModelConfig::default() {
                config.model = checkpoint.config.clone();
            }
            fresh(*config, Some(&checkpoint), run.device)
        }
        Start::Resume { updates, minutes } => {
            let (mut progress, optimiser, origin) = state::load(&state_path(&run.out), run.device)?;
            progress.replan(updates, minutes);
            progress.config.validate()?;
            if !run.out.exists() {
                // Weights that are lost must not be what others have to be better than.
                progress.best_loss = None;
                progress.stale_validations = 0;
            }
            Ok((progress, optimiser, origin))
        }
    }
}

fn fresh(
    config: TrainingConfig,
    weights: Option<&Checkpoint>,
    device: Device,
) -> Result<(Progress, Optimiser, Named)> {
    config.validate()?;
    tch::manual_seed(config.seed as i64);
    let store = nn::VarStore::new(device);
    Autoencoder::new(store.root(), &config.model);
    if let Some(checkpoint) = weights {
        let mut variables = store.variables();
        // What the trained network has must be in its file; only what is new may begin silent.
        let trained = nn::VarStore::new(Device::Cpu);
        Autoencoder::new(trained.root(), &checkpoint.config);
        let trained = trained.variables();
        variables
            .retain(|name, variable| trained.contains_key(name) || !begin_silent(name, variable));
        checkpoint.copy_into(variables)?;
    }
    let first: Named = store.variables().into_iter().collect();
    let origin = weights.map(|_| optimiser::copies(&first));
    let progress = Progress {
        config,
        updates: 0,
        audio_seconds: 0.0,
        running_seconds: 0.0,
        best_loss: None,
        best_update: 0,
        stale_validations: 0,
        rollbacks: 0,
    };
    let optimiser = Optimiser::new(optimiser::copies(&first));
    Ok((progress, optimiser, origin.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checkpoint::TrainingSummary;

    #[test]
    fn layers_that_a_damaged_file_lacks_are_not_taken_for_new_ones() {
        let small = ModelConfig {
            channels: 16,
            latent: 8,
            context_dilations: vec![1, 2],
            ..ModelConfig::default()
        };
        let store = nn::VarStore::new(Device::Cpu);
        Autoencoder::new(store.root(), &small);
        let mut checkpoint = Checkpoint {
            config: small.clone(),
            summary: TrainingSummary::default(),
            tensors: store.variables().into_iter().collect(),
        };
        let mut deeper = TrainingConfig {
            model: small,
            ..TrainingConfig::default()
        };
        deeper.model.context_dilations.push(4);
        let begin = |checkpoint: &Checkpoint| fresh(deeper.clone(), Some(checkpoint), Device::Cpu);
        assert!(begin(&checkpoint).is_ok());

        let layer = checkpoint
            .tensors
            .keys()
            .find(|name| name.starts_with("context_"))
            .unwrap()
            .clone();
        checkpoint.tensors.remove(&layer);
        let error = begin(&checkpoint).err().unwrap().to_string();
        assert!(error.contains(&format!("{layer} is missing")), "{error}");
    }
}
