//! Packet loss: gaps of silence, as a network leaves them. The target keeps the speech.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::draw::{Probability, Span};

/// How often, how much, how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketLoss {
    /// How often a clip loses packets.
    pub probability: Probability,
    /// Share of the time that is lost.
    pub share: Span,
    /// Length of a gap, in ms.
    pub gap_ms: Span,
}

impl Default for PacketLoss {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.03),
            share: Span::new(0.01, 0.1),
            gap_ms: Span::new(10.0, 40.0),
        }
    }
}

impl PacketLoss {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// Cuts the gaps in place; true if it happened.
    pub fn apply(&self, samples: &mut [f32], rng: &mut ChaCha8Rng) -> bool {
        if !self.probability.hit(rng) {
            return false;
        }
        let share = Probability::new(f64::from(self.share.draw(rng).clamp(0.0, 1.0)));
        let mut at = 0;
        while at < samples.len() {
            let end = (at + self.gap_ms.draw_ms(rng)).min(samples.len());
            if share.hit(rng) {
                samples[at..end].fill(0.0);
            }
            at = end;
        }
        true
    }
}
