//! Log-spectral distance: how far the spectra of two signals are apart, in dB.
//!
//! A. Gray, J. Markel: "Distance measures for speech processing", IEEE TASSP 24(5), 1976, d₂: the
//! RMS over frequency of the difference in dB, averaged over frames. Floor and level are not
//! standardised; they are those of `scripts/eval/score.py`: the estimate is brought to the
//! reference's energy, and powers are floored 60 dB below the mean of the reference's frame
//! maxima. Do not compare with figures of other programs.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::dsp::power_to_db;

const FRAME_MS: usize = 32;
const FLOOR_RATIO: f64 = 1e-6;

/// Distance of `estimate` from `reference` in dB over Hann frames of 32 ms with half overlap; `None`
/// if the reference is silent or shorter than a frame.
pub fn log_spectral_distance_db(reference: &[f32], estimate: &[f32], rate_hz: u32) -> Option<f64> {
    let energy = |signal: &[f32]| -> f64 { signal.iter().map(|&s| f64::from(s).powi(2)).sum() };
    // An estimate without any energy stays at the floor.
    let gain = energy(reference) / (energy(estimate) + 1e-20);
    let size = rate_hz as usize * FRAME_MS / 2000 * 2;
    let (mut of_reference, mut of_estimate) = (Spectrum::new(size), Spectrum::new(size));
    let frame_count = frames(reference, size).len();
    // The floor needs all frames before the first can be compared. The reference is transformed
    // twice for it: the spectra of a long recording would take many times its own memory.
    let peak = |frame| of_reference.powers(frame).fold(0.0, f64::max);
    let peaks: f64 = frames(reference, size).map(peak).sum();
    let floor = FLOOR_RATIO * peaks / frame_count as f64;
    if frame_count == 0 || floor == 0.0 {
        return None;
    }
    let distance = |(reference, estimate)| {
        let bins = of_reference.powers(reference);
        let square = |(reference, estimate): (f64, f64)| {
            let ratio = reference.max(floor) / (gain * estimate).max(floor);
            power_to_db(ratio).powi(2)
        };
        let sum: f64 = bins.zip(of_estimate.powers(estimate)).map(square).sum();
        (sum / (size / 2 + 1) as f64).sqrt()
    };
    let pairs = frames(reference, size).zip(frames(estimate, size));
    Some(pairs.map(distance).sum::<f64>() / frame_count as f64)
}

/// All whole frames.
fn frames(signal: &[f32], size: usize) -> impl ExactSizeIterator<Item = &[f32]> {
    signal.windows(size).step_by(size / 2)
}

/// The power spectrum of one frame after another.
struct Spectrum {
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    frame: Vec<f64>,
    bins: Vec<Complex<f64>>,
}

impl Spectrum {
    fn new(size: usize) -> Spectrum {
        let fft = RealFftPlanner::new().plan_fft_forward(size);
        let phase = |n: usize| std::f64::consts::PI * n as f64 / size as f64;
        Spectrum {
            window: (0..size).map(|n| phase(n).sin().powi(2)).collect(),
            frame: fft.make_input_vec(),
            bins: fft.make_output_vec(),
            fft,
        }
    }

    fn powers<'a>(&'a mut self, samples: &[f32]) -> impl Iterator<Item = f64> + use<'a> {
        let frame = self.frame.iter_mut().zip(samples).zip(&self.window);
        for ((windowed, &sample), window) in frame {
            *windowed = f64::from(sample) * window;
        }
        self.fft
            .process(&mut self.frame, &mut self.bins)
            .expect("buffers were made by this transform");
        self.bins.iter().map(|bin| bin.norm_sqr())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{noisy, speech_like};
    use super::*;

    #[test]
    fn a_copy_has_no_distance_and_noise_adds_to_it() {
        let reference = speech_like(16_000);
        let distance = |noise: f32| {
            log_spectral_distance_db(&reference, &noisy(&reference, noise), 16_000).unwrap()
        };
        assert!(distance(0.0) < 1e-4);
        assert!(distance(0.01) > 1.0);
        assert!(distance(0.1) > distance(0.01) + 1.0);
    }

    #[test]
    fn level_alone_does_not_count() {
        let reference = speech_like(16_000);
        let louder: Vec<f32> = reference.iter().map(|sample| 2.0 * sample).collect();
        assert!(log_spectral_distance_db(&reference, &louder, 16_000).unwrap() < 1e-4);
    }

    #[test]
    fn a_filter_of_known_gain_has_that_distance() {
        // The second half is 20 dB lower, and level matching lifts all by g: half of the frames are
        // off by g, half by 20 − g.
        let mut reference = vec![0.0; 64_000];
        let mut rng = super::super::testing::Lcg::new(5);
        reference.fill_with(|| 0.1 * rng.draw());
        let mut estimate = reference.clone();
        estimate[32_000..]
            .iter_mut()
            .for_each(|sample| *sample *= 0.1);
        let gain_db = 10.0 * (2.0f64 / 1.01).log10();
        let expected = (gain_db + (20.0 - gain_db)) / 2.0;
        let value = log_spectral_distance_db(&reference, &estimate, 16_000).unwrap();
        assert!((value - expected).abs() < 0.1, "{value}, not {expected}");
    }

    #[test]
    fn silence_and_snippets_have_no_value() {
        assert_eq!(
            log_spectral_distance_db(&[0.0; 9000], &[0.1; 9000], 16_000),
            None
        );
        assert_eq!(
            log_spectral_distance_db(&[0.1; 100], &[0.1; 100], 16_000),
            None
        );
    }
}
