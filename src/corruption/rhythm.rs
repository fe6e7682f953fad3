//! When something happens that happens again and again: a key is struck, a bird calls.

use rand_chacha::ChaCha8Rng;

use super::RATE_HZ;
use super::draw::{Probability, Span};

/// Random intervals. Poisson arrivals would pile up; typing has a shortest interval and pauses to think.
pub struct Rhythm {
    /// How long each event lasts at least.
    pub event_s: f32,
    /// From its end to the next.
    pub interval_s: f32,
    /// Factor of each interval.
    pub spread: Span,
    /// How often a pause comes on top.
    pub pause: Probability,
    pub pause_s: Span,
}

impl Rhythm {
    /// Calls `event` with each position in samples, from a first one in `first_s` on until `len`.
    pub fn play(
        &self,
        first_s: Span,
        len: usize,
        rng: &mut ChaCha8Rng,
        mut event: impl FnMut(usize, &mut ChaCha8Rng),
    ) {
        let mut at_s = first_s.draw(rng);
        while let position = (at_s * RATE_HZ) as usize
            && position < len
        {
            event(position, rng);
            at_s += self.event_s + self.interval_s * self.spread.draw(rng);
            if self.pause.hit(rng) {
                at_s += self.pause_s.draw(rng);
            }
        }
    }
}
