//! Log-spectral distance: how far the spectra of two signals are apart, in dB.
//!
//! A. Gray, J. Markel: "Distance measures for speech processing", IEEE TASSP 24(5), 1976, d₂: the
//! RMS over frequency of the difference in dB, averaged over frames. Floor and level are not
//! standardised; they are those of `scripts/eval/score.py`: the estimate is brought to the
//! reference's energy, and powers are floored 60 dB below the mean of the reference's frame
//! maxima. Do not compare with figures of other programs.

use realfft::RealFftPlanner;

use crate::dsp::power_to_db;

const FRAME_MS: usize = 32;
const FLOOR_RATIO: f64 = 1e-6;

/// Distance of `estimate` from `reference` in dB over Hann frames of 32 ms with half overlap; `None`
/// if the reference is silent or shorter than a frame.
pub fn log_spectral_distance_db(reference: &[f32], estimate: &[f32], rate_hz: u32) -> Option<f64> {
    let energy = |signal: &[f32]| -> f64 { signal.iter().map(|&s| f64::from(s).powi(2)).sum() };
    // An estimate without any energy stays at the floor.
    let gain = energy(reference) / (energy(estimate) + 1e-20);
    let reference = powers(reference, rate_hz);
    let estimate = powers(estimate, rate_hz);
    let peaks = reference
        .iter()
        .map(|frame| frame.iter().copied().fold(0.0, f64::max));
    let floor = FLOOR_RATIO * peaks.sum::<f64>() / reference.len() as f64;
    if reference.is_empty() || floor == 0.0 {
        return None;
    }
    let distance = |(reference, estimate): (&Vec<f64>, &Vec<f64>)| {
        let square = |(reference, estimate): (&f64, &f64)| {
            let ratio = reference.max(floor) / (gain * estimate).max(floor);
            power_to_db(ratio).powi(2)
        };
        let sum: f64 = reference.iter().zip(estimate).map(square).sum();
        (sum / reference.len() as f64).sqrt()
    };
    let sum: f64 = reference.iter().zip(&estimate).map(distance).sum();
    Some(sum / reference.len() as f64)
}

/// Power spectra of all whole frames.
fn powers(signal: &[f32], rate_hz: u32) -> Vec<Vec<f64>> {
    let size = rate_hz as usize * FRAME_MS / 2000 * 2;
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(size);
    let (mut frame, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let window: Vec<f64> = (0..size)
        .map(|n| {
            (std::f64::consts::PI * n as f64 / size as f64)
                .sin()
                .powi(2)
        })
        .collect();
    let starts = (0..(signal.len() + 1).saturating_sub(size)).step_by(size / 2);
    starts
        .map(|start| {
            for ((windowed, &sample), window) in frame.iter_mut().zip(&signal[start..]).zip(&window)
            {
                *windowed = f64::from(sample) * window;
            }
            fft.process(&mut frame, &mut spectrum)
                .expect("buffers were made by this transform");
            spectrum.iter().map(|bin| bin.norm_sqr()).collect()
        })
        .collect()
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
