//! Weight matrices in 16-bit floats, for products with single frames.
//!
//! On a frame every weight is used once, so a stream waits for memory, not for arithmetic: half the bytes take half
//! the time. Sums are 32-bit.

use half::f16;
use half::slice::HalfFloatSliceExt;
use tch::Tensor;

use super::slices::values;

/// A matrix `[out, in]`.
#[derive(Debug)]
pub struct HalfMatrix {
    /// One row after the other.
    weights: Vec<f16>,
    columns: usize,
}

impl HalfMatrix {
    /// Rounds `matrix` `[out, in]`.
    pub fn new(matrix: &Tensor) -> Self {
        let values = values(matrix);
        let mut weights = vec![f16::ZERO; values.len()];
        weights.convert_from_f32_slice(&values);
        let columns = matrix.size()[1] as usize;
        Self { weights, columns }
    }

    /// Values in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Adds the product with `x` `[in]` to `sum` `[out]`.
    pub fn add_product(&self, x: &[f32], sum: &mut [f32]) {
        debug_assert_eq!(x.len(), self.columns);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            // SAFETY: the processor has these instructions.
            unsafe { add_product_avx2(&self.weights, x, sum) };
            return;
        }
        add_product(&self.weights, x, sum);
    }
}

/// Weights that are converted together.
const BLOCK: usize = 32;

fn add_product(weights: &[f16], x: &[f32], output: &mut [f32]) {
    let mut row = vec![0f32; x.len()];
    for (weights, sum) in weights.chunks_exact(x.len()).zip(output) {
        weights.convert_to_f32_slice(&mut row);
        let mut sums = [0f32; BLOCK];
        let (row, row_rest) = row.as_chunks::<BLOCK>();
        let (x, x_rest) = x.as_chunks::<BLOCK>();
        for (row, x) in row.iter().zip(x) {
            for ((sum, weight), x) in sums.iter_mut().zip(row).zip(x) {
                *sum += weight * x;
            }
        }
        let rest: f32 = row_rest
            .iter()
            .zip(x_rest)
            .map(|(weight, x)| weight * x)
            .sum();
        *sum += sums.iter().sum::<f32>() + rest;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_product_avx2(weights: &[f16], x: &[f32], output: &mut [f32]) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
        _mm256_storeu_ps,
    };
    const LANES: usize = 8;
    let (x, x_rest) = x.as_chunks::<BLOCK>();
    let columns = x.len() * BLOCK + x_rest.len();
    for (row, sum) in weights.chunks_exact(columns).zip(output) {
        let (row, row_rest) = row.as_chunks::<BLOCK>();
        let mut sums = [_mm256_setzero_ps(); BLOCK / LANES];
        for (row, x) in row.iter().zip(x) {
            for (part, sum) in sums.iter_mut().enumerate() {
                // SAFETY: both blocks have LANES values from here on, and no alignment is asked for.
                let (weights, x) = unsafe {
                    (
                        _mm256_cvtph_ps(_mm_loadu_si128(row.as_ptr().add(part * LANES).cast())),
                        _mm256_loadu_ps(x.as_ptr().add(part * LANES)),
                    )
                };
                *sum = _mm256_fmadd_ps(weights, x, *sum);
            }
        }
        for part in sums {
            let mut lanes = [0f32; LANES];
            // SAFETY: there is room for LANES values.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), part) };
            *sum += lanes.iter().sum::<f32>();
        }
        let rest = row_rest.iter().zip(x_rest);
        *sum += rest.map(|(weight, x)| weight.to_f32() * x).sum::<f32>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn products_are_those_of_the_rounded_matrix() {
        tch::manual_seed(4);
        for columns in [1, 31, 32, 100, 192] {
            let options = (Kind::Float, Device::Cpu);
            let matrix = Tensor::randn([7, columns], options);
            let (x, bias) = (
                Tensor::randn([columns], options),
                Tensor::randn([7], options),
            );
            let half = HalfMatrix::new(&matrix);
            let rounded = matrix.to_kind(Kind::Half).to_kind(Kind::Float);
            let expected = values(&bias.addmv(&rounded, &x));
            let x = values(&x);
            let (mut fast, mut portable) = (values(&bias), values(&bias));
            half.add_product(&x, &mut fast);
            add_product(&half.weights, &x, &mut portable);
            for found in [fast, portable] {
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-4, "{columns}");
                }
            }
        }
    }
}
