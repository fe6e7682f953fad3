//! Weight matrices in 8 bits, for products with single frames.
//!
//! On a frame every weight is used once, so a stream waits for memory, not for arithmetic: half the bytes of 16-bit floats take less
//! time. Each row has a scale of its own, and zero stays zero (symmetric per-channel quantisation, Krishnamoorthi,
//! "Quantizing deep convolutional networks for efficient inference", 2018). What is multiplied is brought to whole steps of
//! 16 bits, one step for all of it, so that products are those of integers; sums are exact. So that files sound
//! the same, libtorch's layers get the rounded weights, too: see [`round`].

use multiversion::multiversion;
use tch::{Kind, Tensor};

use super::slices::values;

/// The largest weight of a row.
const LARGEST: f64 = 127.0;
/// The largest of the values that are multiplied.
const LARGEST_INPUT: f32 = 32767.0;

/// Inputs, and outputs, that are worked on together: their sums stay in registers, and there are enough of them
/// that none waits for the one before.
const INPUTS: usize = 16;
const OUTPUTS: usize = 8;
/// So many blocks cannot fill the 32 bits of a sum.
const BLOCKS: usize = 32;
/// Added to a small number, 1.5 · 2²³ leaves the nearest whole one in the low bits of the sum.
const ROUNDING: f32 = 12_582_912.0;

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

    /// Adds the product with `x`, as long as [`Self::columns`], to `sum` `[out]`.
    pub fn add_product(&self, x: &[f32], sum: &mut [f32]) {
        debug_assert_eq!(x.len(), self.columns);
        let (mut steps, step) = in_steps(x);
        steps.resize(self.columns.next_multiple_of(INPUTS), 0);
        let (x, _) = steps.as_chunks::<INPUTS>();
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has these instructions.
            return unsafe { avx2::add_product(self, x, step, sum) };
        }
        self.add_rows(x, step, sum, products);
    }

    /// Adds the product with `x` steps to `sum`; `products` multiplies [`BLOCKS`] at most.
    #[inline(always)]
    fn add_rows(
        &self,
        x: &[[i16; INPUTS]],
        step: f32,
        sum: &mut [f32],
        products: impl Fn(&[Block], &[[i16; INPUTS]]) -> [i32; OUTPUTS],
    ) {
        let rows = self.blocks.chunks_exact(x.len());
        let outputs = sum.chunks_mut(OUTPUTS).zip(self.scales.chunks(OUTPUTS));
        for (row, (output, scales)) in rows.zip(outputs) {
            for (row, x) in row.chunks(BLOCKS).zip(x.chunks(BLOCKS)) {
                let products = products(row, x);
                for ((output, scale), product) in output.iter_mut().zip(scales).zip(products) {
                    *output += scale * step * product as f32;
                }
            }
        }
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

/// Sums of the products of blocks, one behind the other, with `x`.
fn products(blocks: &[Block], x: &[[i16; INPUTS]]) -> [i32; OUTPUTS] {
    let mut sums = [0; OUTPUTS];
    for (block, x) in blocks.iter().zip(x) {
        for (sum, weights) in sums.iter_mut().zip(block) {
            let products = weights.iter().zip(x);
            let products = products.map(|(&weight, &x)| i32::from(weight) * i32::from(x));
            *sum += products.sum::<i32>();
        }
    }
    sums
}

/// What the compiler does not find by itself: one instruction for pairs of products and their sums.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_hadd_epi32,
        _mm256_loadu_si256, _mm256_madd_epi16, _mm256_permute2x128_si256, _mm256_setzero_si256,
        _mm256_storeu_si256,
    };

    use super::{Block, INPUTS, OUTPUTS, QuantisedMatrix};

    #[target_feature(enable = "avx2")]
    pub fn add_product(matrix: &QuantisedMatrix, x: &[[i16; INPUTS]], step: f32, sum: &mut [f32]) {
        matrix.add_rows(x, step, sum, |blocks, x| products(blocks, x));
    }

    /// As [`super::products`].
    #[target_feature(enable = "avx2")]
    fn products(blocks: &[Block], x: &[[i16; INPUTS]]) -> [i32; OUTPUTS] {
        let mut sums = [_mm256_setzero_si256(); OUTPUTS];
        for (block, x) in blocks.iter().zip(x) {
            // SAFETY: reads the 16 values of 16 bits.
            let x = unsafe { _mm256_loadu_si256(x.as_ptr().cast()) };
            for (sum, weights) in sums.iter_mut().zip(block) {
                // SAFETY: reads the 16 values of 8 bits.
                let weights = unsafe { _mm_loadu_si128(weights.as_ptr().cast()) };
                let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(weights), x);
                *sum = _mm256_add_epi32(*sum, products);
            }
        }
        let mut totals = [0; OUTPUTS];
        // SAFETY: writes the 8 values of 32 bits.
        unsafe { _mm256_storeu_si256(totals.as_mut_ptr().cast(), across(sums)) };
        totals
    }

    /// The sum of each vector.
    #[target_feature(enable = "avx2")]
    fn across(sums: [__m256i; OUTPUTS]) -> __m256i {
        let [a, b, c, d, e, f, g, h] = sums;
        let first = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let last = _mm256_hadd_epi32(_mm256_hadd_epi32(e, f), _mm256_hadd_epi32(g, h));
        // Each half of these holds the sums of half the lanes.
        let lower = _mm256_permute2x128_si256::<0x20>(first, last);
        let upper = _mm256_permute2x128_si256::<0x31>(first, last);
        _mm256_add_epi32(lower, upper)
    }
}

/// `x` in whole steps, and the step; what is not a number becomes 0.
#[multiversion(targets("x86_64+avx2"))]
fn in_steps(x: &[f32]) -> (Vec<i16>, f32) {
    let (blocks, rest) = x.as_chunks::<INPUTS>();
    let mut largest = [0f32; INPUTS];
    for x in blocks.iter().map(|block| &block[..]).chain([rest]) {
        for (largest, x) in largest.iter_mut().zip(x) {
            *largest = largest.max(x.abs());
        }
    }
    let largest = largest.into_iter().fold(0f32, f32::max);
    // Zeros need some step.
    let step = largest.max(1e-30) / LARGEST_INPUT;
    let per_step = 1.0 / step;
    let steps = x.iter().map(|x| (x * per_step + ROUNDING).to_bits() as i16);
    (steps.collect(), step)
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
            let mut found = values(&bias);
            QuantisedMatrix::new(&matrix).add_product(&values(&x), &mut found);
            for (found, expected) in found.iter().zip(&expected) {
                // By steps of 16 bits, for values up to 3 or so.
                assert!((found - expected).abs() < 1e-3, "{columns}");
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

    #[test]
    fn the_largest_products_of_the_longest_rows_do_not_overflow() {
        let columns = 3 * BLOCKS * INPUTS + 5;
        let matrix = Tensor::full([9, columns as i64], -2.0, (Kind::Float, Device::Cpu));
        let mut found = vec![0.0; 9];
        QuantisedMatrix::new(&matrix).add_product(&vec![3.0; columns], &mut found);
        let expected = -6.0 * columns as f32;
        assert!(
            found.iter().all(|x| (x / expected - 1.0).abs() < 1e-5),
            "{found:?}"
        );
    }

    #[test]
    fn zeros_and_what_is_not_a_number_give_numbers() {
        let matrix = Tensor::ones([3, 20], (Kind::Float, Device::Cpu));
        let quantised = QuantisedMatrix::new(&matrix);
        for x in [0.0, f32::NAN] {
            let mut found = vec![1.0; 3];
            quantised.add_product(&[x; 20], &mut found);
            assert_eq!(found, [1.0; 3]);
        }
    }

    #[test]
    fn every_processor_finds_the_same_sums() {
        tch::manual_seed(6);
        let options = (Kind::Float, Device::Cpu);
        let matrix = QuantisedMatrix::new(&Tensor::randn([19, 700], options));
        let (mut steps, step) = in_steps(&values(&Tensor::randn([700], options)));
        steps.resize(704, 0);
        let (mut found, mut plain) = (vec![0.0; 19], vec![0.0; 19]);
        matrix.add_product(
            &steps
                .iter()
                .map(|&x| f32::from(x) * step)
                .collect::<Vec<_>>()[..700],
            &mut found,
        );
        matrix.add_rows(steps.as_chunks().0, step, &mut plain, products);
        assert_eq!(found, plain);
    }
}
