//! What a stream costs on this machine.

use std::thread;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Stream;
use crate::cpu_time::thread_seconds;

/// Cost of cleaning noise, see [`Cost::measure`].
#[derive(Debug)]
pub struct Cost {
    /// Processor time per frame.
    pub frame_cpu_ms: f64,
    /// Wall-clock time of each call, ascending.
    wall_ms: Vec<f64>,
}

impl Cost {
    /// Cleans `frames` frames of noise in calls of `at_once` on the calling thread, which rests for
    /// `pause` before each.
    pub fn measure(stream: &mut Stream, frames: usize, at_once: usize, pause: Duration) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let samples = at_once * stream.frame_samples();
        let input: Vec<f32> = (0..samples).map(|_| rng.random_range(-0.1..0.1)).collect();
        let mut output = vec![0.0; samples];
        let calls = frames.div_ceil(at_once).max(1);
        let mut wall_ms = Vec::with_capacity(calls);
        let begin = thread_seconds();
        for _ in 0..calls {
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            let start = Instant::now();
            stream.process(&input, &mut output);
            wall_ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let cpu_ms = (thread_seconds() - begin) * 1e3;
        wall_ms.sort_by(f64::total_cmp);
        Self {
            frame_cpu_ms: cpu_ms / (calls * at_once) as f64,
            wall_ms,
        }
    }

    /// Wall-clock time of a call that this share of all calls did not exceed, in ms.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        self.wall_ms[((self.wall_ms.len() - 1) as f64 * share) as usize]
    }
}
