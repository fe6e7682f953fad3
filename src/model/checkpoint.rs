//! Weights files: safetensors with the architecture and a training summary in the metadata.
//!
//! Metadata keys: `denoised.format` (version of this layout), `denoised.model` ([`ModelConfig`] as
//! JSON) and `denoised.training` ([`TrainingSummary`] as JSON). Tensors are written as f16: what
//! rounding adds is far below what training leaves.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Deserializer, Serialize};
use tch::{Device, Kind, Tensor};

use super::config::ModelConfig;
use super::tensor_file::{self, Named, TensorFile};

const FORMAT_VERSION: &str = "1";

/// How the weights came to be; for people, not needed to run them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingSummary {
    pub program_version: String,
    pub updates: u64,
    pub audio_hours: f64,
    #[serde(deserialize_with = "number_or_null")]
    pub validation_loss: f64,
    #[serde(deserialize_with = "number_or_null")]
    pub validation_si_sdr_db: f64,
}

/// A number; JSON has null in place of those that are not finite.
fn number_or_null<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}

/// Tensors by name, with what describes them.
#[derive(Debug)]
pub struct Checkpoint {
    pub config: ModelConfig,
    pub summary: TrainingSummary,
    pub tensors: Named,
}

impl Checkpoint {
    /// Reads a weights file onto `device`.
    ///
    /// # Errors
    /// Says that the file is missing, damaged, no model of this program or of a newer format.
    pub fn load(path: &Path, device: Device) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| {
            format!(
                "cannot read the model {}: give another with --model",
                path.display()
            )
        })?;
        Self::parse(&bytes, device)
            .with_context(|| format!("cannot use the model {}", path.display()))
    }

    fn parse(bytes: &[u8], device: Device) -> Result<Self> {
        let metadata = tensor_file::metadata(bytes)?;
        let entry = |key: &str| metadata.get(&format!("denoised.{key}"));
        match entry("format").map(String::as_str) {
            Some(FORMAT_VERSION) => {}
            Some(other) => {
                bail!(
                    "its format is version {other}, this program reads {FORMAT_VERSION}: update denoised"
                )
            }
            None => bail!("it is a safetensors file, but not one that denoised has written"),
        }
        let config: ModelConfig =
            serde_json::from_str(entry("model").context("no architecture in it")?)
                .context("its architecture is not understood")?;
        config.validate().context("its architecture is not valid")?;
        let summary = match entry("training") {
            Some(text) => {
                serde_json::from_str(text).context("its training summary is not understood")?
            }
            None => TrainingSummary::default(),
        };
        let tensors = TensorFile::parse(bytes, device)?.tensors;
        Ok(Self {
            config,
            summary,
            tensors,
        })
    }

    /// Writes the weights file; a reader never sees half of it.
    ///
    /// # Errors
    /// Says which file could not be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let metadata = HashMap::from([
            ("denoised.format".to_owned(), FORMAT_VERSION.to_owned()),
            (
                "denoised.model".to_owned(),
                serde_json::to_string(&self.config)?,
            ),
            (
                "denoised.training".to_owned(),
                serde_json::to_string(&self.summary)?,
            ),
        ]);
        let tensors = self
            .tensors
            .iter()
            .map(|(name, t)| (name.clone(), t.to_kind(Kind::Half)))
            .collect();
        TensorFile { metadata, tensors }.save(path)
    }

    /// Copies the tensors into `variables` of the same names and shapes.
    ///
    /// # Errors
    /// Names the first tensor that is missing or of another shape.
    pub fn copy_into(&self, variables: HashMap<String, Tensor>) -> Result<()> {
        for (name, mut variable) in variables {
            let tensor = self
                .tensors
                .get(&name)
                .with_context(|| format!("tensor {name} is missing"))?;
            ensure!(
                tensor.size() == variable.size(),
                "tensor {name} is {:?}, the architecture needs {:?}",
                tensor.size(),
                variable.size()
            );
            tch::no_grad(|| variable.copy_(tensor));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_whose_score_is_no_number_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("silent.safetensors");
        let saved = Checkpoint {
            config: ModelConfig::default(),
            summary: TrainingSummary {
                updates: 7,
                validation_si_sdr_db: f64::NEG_INFINITY,
                ..TrainingSummary::default()
            },
            tensors: Named::new(),
        };
        saved.save(&path).unwrap();
        let summary = Checkpoint::load(&path, Device::Cpu).unwrap().summary;
        assert!(summary.updates == 7 && summary.validation_si_sdr_db.is_nan());
    }
}
