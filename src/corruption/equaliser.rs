//! Random equalisation: the colour of a microphone, a mouth distance, a loudspeaker.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::biquad::{Biquad, Cascade};
use super::draw::{Probability, Span};

/// One to four shelves and peaks at random places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Equaliser {
    /// How often it is used.
    pub probability: Probability,
    /// Number of sections.
    pub sections: Span,
    /// Gain of each section, in dB.
    pub gain_db: Span,
}

impl Default for Equaliser {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.6),
            sections: Span::new(1.0, 3.0),
            gain_db: Span::new(-9.0, 9.0),
        }
    }
}

impl Equaliser {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// The filter for one clip, or None where the clip keeps its colour.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Cascade> {
        self.probability.hit(rng).then(|| {
            let count = self.sections.draw_count(rng);
            Cascade::new((0..count).map(|_| self.section(rng)).collect::<Vec<_>>())
        })
    }

    fn section(&self, rng: &mut ChaCha8Rng) -> Biquad {
        let gain_db = self.gain_db.draw(rng);
        let q = Span::new(0.4, 2.0).draw(rng);
        match rng.random_range(0..3) {
            0 => Biquad::low_shelf(Span::new(80.0, 600.0).draw_log(rng), 0.7, gain_db),
            1 => Biquad::high_shelf(Span::new(1500.0, 10_000.0).draw_log(rng), 0.7, gain_db),
            _ => Biquad::peak(Span::new(100.0, 8000.0).draw_log(rng), q, gain_db),
        }
    }
}
