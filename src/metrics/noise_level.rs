//! How loud the noise is where nobody speaks, and how far below the speech it lies.

use crate::dsp::level::{active_speech_db, rms_db};
use crate::dsp::power_to_db;

const FRAME_MS: usize = 20;
/// Frames of the reference this far below its loud ones (their 95th percentile) are pauses.
const PAUSE_RATIO: f64 = 1e-5;
/// A model needs a moment to get to know the noise.
const START_UP_FRAMES: usize = 5;
/// Fewer frames of pause tell nothing.
const MIN_FRAMES: usize = 10;

/// Level of `estimate` in the pauses of the clean `reference`, in dBFS; `None` if the reference has
/// less than 0.2 s of pauses (frames 50 dB below its loud ones) or the estimate is silent there.
/// What the model takes from the noise is the difference between two such levels.
pub fn residual_noise_dbfs(reference: &[f32], estimate: &[f32], rate_hz: u32) -> Option<f64> {
    let frame_samples = rate_hz as usize * FRAME_MS / 1000;
    let powers = |signal: &[f32]| -> Vec<f64> {
        let power = |frame: &[f32]| {
            let energy: f64 = frame.iter().map(|&sample| f64::from(sample).powi(2)).sum();
            energy / frame_samples as f64
        };
        signal.chunks_exact(frame_samples).map(power).collect()
    };
    let reference = powers(reference);
    let loud = percentile(&reference, 0.95)?;
    let pauses: Vec<f64> = reference
        .iter()
        .zip(powers(estimate))
        .skip(START_UP_FRAMES)
        .filter(|(reference, _)| **reference < PAUSE_RATIO * loud)
        .map(|(_, estimate)| estimate)
        .collect();
    let power = pauses.iter().sum::<f64>() / pauses.len() as f64;
    (pauses.len() >= MIN_FRAMES && power > 0.0).then(|| power_to_db(power))
}

/// The ratio of speech to noise in a recording whose clean part is known, in dB: the active level of
/// `clean` ([`crate::dsp::level`]) over the level of the difference; +∞ without any.
pub fn input_snr_db(clean: &[f32], noisy: &[f32], rate_hz: u32) -> f64 {
    let noise: Vec<f32> = noisy.iter().zip(clean).map(|(n, c)| n - c).collect();
    if noise.iter().all(|&sample| sample == 0.0) {
        return f64::INFINITY;
    }
    active_speech_db(clean, rate_hz) - rms_db(&noise)
}

/// The value that this share of all values does not exceed, interpolated linearly.
fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = (sorted.len().checked_sub(1)? as f64) * share;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Lcg;
    use super::*;

    /// A second of white sound at −14.8 dBFS (an even distribution over ±0.316), then a second of
    /// pause.
    fn burst_and_pause() -> Vec<f32> {
        let mut rng = Lcg::new(9);
        let mut signal: Vec<f32> = (0..16_000).map(|_| 0.316 * rng.draw()).collect();
        signal.resize(32_000, 0.0);
        signal
    }

    fn with_noise(signal: &[f32], gain: f32) -> Vec<f32> {
        let mut rng = Lcg::new(10);
        signal
            .iter()
            .map(|sample| sample + gain * rng.draw())
            .collect()
    }

    #[test]
    fn residual_noise_is_that_of_the_pauses() {
        let clean = burst_and_pause();
        // An even distribution over ±0.01 has −40 − 4.77 dBFS.
        let value = residual_noise_dbfs(&clean, &with_noise(&clean, 0.01), 16_000).unwrap();
        assert!((value - -44.77).abs() < 0.1, "{value}");
    }

    #[test]
    fn without_pauses_or_noise_there_is_no_value() {
        let clean = burst_and_pause();
        assert_eq!(
            residual_noise_dbfs(&clean[..16_000], &clean[..16_000], 16_000),
            None
        );
        assert_eq!(residual_noise_dbfs(&clean, &clean, 16_000), None);
        assert_eq!(residual_noise_dbfs(&[], &[], 16_000), None);
    }

    #[test]
    fn input_snr_leaves_pauses_out_of_the_speech_but_not_of_the_noise() {
        let clean = burst_and_pause();
        let value = input_snr_db(&clean, &with_noise(&clean, 0.1), 16_000);
        assert!((value - 10.0).abs() < 0.1, "{value}");
        assert_eq!(input_snr_db(&clean, &clean, 16_000), f64::INFINITY);
    }
}
