//! Named tensors, 32-bit or 16-bit, with text metadata in one safetensors file.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};

use super::slices::values;
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
    /// Reads all tensors onto `device`, as 32-bit ones.
    ///
    /// # Errors
    /// The bytes are damaged, or a tensor is not f32 or f16, or not finite.
    pub fn parse(bytes: &[u8], device: Device) -> Result<Self> {
        let metadata = metadata(bytes)?;
        let file = SafeTensors::deserialize(bytes).context("damaged safetensors file")?;
        let mut tensors = Named::new();
        for (name, view) in file.tensors() {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F16 => Kind::Half,
                other => bail!("tensor {name} is {other:?}, not F32 or F16"),
            };
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?
                .to_device(device)
                .to_kind(Kind::Float);
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
        let stored = self.tensors.iter();
        let stored: Vec<_> = stored
            .map(|(name, tensor)| (name, shape(tensor), little_endian(tensor)))
            .collect();
        let mut views = Vec::with_capacity(stored.len());
        for (name, shape, (dtype, bytes)) in &stored {
            views.push((
                name.as_str(),
                TensorView::new(*dtype, shape.clone(), bytes)?,
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

/// Values in the tensor's own precision.
fn little_endian(tensor: &Tensor) -> (Dtype, Vec<u8>) {
    let values = values(tensor).into_iter();
    match tensor.kind() {
        Kind::Half => (
            Dtype::F16,
            values
                .flat_map(|value| f16::from_f32(value).to_le_bytes())
                .collect(),
        ),
        _ => (
            Dtype::F32,
            values.flat_map(|value| value.to_le_bytes()).collect(),
        ),
    }
}
