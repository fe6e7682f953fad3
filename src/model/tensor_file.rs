//! Named f32 tensors with text metadata in one safetensors file.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};

use crate::pending_file::PendingFile;

/// Tensors by name, in a fixed order.
pub type Named = BTreeMap<String, Tensor>;

/// What a file holds.
#[derive(Debug)]
pub struct TensorFile {
    pub metadata: HashMap<String, String>,
    pub tensors: Named,
}

/// The metadata of a file's bytes, without its tensors.
///
/// # Errors
/// The bytes are not a safetensors file.
pub fn metadata(bytes: &[u8]) -> Result<HashMap<String, String>> {
    let (_, header) =
        SafeTensors::read_metadata(bytes).context("not a safetensors file, or damaged")?;
    Ok(header.metadata().clone().unwrap_or_default())
}

impl TensorFile {
    /// Reads all tensors onto `device`.
    ///
    /// # Errors
    /// The bytes are damaged, or a tensor is not f32 or not finite.
    pub fn parse(bytes: &[u8], device: Device) -> Result<Self> {
        let metadata = metadata(bytes)?;
        let file = SafeTensors::deserialize(bytes).context("damaged safetensors file")?;
        let mut tensors = Named::new();
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
        Ok(Self { metadata, tensors })
    }

    /// Writes the file beside its final place and renames it: a reader never sees half of it.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn save(self, path: &Path) -> Result<()> {
        let stored: Vec<(&String, Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name, shape(tensor), little_endian(tensor)))
            .collect();
        let mut views = Vec::with_capacity(stored.len());
        for (name, shape, bytes) in &stored {
            views.push((
                name.as_str(),
                TensorView::new(Dtype::F32, shape.clone(), bytes)?,
            ));
        }
        let bytes = safetensors::serialize(views, Some(self.metadata))?;
        let file = PendingFile::new(path)?;
        let mut handle = file.handle()?;
        // On the disk before the name points to it: what was there must not be lost for less.
        handle
            .write_all(&bytes)
            .and_then(|()| handle.sync_all())
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.commit(true)
    }
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
