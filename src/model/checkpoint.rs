//! Weights files: safetensors with the architecture and a training summary in the metadata.
//!
//! Metadata keys: `denoised.format` (version of this layout), `denoised.model` ([`ModelConfig`] as
//! JSON) and `denoised.training` ([`TrainingSummary`] as JSON). All tensors are f32.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::config::ModelConfig;

const FORMAT_VERSION: &str = "1";

/// How the weights came to be; for people, not needed to run them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingSummary {
    pub program_version: String,
    pub updates: u64,
    pub audio_hours: f64,
    pub validation_loss: f64,
    pub validation_si_sdr_db: f64,
}

/// Tensors by name, with what describes them.
#[derive(Debug)]
pub struct Checkpoint {
    pub config: ModelConfig,
    pub summary: TrainingSummary,
    pub tensors: HashMap<String, Tensor>,
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
        let (_, header) = SafeTensors::read_metadata(bytes)
            .context("not a safetensors file, or damaged: fetch or train it again")?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(&format!("denoised.{key}"));
        match entry("format").map(String::as_str) {
            Some(FORMAT_VERSION) => {}
            Some(other) => bail!(
                "its format is version {other}, this program reads {FORMAT_VERSION}: update denoised"
            ),
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
        let file = SafeTensors::deserialize(bytes).context("damaged: fetch or train it again")?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            ensure!(view.dtype() == Dtype::F32, "tensor {name} is not f32");
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            let tensor =
                Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?.to_device(device);
            ensure!(
                tensor.isfinite().all().int64_value(&[]) == 1,
                "tensor {name} holds values that are not finite"
            );
            tensors.insert(name, tensor);
        }
        Ok(Self {
            config,
            summary,
            tensors,
        })
    }

    /// Writes the file beside its final place and renames it: a reader never sees half of it.
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
        let stored: Vec<(String, Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), shape(tensor), little_endian(tensor)))
            .collect();
        let mut views = Vec::with_capacity(stored.len());
        for (name, shape, bytes) in &stored {
            views.push((
                name.as_str(),
                TensorView::new(Dtype::F32, shape.clone(), bytes)?,
            ));
        }
        let bytes = safetensors::serialize(views, Some(metadata))?;
        write_atomically(path, &bytes)
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

/// Writes `bytes` to a temporary file in the folder of `path`, then renames it.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || -> Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn shape(tensor: &Tensor) -> Vec<usize> {
    tensor.size().iter().map(|&size| size as usize).collect()
}

fn little_endian(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![0f32; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
