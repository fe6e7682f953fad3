//! Differences of compressed spectra: magnitudes to the power of 0.3, phases kept.
//!
//! On a GPU the definition is written in tensor operations. On a CPU the same value and its gradient
//! are computed in one pass over memory: as tensor operations they cost more than the network.

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use super::config::LossConfig;
use crate::dsp::exp2;
use crate::model::slices::values;
use crate::model::stft;

/// Power, relative to the speech, below which bins count as silent.
const FLOOR_POWER: f32 = 1e-8;
/// Half the power of 0.3: it is applied to squared magnitudes.
const HALF_COMPRESSION: f32 = 0.15;

/// Mean over bins, frames and clips of the weighted magnitude and complex differences between
/// spectra `[…, bins, 2]`; `weight` is `[bins]`.
pub fn difference(
    estimate: &Tensor,
    target: &Tensor,
    weight: &Tensor,
    config: &LossConfig,
) -> Tensor {
    if estimate.device() != Device::Cpu {
        return by_tensors(estimate, target, weight, config);
    }
    let (value, gradient) = tch::no_grad(|| in_one_pass(estimate, target, weight, config));
    if !estimate.requires_grad() {
        return Tensor::from(value as f32);
    }
    // Has the gradient of the difference, and its value.
    let product = (estimate * gradient).sum(Kind::Float);
    &product - product.detach() + value
}

fn by_tensors(estimate: &Tensor, target: &Tensor, weight: &Tensor, config: &LossConfig) -> Tensor {
    let (estimate_magnitude, estimate) = compress(estimate);
    let (target_magnitude, target) = compress(target);
    let removed = target_magnitude - estimate_magnitude;
    let extra = removed.clamp_min(0.0).square() * (config.speech_removed - 1.0);
    let magnitude = (removed.square() + extra) * config.magnitude;
    let complex = stft::power(&(target - estimate)) * config.complex;
    ((magnitude + complex) * weight).mean(Kind::Float)
}

/// Magnitudes `[…]` to the power of 0.3, and the spectrum `[…, 2]` with these magnitudes.
fn compress(spectrum: &Tensor) -> (Tensor, Tensor) {
    let power = stft::power(spectrum) + f64::from(FLOOR_POWER);
    let magnitude = power.pow_tensor_scalar(f64::from(HALF_COMPRESSION));
    let factor = (&magnitude / power.sqrt()).unsqueeze(-1);
    (magnitude, spectrum * factor)
}

/// The value and its gradient by `estimate`.
fn in_one_pass(
    estimate: &Tensor,
    target: &Tensor,
    weight: &Tensor,
    config: &LossConfig,
) -> (f64, Tensor) {
    let (estimate_values, target_values, weight) =
        (values(estimate), values(target), values(weight));
    let mut gradient = vec![0f32; estimate_values.len()];
    let scale = 1.0 / (estimate_values.len() / 2).max(1) as f32;
    let terms = Terms {
        magnitude: config.magnitude as f32,
        removed: (config.speech_removed - 1.0) as f32,
        complex: config.complex as f32,
        scale,
    };
    let sum = pass(
        &estimate_values,
        &target_values,
        &weight,
        &terms,
        &mut gradient,
    );
    (
        sum * f64::from(scale),
        Tensor::from_slice(&gradient).view_as(estimate),
    )
}

/// The sum over interleaved spectra; `gradient` gets the scaled derivatives.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2+fma"))]
fn pass(
    estimate: &[f32],
    target: &[f32],
    weight: &[f32],
    terms: &Terms,
    gradient: &mut [f32],
) -> f64 {
    let bins = weight.len();
    let frames = estimate
        .chunks_exact(2 * bins)
        .zip(target.chunks_exact(2 * bins))
        .zip(gradient.chunks_exact_mut(2 * bins));
    let mut sum = 0.0;
    for ((estimate, target), gradient) in frames {
        let groups = estimate
            .chunks(2 * LANES)
            .zip(target.chunks(2 * LANES))
            .zip(gradient.chunks_mut(2 * LANES))
            .zip(weight.chunks(LANES));
        for (((estimate, target), gradient), weight) in groups {
            let (value, re, im) = terms.lanes(&separate(estimate), &separate(target));
            for (lane, (pair, weight)) in gradient.chunks_exact_mut(2).zip(weight).enumerate() {
                sum += f64::from(weight * value[lane]);
                pair[0] = weight * terms.scale * re[lane];
                pair[1] = weight * terms.scale * im[lane];
            }
        }
    }
    sum
}

/// Bins worked on together: arrays of a fixed size become vector instructions.
const LANES: usize = 16;
type Lanes = [f32; LANES];

/// Real and imaginary parts of up to [`LANES`] interleaved pairs, zeros behind them.
#[inline(always)]
fn separate(pairs: &[f32]) -> (Lanes, Lanes) {
    let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
    for (lane, pair) in pairs.chunks_exact(2).enumerate() {
        (re[lane], im[lane]) = (pair[0], pair[1]);
    }
    (re, im)
}

struct Terms {
    magnitude: f32,
    /// On top of `magnitude`, for speech removed.
    removed: f32,
    complex: f32,
    /// Of the derivatives.
    scale: f32,
}

impl Terms {
    /// [`Self::bin`] for several bins.
    #[inline(always)]
    fn lanes(&self, estimate: &(Lanes, Lanes), target: &(Lanes, Lanes)) -> (Lanes, Lanes, Lanes) {
        let (mut value, mut re, mut im) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            (value[lane], re[lane], im[lane]) = self.bin(
                (estimate.0[lane], estimate.1[lane]),
                (target.0[lane], target.1[lane]),
            );
        }
        (value, re, im)
    }

    /// One bin's difference, and its derivatives by the real and imaginary part of the estimate.
    #[inline(always)]
    fn bin(&self, estimate: (f32, f32), target: (f32, f32)) -> (f32, f32, f32) {
        let power = estimate.0 * estimate.0 + estimate.1 * estimate.1 + FLOOR_POWER;
        let target_power = target.0 * target.0 + target.1 * target.1 + FLOOR_POWER;
        let (magnitude, target_magnitude) = (power_of(power), power_of(target_power));
        let factor = magnitude / power.sqrt();
        let target_factor = target_magnitude / target_power.sqrt();

        let removed = target_magnitude - magnitude;
        let missing = removed.max(0.0);
        let by_magnitude = -2.0 * self.magnitude * (removed + self.removed * missing);
        let error = (
            factor * estimate.0 - target_factor * target.0,
            factor * estimate.1 - target_factor * target.1,
        );
        let inner = error.0 * estimate.0 + error.1 * estimate.1;

        let value = self.magnitude * (removed * removed + self.removed * missing * missing)
            + self.complex * (error.0 * error.0 + error.1 * error.1);
        // d magnitude / d estimate = 0.3 magnitude / power · estimate,
        // d factor / d estimate = −0.7 factor / power · estimate.
        let along = (2.0 * HALF_COMPRESSION * by_magnitude * magnitude
            - 2.0 * self.complex * (1.0 - 2.0 * HALF_COMPRESSION) * factor * inner)
            / power;
        let across = 2.0 * self.complex * factor;
        (
            value,
            along * estimate.0 + across * error.0,
            along * estimate.1 + across * error.1,
        )
    }
}

/// `x` to the power of 0.15, for normal positive `x`, to 1e-6: vectorises, unlike `powf`.
#[inline(always)]
fn power_of(x: f32) -> f32 {
    const SQRT_HALF_BITS: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let exponent = (bits - SQRT_HALF_BITS) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let ln = 2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (0.2 + s2 * (1.0 / 7.0))));
    exp2(HALF_COMPRESSION * (exponent as f32 + ln * std::f32::consts::LOG2_E))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_has_the_value_and_gradient_of_the_definition() {
        let config = LossConfig::default();
        tch::manual_seed(3);
        let random = || Tensor::randn([3, 20, 33, 2], (Kind::Float, Device::Cpu));
        let scale = random().narrow(3, 0, 1).exp() * 0.1;
        let (target, weight) = (
            random() * &scale,
            random()
                .narrow(2, 0, 33)
                .abs()
                .reshape([-1])
                .narrow(0, 0, 33),
        );
        let fast = (random() * &scale).set_requires_grad(true);
        let slow = fast.detach().copy().set_requires_grad(true);
        let value = difference(&fast, &target, &weight, &config);
        let expected = by_tensors(&slow, &target, &weight, &config);
        value.backward();
        expected.backward();
        let expected = expected.double_value(&[]);
        assert!((value.double_value(&[]) / expected - 1.0).abs() < 1e-5);
        let error = (fast.grad() - slow.grad()).abs().max().double_value(&[]);
        assert!(
            error < 1e-5 * slow.grad().abs().max().double_value(&[]),
            "{error}"
        );
    }

    #[test]
    fn the_fast_power_is_accurate() {
        for exponent in -60..60 {
            let x = 1.37f32 * 2f32.powf(exponent as f32 / 3.0);
            assert!((power_of(x) / x.powf(0.15) - 1.0).abs() < 2e-6, "{x}");
        }
    }
}
