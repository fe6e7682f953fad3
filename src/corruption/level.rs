//! Levels: of a signal, of the speech in it, and the level a clip is brought to.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::RATE_HZ;
use super::draw::{Probability, Span};

/// Frames the active speech is looked for in: 20 ms.
const FRAME_SAMPLES: usize = (RATE_HZ * 0.02) as usize;
/// Frames this far (in power) below the loudest are pauses: 30 dB.
const PAUSE_POWER_RATIO: f32 = 1e-3;

/// The level the active speech is brought to; the target follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Level {
    /// How often the level changes.
    pub probability: Probability,
    /// Level of the active speech, in dB below full scale.
    pub speech_dbfs: Span,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            probability: Probability::ALWAYS,
            speech_dbfs: Span::new(-50.0, -10.0),
        }
    }
}

impl Level {
    /// Never used: every clip keeps its level.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// The level of the active speech as RMS amplitude, or None to keep what it is.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Option<f32> {
        self.probability
            .hit(rng)
            .then(|| amplitude(self.speech_dbfs.draw(rng)))
    }
}

/// Decibels to an amplitude factor; beyond ±200 dB, where `f32` would overflow, the limit.
pub fn amplitude(db: f32) -> f32 {
    10f32.powf(db.clamp(-200.0, 200.0) / 20.0)
}

/// An amplitude factor to decibels; −∞ for 0.
pub fn decibels(amplitude: f32) -> f32 {
    20.0 * amplitude.log10()
}

/// Root mean square; 0 for nothing.
pub fn rms(samples: &[f32]) -> f32 {
    // Partial sums per frame keep the precision of f32 over long clips.
    let energy: f64 = samples
        .chunks(FRAME_SAMPLES)
        .map(|frame| f64::from(energy(frame)))
        .sum();
    (energy / samples.len().max(1) as f64).sqrt() as f32
}

/// RMS of the active speech: over the 20 ms frames within 30 dB of the loudest 5 %. 0 for silence.
pub fn active_rms(samples: &[f32]) -> f32 {
    let powers: Vec<f32> = samples
        .chunks(FRAME_SAMPLES)
        .map(|frame| energy(frame) / frame.len() as f32)
        .collect();
    if powers.is_empty() {
        return 0.0;
    }
    let mut ordered = powers.clone();
    let loud = ordered.len() - 1 - ordered.len() / 20;
    let threshold = *ordered.select_nth_unstable_by(loud, f32::total_cmp).1 * PAUSE_POWER_RATIO;
    let active = powers.iter().filter(|&&power| power >= threshold);
    let (sum, count) = active.fold((0.0, 0), |(sum, count), &power| {
        (sum + f64::from(power), count + 1)
    });
    (sum / f64::from(count.max(1))).sqrt() as f32
}

/// Highest absolute sample.
pub fn peak(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |peak, sample| f32::max(peak, sample.abs()))
}

/// Multiplies every sample by `gain`.
pub fn scale(samples: &mut [f32], gain: f32) {
    samples.iter_mut().for_each(|sample| *sample *= gain);
}

/// Sum of squares; eight sums side by side, which the compiler turns into vector instructions.
fn energy(samples: &[f32]) -> f32 {
    let (chunks, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_do_not_count_as_speech() {
        let mut clip = vec![0.0f32; 96_000];
        for (n, sample) in clip[..24_000].iter_mut().enumerate() {
            *sample = 0.2 * (n as f32 * 0.1).sin();
        }
        let speech = 0.2 / 2f32.sqrt();
        assert!((active_rms(&clip) / speech - 1.0).abs() < 0.01);
        assert!((rms(&clip) / (speech / 2.0) - 1.0).abs() < 0.01);
    }

    #[test]
    fn silence_and_nothing_have_no_level() {
        assert_eq!(active_rms(&[]), 0.0);
        assert_eq!(active_rms(&[0.0; 5000]), 0.0);
        assert_eq!(active_rms(&[0.5]), 0.5);
        assert_eq!(rms(&[]), 0.0);
    }
}
