//! Periodic sounds: one period in a table, read at a slowly wandering speed. Any number of
//! harmonics costs the same.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::RATE_HZ;
use super::draw::Span;

const TABLE_LEN: usize = 4096;
/// The frequency changes its course this often.
const COURSE_SAMPLES: usize = 4800;

/// One period of a periodic sound.
pub struct Wavetable {
    /// One sample more than the period, so that interpolation needs no wrap.
    table: Vec<f32>,
}

impl Wavetable {
    /// Sums harmonics 1, 2, 3 … of the given amplitudes, at random phases.
    pub fn new(amplitudes: &[f32], rng: &mut ChaCha8Rng) -> Self {
        let mut table = vec![0.0; TABLE_LEN + 1];
        for (index, amplitude) in amplitudes.iter().enumerate() {
            let step = (index + 1) as f32 * TAU / TABLE_LEN as f32;
            let phase = TAU * rng.random::<f32>();
            for (n, sample) in table.iter_mut().enumerate() {
                *sample += amplitude * (phase + step * n as f32).sin();
            }
        }
        Self { table }
    }

    /// Adds the sound to `out`, at `hz` give or take the fraction `wander`.
    pub fn add(&self, out: &mut [f32], hz: f32, wander: f32, rng: &mut ChaCha8Rng) {
        let deviation = Span::new(-wander, wander);
        let mut phase = rng.random::<f32>() * TABLE_LEN as f32;
        let mut speed = 1.0 + deviation.draw(rng);
        for chunk in out.chunks_mut(COURSE_SAMPLES) {
            let goal = 1.0 + deviation.draw(rng);
            let acceleration = (goal - speed) / COURSE_SAMPLES as f32;
            for sample in chunk {
                let index = phase as usize;
                let fraction = phase - index as f32;
                let [a, b] = [self.table[index], self.table[index + 1]];
                *sample += a + fraction * (b - a);
                speed += acceleration;
                phase += speed * hz * (TABLE_LEN as f32 / RATE_HZ);
                if phase >= TABLE_LEN as f32 {
                    phase -= TABLE_LEN as f32;
                }
            }
        }
    }
}
