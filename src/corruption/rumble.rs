//! Sub-sonic rumble and offset: handling of the microphone, wind, cheap converters.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::biquad::{Biquad, Cascade};
use super::draw::{Probability, Span, fill_white};
use super::level::{amplitude, rms, scale};

/// What lies below hearing and still uses up the range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rumble {
    /// How often there is rumble.
    pub probability: Probability,
    /// Level of the rumble, in dB below full scale.
    pub level_dbfs: Span,
    /// How often there is an offset.
    pub offset_probability: Probability,
    /// The offset, with full scale = 1.
    pub offset: Span,
}

impl Default for Rumble {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.03),
            level_dbfs: Span::new(-60.0, -30.0),
            offset_probability: Probability::new(0.02),
            offset: Span::new(-0.02, 0.02),
        }
    }
}

impl Rumble {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            offset_probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// Adds both in place; true if anything was added.
    pub fn apply(&self, samples: &mut [f32], rng: &mut ChaCha8Rng) -> bool {
        let rumbles = self.probability.hit(rng);
        if rumbles {
            let level = amplitude(self.level_dbfs.draw(rng));
            let mut rumble = vec![0.0; samples.len()];
            fill_white(rng, &mut rumble);
            Cascade::new([Biquad::low_pass(18.0, 0.7), Biquad::low_pass(18.0, 0.7)])
                .process(&mut rumble);
            let rms = rms(&rumble);
            if rms > 0.0 {
                scale(&mut rumble, level / rms);
                samples
                    .iter_mut()
                    .zip(&rumble)
                    .for_each(|(sum, x)| *sum += x);
            }
        }
        let shifts = self.offset_probability.hit(rng);
        if shifts {
            let offset = self.offset.draw(rng);
            samples.iter_mut().for_each(|sample| *sample += offset);
        }
        rumbles || shifts
    }
}
