//! Rooms, simulated (a [`super::shoebox`]) or measured, and what of their sound is early.

use std::f32::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::convolution::convolve;
use super::draw::{Probability, Span};
use super::level::peak;
use super::{RATE_HZ, shoebox};

/// What of a response is longer is cut.
const LONGEST_S: f32 = 2.0;
/// Reflections up to here stay in the target, those after fade out until the end of the early part.
const EARLY_WHOLE_S: f32 = 0.02;
const EARLY_END_S: f32 = 0.05;

/// How often there is a room, and which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Room {
    /// How often there is one.
    pub probability: Probability,
    /// How often it is a measured one, where there are any.
    pub measured: Probability,
    /// Reverberation time of a simulated room, in seconds.
    pub rt60_s: Span,
    /// Distance from mouth to microphone in a simulated room, in metres.
    pub distance_m: Span,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.1),
            measured: Probability::new(0.2),
            rt60_s: Span::new(0.1, 0.8),
            distance_m: Span::new(0.2, 3.0),
        }
    }
}

impl Room {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// The response for one clip, or None for a dry one.
    pub fn draw(&self, measured: Option<&Rooms>, rng: &mut ChaCha8Rng) -> Option<Response> {
        if !self.probability.hit(rng) {
            return None;
        }
        if let Some(rooms) = measured
            && !rooms.is_empty()
            && self.measured.hit(rng)
        {
            return Some(rooms.responses[rng.random_range(0..rooms.responses.len())].clone());
        }
        let rt60_s = self.rt60_s.draw(rng).clamp(0.02, LONGEST_S);
        let distance_m = self.distance_m.draw_log(rng);
        Some(Response {
            taps: shoebox::simulate(rt60_s, distance_m, rng),
            direct: 0,
        })
    }
}

/// Measured impulse responses.
#[derive(Default)]
pub struct Rooms {
    responses: Vec<Response>,
}

impl Rooms {
    /// From recordings of impulse responses at 48 kHz; silent ones are left out.
    pub fn new(recordings: impl IntoIterator<Item = Vec<f32>>) -> Self {
        let responses = recordings
            .into_iter()
            .filter_map(Response::measured)
            .collect();
        Self { responses }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }
}

/// An impulse response whose direct sound has the amplitude 1.
#[derive(Clone, Debug)]
pub struct Response {
    taps: Vec<f32>,
    /// Where the direct sound is; the part before is the ringing of the measurement.
    direct: usize,
}

impl Response {
    /// None for silence.
    fn measured(mut taps: Vec<f32>) -> Option<Self> {
        let highest = peak(&taps);
        let direct = taps.iter().position(|tap| tap.abs() == highest)?;
        if !(highest > 0.0 && highest.is_finite()) {
            return None;
        }
        // The delay before the direct sound is of no use; a little ringing is.
        let start = direct.saturating_sub((0.001 * RATE_HZ) as usize);
        taps.drain(..start);
        taps.truncate((LONGEST_S * RATE_HZ) as usize);
        let direct = direct - start;
        let gain = 1.0 / taps[direct];
        taps.iter_mut().for_each(|tap| *tap *= gain);
        Some(Self { taps, direct })
    }

    /// The sound in the room, aligned with `dry`.
    pub fn reverberate(&self, dry: &[f32]) -> Vec<f32> {
        let [wet] = convolve(dry, [&self.taps], self.direct);
        wet
    }

    /// The sound in the room, and what of it is direct or early: the two are aligned with `dry`.
    pub fn reverberate_with_early(&self, dry: &[f32]) -> [Vec<f32>; 2] {
        let whole = self.direct + (EARLY_WHOLE_S * RATE_HZ) as usize;
        let end = self.direct + (EARLY_END_S * RATE_HZ) as usize;
        let mut early = self.taps.clone();
        early.truncate(end);
        for (n, tap) in early.iter_mut().enumerate().skip(whole) {
            let position = (n - whole) as f32 / (end - whole) as f32;
            *tap *= 0.5 + 0.5 * (PI * position).cos();
        }
        convolve(dry, [&self.taps, &early], self.direct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn direct_sound_stays_in_place_and_in_the_target() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut late = vec![0.0; 9000];
        late[700] = 0.5;
        late[5000] = 0.2;
        let measured = Rooms::new([late, vec![0.0; 10]]);
        assert_eq!(measured.responses.len(), 1);
        let simulated = Response {
            taps: shoebox::simulate(0.5, 0.5, &mut rng),
            direct: 0,
        };
        for response in [simulated, measured.responses[0].clone()] {
            let mut click = vec![0.0; 20_000];
            click[100] = 1.0;
            let [wet, early] = response.reverberate_with_early(&click);
            assert!((wet[100] - 1.0).abs() < 0.2 && (early[100] - wet[100]).abs() < 1e-3);
            let late = 100 + (EARLY_END_S * RATE_HZ) as usize;
            assert!(peak(&early[late + 1..]) < 1e-5 && peak(&wet[late + 1..]) > 1e-3);
        }
    }
}
