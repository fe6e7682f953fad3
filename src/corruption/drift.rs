//! Slow level drift: sources come nearer and go away.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::RATE_HZ;
use super::draw::{Probability, Span};
use super::level::amplitude;

/// A gain that wanders between random values, linear in amplitude between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drift {
    /// How often it is used.
    pub probability: Probability,
    /// Gain at the turning points, in dB.
    pub gain_db: Span,
    /// Time between turning points, in seconds.
    pub interval_s: Span,
}

impl Default for Drift {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.5),
            gain_db: Span::new(-8.0, 8.0),
            interval_s: Span::new(0.3, 3.0),
        }
    }
}

impl Drift {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// Applies the drift in place, or leaves the samples alone.
    pub fn apply(&self, samples: &mut [f32], rng: &mut ChaCha8Rng) {
        if !self.probability.hit(rng) {
            return;
        }
        let mut gain = amplitude(self.gain_db.draw(rng));
        let mut rest = samples;
        while !rest.is_empty() {
            let interval = ((self.interval_s.draw(rng) * RATE_HZ) as usize).max(1);
            let (segment, after) = rest.split_at_mut(interval.min(rest.len()));
            let next = amplitude(self.gain_db.draw(rng));
            let step = (next - gain) / interval as f32;
            for (n, sample) in segment.iter_mut().enumerate() {
                *sample *= gain + step * n as f32;
            }
            gain = next;
            rest = after;
        }
    }
}
