//! Babble: several voices at once, none of them meant.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Clips;
use super::draw::Span;
use super::level::{active_rms, amplitude};

/// How many voices talk, and how unequal they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Babble {
    /// Number of voices.
    pub voices: Span,
    /// Level of each voice, in dB.
    pub voice_db: Span,
}

impl Default for Babble {
    fn default() -> Self {
        Self {
            voices: Span::new(4.0, 10.0),
            voice_db: Span::new(-6.0, 3.0),
        }
    }
}

impl Babble {
    /// `len` samples of babble at an arbitrary level; None where `speech` has nothing to give.
    pub fn generate(
        &self,
        len: usize,
        speech: &dyn Clips,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<f32>> {
        let mut babble: Option<Vec<f32>> = None;
        for _ in 0..self.voices.draw_count(rng).max(1) {
            let gain = amplitude(self.voice_db.draw(rng));
            let voice = speech.draw(rng, len)?;
            let active = active_rms(&voice);
            if active > 0.0 {
                let sum = babble.get_or_insert_with(|| vec![0.0; len]);
                sum.iter_mut()
                    .zip(&voice)
                    .for_each(|(sum, x)| *sum += x * gain / active);
            }
        }
        babble
    }
}
