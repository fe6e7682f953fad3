//! What a weights file says about itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use tch::Device;

use super::checkpoint::TrainingSummary;
use super::config::ModelConfig;
use super::{Model, tensor_file};

/// A usable weights file: its sizes, its network and how it was trained.
#[derive(Debug, Serialize)]
pub struct Card {
    pub name: String,
    pub path: PathBuf,
    pub bytes: u64,
    /// Trained values.
    pub parameters: usize,
    /// Values per frame in the bottleneck.
    pub latent: i64,
    pub frame_ms: f64,
    /// From the first sample of a window to its output, with a processor of infinite speed.
    pub algorithmic_latency_ms: f64,
    pub architecture: ModelConfig,
    pub training: TrainingSummary,
}

impl Card {
    /// Reads and checks a weights file.
    ///
    /// # Errors
    /// Says what is wrong with the file, as [`Model::load`].
    pub fn read(path: &Path) -> Result<Card> {
        let model = Model::load(path, Device::Cpu)?;
        let config = model.config();
        let ms = |samples: i64| samples as f64 / f64::from(config.sample_rate_hz) * 1e3;
        Ok(Card {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            path: path.to_owned(),
            bytes: fs::metadata(path)?.len(),
            parameters: model.weight_count(),
            latent: config.latent,
            frame_ms: ms(config.hop_samples),
            algorithmic_latency_ms: ms(config.latency_samples()),
            architecture: config.clone(),
            training: model.summary().clone(),
        })
    }
}

/// All metadata of a weights file; values that are JSON as such, others as text.
///
/// # Errors
/// A file that cannot be read or is no safetensors file.
pub fn metadata(path: &Path) -> Result<BTreeMap<String, Value>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let entries =
        tensor_file::metadata(&bytes).with_context(|| format!("cannot use {}", path.display()))?;
    let parsed = |(key, text): (String, String)| {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (key, value)
    };
    Ok(entries.into_iter().map(parsed).collect())
}
