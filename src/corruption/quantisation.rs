//! Coarse quantisation: few bits, linear or µ-law (ITU-T G.711's curve).

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::draw::{Probability, Span};
use super::level::peak;

const MU: f32 = 255.0;

/// How often and how coarse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quantisation {
    /// How often it happens.
    pub probability: Probability,
    /// Bits per sample, for a range up to the clip's peak (as after an automatic gain).
    pub bits: Span,
    /// How often the steps follow µ-law.
    pub mu_law: Probability,
}

impl Default for Quantisation {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.03),
            bits: Span::new(8.0, 12.0),
            mu_law: Probability::new(0.4),
        }
    }
}

impl Quantisation {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// Quantises in place; true if it happened.
    pub fn apply(&self, samples: &mut [f32], rng: &mut ChaCha8Rng) -> bool {
        if !self.probability.hit(rng) {
            return false;
        }
        let steps = 2f32.powi(self.bits.draw_count(rng) as i32 - 1);
        let mu_law = self.mu_law.hit(rng);
        let range = peak(samples);
        if range == 0.0 {
            return true;
        }
        let round = |x: f32| (x * steps).round() / steps;
        for sample in samples {
            let x = *sample / range;
            *sample = range
                * if mu_law {
                    let compressed = (MU * x.abs()).ln_1p() / MU.ln_1p();
                    x.signum() * (round(compressed) * MU.ln_1p()).exp_m1() / MU
                } else {
                    round(x)
                };
        }
        true
    }
}
