//! Examples that the program makes itself: clean utterances, corrupted by the recipe.

use rand_chacha::ChaCha8Rng;

use super::batch::{Example, Examples};
use super::pool::Pool;
use super::voices::Voices;
use crate::corruption::{Recipe, Rooms, Sources};

/// Voices, and what makes them noisy.
pub struct Mixtures {
    pub voices: Voices,
    pub noise: Option<Pool>,
    pub rooms: Option<Rooms>,
    pub recipe: Recipe,
}

impl Examples for Mixtures {
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Example {
        let sources = Sources {
            noise: self.noise.as_ref().map(|pool| pool as _),
            speech: Some(&self.voices),
            rooms: self.rooms.as_ref(),
        };
        let utterance = self.voices.utterance(rng, len_samples);
        let corrupted = self.recipe.corrupt(&utterance.samples, &sources, rng);
        Example {
            noisy: corrupted.noisy,
            target: corrupted.target,
            bandwidth_hz: utterance.bandwidth_hz,
            replayed: false,
        }
    }
}
