//! Where noise, voices and other raw material come from.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::RATE_HZ;

/// Anything that supplies mono 48 kHz audio: a folder of noise files, a packed training pool, a
/// synthesiser.
pub trait Clips {
    /// `len_samples` of audio, looped and cross-faded when the source is short (see [`looped`]);
    /// None if the source has nothing.
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>>;
}

/// Recordings in memory.
impl Clips for [Vec<f32>] {
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>> {
        let total: usize = self.iter().map(Vec::len).sum();
        if total == 0 {
            return None;
        }
        // Long recordings are drawn as much more often as they hold more sound.
        let mut at = rng.random_range(0..total);
        for recording in self {
            if at < recording.len() {
                return Some(looped(recording, rng, len_samples));
            }
            at -= recording.len();
        }
        unreachable!("the position lies within the sum of the lengths")
    }
}

impl Clips for Vec<Vec<f32>> {
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>> {
        self.as_slice().draw(rng, len_samples)
    }
}

/// `len_samples` of `source` from a random place; a short one repeats, its end cross-faded into its
/// beginning. An empty one gives silence.
pub fn looped(source: &[f32], rng: &mut ChaCha8Rng, len_samples: usize) -> Vec<f32> {
    if source.is_empty() {
        return vec![0.0; len_samples];
    }
    if source.len() >= len_samples {
        let start = rng.random_range(0..=source.len() - len_samples);
        return source[start..start + len_samples].to_vec();
    }
    let fade = (source.len() / 4).min((0.05 * RATE_HZ) as usize);
    let period = source.len() - fade;
    let mut cycle = source[..period].to_vec();
    for (n, (start, end)) in cycle.iter_mut().zip(&source[period..]).enumerate() {
        let (fade_in, fade_out) =
            ((n as f32 + 0.5) / fade as f32 * std::f32::consts::FRAC_PI_2).sin_cos();
        *start = *start * fade_in + end * fade_out;
    }
    let start = rng.random_range(0..period);
    cycle
        .iter()
        .cycle()
        .skip(start)
        .take(len_samples)
        .copied()
        .collect()
}
