//! A short sweep and how to find it again in a recording.
//!
//! A sweep is found to the sample even in noise: its autocorrelation is one narrow peak, and all
//! its energy adds up there (a matched filter; Farina, AES 108, 2000, for sweeps in acoustics).

use anyhow::Result;
use realfft::RealFftPlanner;

/// Length of the sweep in seconds.
const LENGTH_S: f64 = 0.1;
/// The band that telephone speech, small loudspeakers and microphones share.
const FROM_HZ: f64 = 300.0;
const TO_HZ: f64 = 6_000.0;
/// Raised-cosine ramps at both ends, in seconds.
const RAMP_S: f64 = 0.005;
/// Full scale is 1: loud enough to be heard, too quiet to clip or hurt.
const AMPLITUDE: f64 = 0.4;
/// Correlation of noise with the sweep stays below this; a sweep as loud as the noise has 0.7.
const FOUND: f64 = 0.3;
/// Power below which a recording counts as silent: −100 dB.
const SILENT_POWER: f64 = 1e-10;

/// Where a chirp begins in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Index of its first sample.
    pub start_samples: usize,
    /// Normalised correlation with the chirp: 1 for the chirp alone, whatever its level and sign.
    pub confidence: f64,
}

/// A linear sweep from 300 Hz to 6 kHz in 100 ms, mono.
pub fn chirp(rate_hz: u32) -> Vec<f32> {
    let rate_hz = f64::from(rate_hz);
    let len = (LENGTH_S * rate_hz).round() as usize;
    (0..len)
        .map(|n| {
            let t = n as f64 / rate_hz;
            let cycles = FROM_HZ * t + (TO_HZ - FROM_HZ) / (2.0 * LENGTH_S) * t * t;
            let edge = (t.min(LENGTH_S - t) / RAMP_S).clamp(0.0, 1.0);
            let ramp = 0.5 - 0.5 * (std::f64::consts::PI * edge).cos();
            (AMPLITUDE * ramp * (std::f64::consts::TAU * cycles).sin()) as f32
        })
        .collect()
}

/// Finds `chirp` where `recording` resembles it most; `None` where nothing does.
///
/// # Errors
/// If the Fourier transform refuses its buffers, which is a mistake here.
pub fn find(recording: &[f32], chirp: &[f32]) -> Result<Option<Found>> {
    if chirp.is_empty() || recording.len() < chirp.len() {
        return Ok(None);
    }
    let correlation = correlate(recording, chirp)?;
    let energy = |samples: &[f32]| samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let (chirp_energy, floor) = (energy(chirp), SILENT_POWER * chirp.len() as f64);
    let mut window = energy(&recording[..chirp.len()]);
    let mut best = Found {
        start_samples: 0,
        confidence: 0.0,
    };
    for (start, &value) in correlation.iter().enumerate() {
        if start > 0 {
            window += f64::from(recording[start + chirp.len() - 1]).powi(2)
                - f64::from(recording[start - 1]).powi(2);
        }
        let confidence = f64::from(value).abs() / (chirp_energy * window.max(floor)).sqrt();
        if confidence > best.confidence {
            best = Found {
                start_samples: start,
                confidence,
            };
        }
    }
    Ok((best.confidence >= FOUND).then_some(best))
}

/// Correlation at every start where the chirp lies within the recording.
fn correlate(recording: &[f32], chirp: &[f32]) -> Result<Vec<f32>> {
    let starts = recording.len() - chirp.len() + 1;
    // What wraps around falls on starts that are cut off.
    let len = recording.len().next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let forward = planner.plan_fft_forward(len);
    let spectrum = |samples: &[f32]| -> Result<_> {
        let mut padded = forward.make_input_vec();
        padded[..samples.len()].copy_from_slice(samples);
        let mut bins = forward.make_output_vec();
        forward.process(&mut padded, &mut bins)?;
        Ok(bins)
    };
    let mut product = spectrum(recording)?;
    for (bin, other) in product.iter_mut().zip(spectrum(chirp)?) {
        *bin = *bin * other.conj() / len as f32;
    }
    let inverse = planner.plan_fft_inverse(len);
    let mut correlation = inverse.make_output_vec();
    inverse.process(&mut product, &mut correlation)?;
    correlation.truncate(starts);
    Ok(correlation)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const RATE_HZ: u32 = 48_000;

    fn noise(seed: u64, amplitude: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..RATE_HZ)
            .map(|_| rng.random_range(-amplitude..amplitude))
            .collect()
    }

    #[test]
    fn a_quiet_inverted_chirp_in_noise_is_found_to_the_sample() {
        let chirp = chirp(RATE_HZ);
        for (seed, delay) in [0, 1, 1234, 20_000, 43_200].into_iter().enumerate() {
            // The noise is 2 dB louder than the chirp at a tenth of its level.
            let mut recording = noise(seed as u64, 0.06);
            for (n, x) in chirp.iter().enumerate() {
                recording[delay + n] -= 0.1 * x;
            }
            let found = find(&recording, &chirp).unwrap().unwrap();
            assert!(found.start_samples.abs_diff(delay) <= 1, "{found:?}");
            assert!(found.confidence < 0.9, "{found:?}");
        }
    }

    #[test]
    fn noise_hum_silence_and_too_little_are_no_chirp() {
        let chirp = chirp(RATE_HZ);
        let hum: Vec<f32> = (0..RATE_HZ)
            .map(|n| (n as f32 * 440.0 * std::f32::consts::TAU / RATE_HZ as f32).sin())
            .collect();
        let silence = vec![0.0; RATE_HZ as usize];
        for recording in [noise(1, 0.5), hum, silence, chirp[..100].to_vec()] {
            assert_eq!(find(&recording, &chirp).unwrap(), None);
        }
    }

    #[test]
    fn the_chirp_alone_is_certain() {
        let chirp = chirp(44_100);
        let found = find(&chirp, &chirp).unwrap().unwrap();
        assert_eq!(found.start_samples, 0);
        assert!((found.confidence - 1.0).abs() < 1e-3);
    }
}
