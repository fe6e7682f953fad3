//! Clipping: hard as in a converter, or soft as in an overdriven preamplifier.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::draw::{Probability, Span};
use super::level::{amplitude, peak};

/// How often and how deep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clipping {
    /// How often it happens.
    pub probability: Probability,
    /// How far the threshold lies below the peak, in dB.
    pub depth_db: Span,
    /// How often it is soft.
    pub soft: Probability,
}

impl Default for Clipping {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.06),
            depth_db: Span::new(1.0, 12.0),
            soft: Probability::new(0.3),
        }
    }
}

impl Clipping {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// Clips in place; true if it happened.
    pub fn apply(&self, samples: &mut [f32], rng: &mut ChaCha8Rng) -> bool {
        if !self.probability.hit(rng) {
            return false;
        }
        let threshold = peak(samples) * amplitude(-self.depth_db.draw(rng));
        if self.soft.hit(rng) && threshold > 0.0 {
            samples
                .iter_mut()
                .for_each(|x| *x = threshold * (*x / threshold).tanh());
        } else {
            samples
                .iter_mut()
                .for_each(|x| *x = x.clamp(-threshold, threshold));
        }
        true
    }
}
