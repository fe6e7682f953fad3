//! Tensors as plain slices: on one frame a tensor operation costs more than its arithmetic.

use std::slice;

use tch::{Device, Kind, Tensor};

/// The values of a contiguous 32-bit tensor in main memory, in place.
pub fn values(tensor: &Tensor) -> &[f32] {
    check_plain(tensor);
    // SAFETY: that many values lie there, for as long as the borrowed tensor lives.
    unsafe { slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// [`values`] to change; no other tensor may share them meanwhile.
pub fn values_mut(tensor: &mut Tensor) -> &mut [f32] {
    check_plain(tensor);
    // SAFETY: as in `values`; the tensors it is called with are their memory's only ones.
    unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

fn check_plain(tensor: &Tensor) {
    assert!(
        tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous(),
        "a stream works on contiguous 32-bit frames in main memory"
    );
}
