//! Tensors as plain values.

use tch::{Device, Kind, Tensor};

/// The values of a tensor, row after row.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    let plain = tensor
        .to_device(Device::Cpu)
        .to_kind(Kind::Float)
        .contiguous();
    let mut values = vec![0f32; plain.numel()];
    plain.copy_data(&mut values, plain.numel());
    values
}
