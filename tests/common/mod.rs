//! What several tests need.

use std::path::PathBuf;
use std::sync::LazyLock;

use denoised::model::ModelConfig;
use denoised::model::autoencoder::Autoencoder;
use denoised::model::checkpoint::{Checkpoint, TrainingSummary};
use tempfile::TempDir;

/// A small model with random weights, the same for all tests.
pub static MODEL: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    tch::manual_seed(1);
    let config = ModelConfig {
        scene_channels: 4,
        scene_layers: 1,
        channels: 16,
        latent: 8,
        ..ModelConfig::default()
    };
    let variables = tch::nn::VarStore::new(tch::Device::Cpu);
    Autoencoder::new(variables.root(), &config);
    let tensors = variables.variables().into_iter().collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    Checkpoint {
        config,
        summary: TrainingSummary::default(),
        tensors,
    }
    .save(&path)
    .unwrap();
    (folder, path)
});
