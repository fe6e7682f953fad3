//! [`BandConv`](super::super::band_conv::BandConv) on single frames.
//!
//! Blocks of neighbouring bands and of output channels are summed up in registers, while every kernel value is
//! read once per block. Rows carry zeros on both sides, so that no band is a special case.

use std::sync::Arc;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

/// Bands, and output channels, summed up together.
const BLOCK: usize = 16;
const TOGETHER: usize = 4;

/// Output channels that are computed together: their kernels, value by value.
type Kernels = Vec<[f32; TOGETHER]>;

/// The layer and the frames before.
#[derive(Debug, Clone)]
pub struct FrameBandConv {
    /// For every [`TOGETHER`] output channels, `[frames * in * width]`.
    kernels: Arc<[Kernels]>,
    bias: Arc<[f32]>,
    bands: usize,
    width: usize,
    inputs: usize,
    /// The last frames, the newest last: `[frames * in]` rows, see [`Self::row_length`].
    rows: Vec<f32>,
}

impl FrameBandConv {
    /// A layer of `weight` `[out, in, width, frames]` over `bands`, that has heard silence so far.
    pub fn new(weight: &[f32], shape: [usize; 4], bias: Vec<f32>, bands: usize) -> Self {
        let [outputs, inputs, width, frames] = shape;
        let value = |output: usize, frame: usize, input: usize, offset: usize| {
            let row = output * inputs + input;
            let index = (row * width + offset) * frames + frame;
            if output < outputs { weight[index] } else { 0.0 }
        };
        let kernels = (0..outputs).step_by(TOGETHER).map(|first| {
            let mut kernels = Kernels::with_capacity(frames * inputs * width);
            for frame in 0..frames {
                for input in 0..inputs {
                    for offset in 0..width {
                        kernels.push(std::array::from_fn(|i| {
                            value(first + i, frame, input, offset)
                        }));
                    }
                }
            }
            kernels
        });
        Self {
            kernels: kernels.collect(),
            bias: bias.into(),
            bands,
            width,
            inputs,
            rows: vec![0.0; frames * inputs * row_length(bands, width)],
        }
    }

    /// The next frame: `[in, bands]` to `[out, bands]`.
    pub fn step(&mut self, input: &[f32]) -> Vec<f32> {
        let length = row_length(self.bands, self.width);
        self.rows.copy_within(self.inputs * length.., 0);
        let newest = self.rows.len() - self.inputs * length;
        let places = self.rows[newest..].chunks_exact_mut(length);
        for (place, row) in places.zip(input.chunks_exact(self.bands)) {
            place[self.width / 2..][..self.bands].copy_from_slice(row);
        }
        let mut output = vec![0.0; self.bias.len() * self.bands];
        let channels = output.chunks_mut(TOGETHER * self.bands);
        let biases = self.bias.chunks(TOGETHER);
        for ((kernels, channels), bias) in self.kernels.iter().zip(channels).zip(biases) {
            convolve(
                &self.rows,
                [self.bands, self.width, length],
                kernels,
                bias,
                channels,
            );
        }
        output
    }
}

/// Values of a row: the bands in whole blocks, and half a kernel of zeros on both sides.
fn row_length(bands: usize, width: usize) -> usize {
    bands.next_multiple_of(BLOCK) + width - 1
}

/// Output `channels` `[bias.len(), bands]` of `rows`.
#[multiversion(targets("x86_64+avx512f+fma", "x86_64+avx2+fma"))]
fn convolve(
    rows: &[f32],
    [bands, width, length]: [usize; 3],
    kernels: &[[f32; TOGETHER]],
    bias: &[f32],
    channels: &mut [f32],
) {
    for first in (0..bands).step_by(BLOCK) {
        let mut sums = [[0f32; BLOCK]; TOGETHER];
        for (kernels, row) in kernels.chunks_exact(width).zip(rows.chunks_exact(length)) {
            for (offset, kernel) in kernels.iter().enumerate() {
                let Some(row) = row[first + offset..].first_chunk::<BLOCK>() else {
                    return;
                };
                for (sums, weight) in sums.iter_mut().zip(kernel) {
                    for (sum, x) in sums.iter_mut().zip(row) {
                        // Without the instruction, a fused product is a slow function.
                        *sum = if target_cfg_f!(target_feature = "fma") {
                            weight.mul_add(*x, *sum)
                        } else {
                            *sum + weight * x
                        };
                    }
                }
            }
        }
        let count = BLOCK.min(bands - first);
        let places = channels.chunks_exact_mut(bands);
        for ((place, sums), bias) in places.zip(&sums).zip(bias) {
            for (place, sum) in place[first..first + count].iter_mut().zip(sums) {
                *place = sum + bias;
            }
        }
    }
}
