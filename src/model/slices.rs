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

/// The memory of a 32-bit tensor on the CPU.
pub fn view(tensor: &Tensor) -> &[f32] {
    assert!(is_plain(tensor), "{tensor:?} is not plain memory");
    // SAFETY: it is as long as the tensor, which outlives it, and nothing else writes to it while it is borrowed.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// The memory of a 32-bit tensor on the CPU, to write to.
pub fn view_mut(tensor: &mut Tensor) -> &mut [f32] {
    assert!(is_plain(tensor), "{tensor:?} is not plain memory");
    // SAFETY: it is as long as the tensor, which outlives it and is borrowed alone.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

fn is_plain(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous()
}
