//! Weight matrices in 8 bits, for products with single frames.
//!
//! On a frame every weight is used once, so a stream waits for memory, not for arithmetic: half the bytes of 16-bit floats take less
//! time. Each row has a scale of its own, and zero stays zero (symmetric per-channel quantisation, Krishnamoorthi,
//! "Quantizing deep convolutional networks for efficient inference", 2018). Inputs and sums are 32-bit floats. So that files sound
//! the same, libtorch's layers get the rounded weights, too: see [`round`].

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use tch::{Kind, Tensor};

use super::slices::values;

/// The largest weight of a row.
const LARGEST: f64 = 127.0;

/// Inputs, and outputs, that are worked on together: their sums stay in registers, and there are enough of them
/// that none waits for the one before.
const INPUTS: usize = 16;
const OUTPUTS: usize = 8;

/// Steps of some outputs for some inputs.
type Block = [[i8; INPUTS]; OUTPUTS];

/// A matrix `[out, in]`.
#[derive(Debug)]
pub struct QuantisedMatrix {
    /// In the order of use: all inputs of the first outputs, and so on; zeros fill the last ones up.
    blocks: Vec<Block>,
    /// `[out]`.
    scales: Vec<f32>,
    columns: usize,
}

impl QuantisedMatrix {
    /// Rounds `matrix` `[out, in]`.
    pub fn new(matrix: &Tensor) -> Self {
        let (steps, scales) = quantise(matrix);
        let (steps, scales) = (values(&steps), values(&scales));
        let columns = matrix.size()[1] as usize;
        let rows: Vec<&[f32]> = steps.chunks_exact(columns).collect();
        let mut blocks = Vec::new();
        for rows in rows.chunks(OUTPUTS) {
            for first in (0..columns).step_by(INPUTS) {
                let mut block = [[0; INPUTS]; OUTPUTS];
                for (block, row) in block.iter_mut().zip(rows) {
                    for (place, step) in block.iter_mut().zip(&row[first..]) {
                        *place = *step as i8;
                    }
                }
                blocks.push(block);
            }
        }
        Self {
            blocks,
            scales,
            columns,
        }
    }

    /// Values in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Length of what is multiplied: the values in a row, and zeros up to whole blocks.
    pub fn padded_columns(&self) -> usize {
        self.columns.next_multiple_of(INPUTS)
    }

    /// Adds the product with `x`, as long as [`Self::padded_columns`], to `sum` `[out]`.
    pub fn add_product(&self, x: &[f32], sum: &mut [f32]) {
        debug_assert_eq!(x.len(), self.padded_columns());
        add_product(&self.blocks, &self.scales, x, sum);
    }
}

/// `matrix` `[out, …]` with the values that a [`QuantisedMatrix`] of it has.
pub fn round(matrix: &Tensor) -> Tensor {
    let (steps, scales) = quantise(&matrix.flatten(1, -1));
    (steps * scales).view_as(matrix)
}

/// Whole steps `[out, in]`, and their scales `[out, 1]`.
fn quantise(matrix: &Tensor) -> (Tensor, Tensor) {
    let matrix = matrix.to_kind(Kind::Float);
    // A row of zeros needs some scale.
    let scales = matrix.abs().amax([1], true).clamp_min(1e-30) / LARGEST;
    ((matrix / &scales).round(), scales)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+fma", "x86_64+avx2+fma"))]
fn add_product(blocks: &[Block], scales: &[f32], x: &[f32], output: &mut [f32]) {
    let (x, _) = x.as_chunks::<INPUTS>();
    let rows = blocks.chunks_exact(x.len());
    let outputs = output.chunks_mut(OUTPUTS).zip(scales.chunks(OUTPUTS));
    for (row, (output, scales)) in rows.zip(outputs) {
        let mut sums = [[0f32; INPUTS]; OUTPUTS];
        for (block, x) in row.iter().zip(x) {
            for (sums, weights) in sums.iter_mut().zip(block) {
                let weights = weights.map(f32::from);
                for n in 0..INPUTS {
                    // Without the instruction, a fused product is a slow function.
                    sums[n] = if target_cfg_f!(target_feature = "fma") {
                        weights[n].mul_add(x[n], sums[n])
                    } else {
                        sums[n] + weights[n] * x[n]
                    };
                }
            }
        }
        for ((output, scale), sums) in output.iter_mut().zip(scales).zip(&sums) {
            *output += scale * sums.iter().sum::<f32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn products_are_those_of_the_rounded_matrix() {
        tch::manual_seed(4);
        for columns in [1, 31, 32, 100, 192] {
            let options = (Kind::Float, Device::Cpu);
            let matrix = Tensor::randn([19, columns], options);
            let _ = matrix.get(2).zero_();
            let (x, bias) = (
                Tensor::randn([columns], options),
                Tensor::randn([19], options),
            );
            let expected = values(&bias.addmv(&round(&matrix), &x));
            let (mut x, mut found) = (values(&x), values(&bias));
            let quantised = QuantisedMatrix::new(&matrix);
            x.resize(quantised.padded_columns(), 0.0);
            quantised.add_product(&x, &mut found);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{columns}");
            }
        }
    }

    #[test]
    fn rounding_moves_no_weight_by_more_than_half_a_step_and_again_by_nothing() {
        tch::manual_seed(5);
        let kernels = Tensor::randn([6, 5, 3], (Kind::Float, Device::Cpu));
        let rounded = round(&kernels);
        let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
        let step = largest(&kernels) / LARGEST;
        assert!(largest(&(&rounded - &kernels)) <= 0.501 * step);
        assert!(largest(&(round(&rounded) - &rounded)) < 1e-6);
    }
}
