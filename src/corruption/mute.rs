//! Muting: stretches that a switch or a gate holds far down, as before a call's first word. The target goes down along.
//!
//! Off unless a recipe asks for it: what rushes in when it ends is noise and voice at once, and weights that heard much of
//! it take more from first words.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::draw::{Probability, Span};
use super::level::amplitude;

/// How often, how long, how far down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mute {
    /// How often a clip has a muted stretch.
    pub probability: Probability,
    /// Length of the stretch, in ms; it may have begun before the clip, and end after it.
    pub length_ms: Span,
    /// What its samples are multiplied by, in dB.
    pub gain_db: Span,
}

/// A switch or a gate takes this long, in samples at 48 kHz: 5 ms.
const RAMP_SAMPLES: usize = 240;

impl Default for Mute {
    fn default() -> Self {
        Self {
            probability: Probability::NEVER,
            length_ms: Span::new(500.0, 4000.0),
            gain_db: Span::new(-90.0, -30.0),
        }
    }
}

impl Mute {
    /// Turns both down in place over the same stretch; true if it happened.
    pub fn apply(&self, noisy: &mut [f32], target: &mut [f32], rng: &mut ChaCha8Rng) -> bool {
        if !self.probability.hit(rng) {
            return false;
        }
        let length = self.length_ms.draw_ms(rng);
        let gain = amplitude(self.gain_db.draw(rng));
        let end = rng.random_range(0..noisy.len() + length);
        let start = end.saturating_sub(length);
        for side in [noisy, target] {
            let last = end.min(side.len());
            for (n, sample) in side[start.min(last)..last].iter_mut().enumerate() {
                // A stretch that began before the clip is all the way down at its beginning.
                let from_start = n + length.saturating_sub(end);
                let inside = from_start.min(end - 1 - (start + n)).min(RAMP_SAMPLES);
                *sample *= 1.0 + (gain - 1.0) * inside as f32 / RAMP_SAMPLES as f32;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_stretch_goes_down_on_both_sides_and_the_rest_stays() {
        let mute = Mute {
            probability: Probability::ALWAYS,
            length_ms: Span::fixed(1000.0),
            gain_db: Span::fixed(-60.0),
        };
        let mut whole = 0;
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut noisy, mut target) = (vec![1.0; 96_000], vec![0.5; 96_000]);
            assert!(mute.apply(&mut noisy, &mut target, &mut rng));
            assert!(noisy.iter().zip(&target).all(|(x, y)| *y == 0.5 * x));
            let touched = noisy.iter().filter(|&&x| x < 1.0).count();
            let down = noisy.iter().filter(|&&x| (x - 0.001).abs() < 1e-6).count();
            assert!(touched < 48_000 && touched <= down + 2 * RAMP_SAMPLES);
            whole += usize::from(down > 47_000);
        }
        assert!(whole > 5, "most stretches lie inside the clip");
    }

    #[test]
    fn a_clip_shorter_than_the_stretch_and_an_empty_one_are_no_trouble() {
        let mute = Mute {
            probability: Probability::ALWAYS,
            ..Mute::default()
        };
        for len in [0, 1, 100, 5000] {
            for seed in 0..20 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let (mut noisy, mut target) = (vec![1.0; len], vec![1.0; len]);
                assert!(mute.apply(&mut noisy, &mut target, &mut rng));
                assert_eq!(noisy, target);
            }
        }
    }
}
