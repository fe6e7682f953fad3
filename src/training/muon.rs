//! Muon: the momentum of a matrix of weights, made orthogonal, as its update.
//!
//! Every direction in the layer's input moves its output equally far, also the rare ones that the
//! plain gradient hardly moves (Jordan et al., "Muon: An optimizer for hidden layers in neural
//! networks", 2024). Scaled as by Liu et al., "Muon is Scalable for LLM Training" (2025), so that the
//! learning rate and weight decay of AdamW fit.

use tch::{Kind, Tensor};

const MOMENTUM: f64 = 0.95;
/// Root mean square of an AdamW update at a learning rate of 1.
const UPDATE_RMS: f64 = 0.2;
/// Newton–Schulz steps, and the coefficients of x, x³ and x⁵ that bring singular values to about 1.
const STEPS: usize = 5;
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// Takes `gradient` into `momentum`, both `[out, in, kernel]`, and gives the update for a learning
/// rate of 1. Computes in `precision`.
pub fn update(gradient: &Tensor, momentum: &mut Tensor, precision: Kind) -> Tensor {
    let _ = momentum.g_mul_scalar_(MOMENTUM).g_add_(gradient);
    let ahead = &*momentum * MOMENTUM + gradient;
    let matrix = ahead.flatten(1, -1);
    let larger_side = matrix.size().into_iter().max().unwrap_or(1) as f64;
    orthogonalise(&matrix.to_kind(precision))
        .to_kind(Kind::Float)
        .view_as(&ahead)
        * (UPDATE_RMS * larger_side.sqrt())
}

/// The matrix with the same singular vectors and singular values near 1 (0.7 to 1.2).
fn orthogonalise(matrix: &Tensor) -> Tensor {
    let size = matrix.size();
    if size[0] > size[1] {
        return orthogonalise(&matrix.transpose(0, 1)).transpose(0, 1);
    }
    let [linear, cubic, quintic] = COEFFICIENTS;
    // Singular values must not exceed 1; a gradient of zero stays zero.
    let norm = matrix.norm().to_kind(Kind::Float) + 1e-12;
    let mut x = matrix / (norm * 1.01).to_kind(matrix.kind());
    for _ in 0..STEPS {
        let square = x.matmul(&x.transpose(0, 1));
        let polynomial = &square * cubic + square.matmul(&square) * quintic;
        x = &x * linear + polynomial.matmul(&x);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn singular_values_become_about_one_and_singular_vectors_stay() {
        let stretch = Tensor::from_slice(&[3f32, 1.0, 0.2]).diag(0);
        let wide = Tensor::cat(&[&stretch, &stretch.zeros_like()], 1);
        let (sine, cosine) = 0.7f32.sin_cos();
        let turn = Tensor::from_slice(&[cosine, -sine, 0.0, sine, cosine, 0.0, 0.0, 0.0, 1.0]);
        let turn = turn.view([3, 3]);
        let turned_back = turn
            .transpose(0, 1)
            .matmul(&orthogonalise(&turn.matmul(&wide)));
        for found in [
            orthogonalise(&wide),
            orthogonalise(&wide.transpose(0, 1)).transpose(0, 1),
            turned_back,
        ] {
            for row in 0..3 {
                for column in 0..6 {
                    let value = found.double_value(&[row, column]);
                    let expected = if row == column {
                        0.6..1.25
                    } else {
                        -1e-4..1e-4
                    };
                    assert!(expected.contains(&value), "{row} {column} {value}");
                }
            }
        }
    }

    #[test]
    fn the_update_does_not_depend_on_the_gradient_s_size() {
        tch::manual_seed(6);
        let gradient = Tensor::randn([8, 4, 3], (Kind::Float, Device::Cpu));
        let of = |scale: f64| {
            let mut momentum = gradient.zeros_like();
            update(&(&gradient * scale), &mut momentum, Kind::Float)
        };
        let difference = (of(1.0) - of(1e-4)).abs().max().double_value(&[]);
        assert!(difference < 1e-4, "{difference}");
        let rms = of(1.0).square().mean(Kind::Float).sqrt().double_value(&[]);
        assert!((0.1..0.3).contains(&rms), "{rms}");
    }

    #[test]
    fn no_gradient_no_update() {
        let zero = Tensor::zeros([8, 4, 3], (Kind::Float, Device::Cpu));
        let update = update(&zero, &mut zero.copy(), Kind::Float);
        assert_eq!(update.abs().max().double_value(&[]), 0.0);
    }
}
