//! Keeps the playback queue at its length although no two devices agree on how long a second is.
//!
//! A controller watches how much audio lies between capture and playback and bends the ratio of
//! the output resampler. The level it holds is the one just after playback started, which is right
//! by construction. Within a dead band it does nothing: for devices on one clock the resampler
//! stays at its exact ratio and the delay does not move at all.

/// Largest change of the ratio: 9 cents, slow enough to be inaudible.
pub const MAX_BEND: f64 = 0.005;

/// How long the level is averaged before it becomes the one to hold, in seconds.
const SETTLE_S: f64 = 2.0;
/// Smooths the jitter of the callbacks.
const SMOOTHING_S: f64 = 1.0;
/// The level may move this much without consequence.
const DEAD_BAND_S: f64 = 0.001;
/// Bend per second of error; the loop follows within 1/0.2 = 5 s.
const PROPORTIONAL: f64 = 0.2;
/// A quarter of the proportional gain squared: no overshoot.
const INTEGRAL: f64 = 0.01;
/// Forgets a drift that is no longer seen, so that the ratio returns to exactly 1.
const FORGET_S: f64 = 120.0;
/// From here on the callbacks of both devices change places in time. Crystals differ by more;
/// less is the trace of a disturbance.
const DRIFTING: f64 = 10e-6;

/// PI controller from the level of the queue to the ratio of the resampler.
#[derive(Clone, Debug, Default)]
pub struct DriftControl {
    observed_s: f64,
    level_s: f64,
    goal_s: f64,
    integral: f64,
}

impl DriftControl {
    /// The level has jumped: takes the level of the next seconds as the one to hold. What is known
    /// of the clocks stays.
    pub fn restart(&mut self) {
        self.observed_s = 0.0;
    }

    /// Takes the level of the queue, in seconds of audio, `elapsed_s` after the last call. Returns
    /// the factor for the resampling ratio: below 1 when the queue is too full.
    ///
    /// `floor_s` is the level that is enough however the callbacks of both devices lie in time.
    /// Where they stay as they are, less may do; where clocks drift, it will be needed.
    pub fn update(&mut self, level_s: f64, floor_s: f64, elapsed_s: f64) -> f64 {
        self.observed_s += elapsed_s;
        if self.observed_s < SETTLE_S {
            // A plain mean at first, which the exponential one continues.
            let weight = (elapsed_s / self.observed_s).clamp(0.0, 1.0);
            self.level_s += weight * (level_s - self.level_s);
            self.goal_s = self.level_s;
            return 1.0 - self.drift();
        }
        if self.drift() != 0.0 {
            self.goal_s = self.goal_s.max(floor_s);
        }
        self.level_s += (elapsed_s / SMOOTHING_S).min(1.0) * (level_s - self.level_s);
        let error = self.level_s - self.goal_s;
        let excess = error - error.clamp(-DEAD_BAND_S, DEAD_BAND_S);
        self.integral += elapsed_s * (INTEGRAL * excess - self.integral / FORGET_S);
        self.integral = self.integral.clamp(-MAX_BEND, MAX_BEND);
        let bend = PROPORTIONAL * excess + self.drift();
        1.0 - bend.clamp(-MAX_BEND, MAX_BEND)
    }

    /// The integral where it is a drift, and else nothing: the ratio rests at exactly 1.
    fn drift(&self) -> f64 {
        if self.integral.abs() > DRIFTING {
            self.integral
        } else {
            0.0
        }
    }

    /// How much faster the capture clock runs than the playback clock, in parts per million.
    pub fn drift_ppm(&self) -> f64 {
        self.integral * 1e6
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::FRAME_SAMPLES;
    use super::super::rate::ToDevice;
    use super::*;

    const RATE_HZ: f64 = 48_000.0;
    const PERIOD_S: f64 = 0.01;
    /// A period of either device and 5 ms of jitter.
    const FLOOR_S: f64 = 0.025;

    /// Two devices of 10 ms quanta whose clocks differ, with late callbacks on both sides. Calls
    /// `each` for every frame with the bend; it returns how many samples the resampler made of it.
    fn simulate(ppm: f64, seconds: f64, mut each: impl FnMut(f64) -> f64) -> Vec<(f64, f64)> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut control = DriftControl::default();
        let period = PERIOD_S * (1.0 + ppm * 1e-6);
        let mut queued = 960.0;
        let (mut pulls, mut pulled_at) = (0.0, 0.0);
        let mut trace = Vec::new();
        for step in 1..(seconds / PERIOD_S) as usize {
            let now = step as f64 * PERIOD_S + rng.random_range(0.0..0.002);
            let next_pull = |pulls: f64| pulls * period + 0.004;
            while next_pull(pulls) <= now {
                pulled_at = next_pull(pulls) + rng.random_range(0.0..0.001);
                queued -= 480.0;
                assert!(queued >= 0.0, "{ppm} ppm: underrun after {now} s");
                pulls += 1.0;
            }
            let bend = trace.last().map_or(1.0, |&(_, bend)| bend);
            queued += each(bend);
            let since_pull = (now - pulled_at).clamp(0.0, PERIOD_S);
            let level = queued / RATE_HZ - since_pull + PERIOD_S;
            trace.push((level, control.update(level, FLOOR_S, PERIOD_S)));
        }
        trace
    }

    #[test]
    fn an_hour_of_drift_neither_grows_the_latency_nor_drains_the_queue() {
        for ppm in [300.0, -300.0, 30.0] {
            let trace = simulate(ppm, 3600.0, |bend| 480.0 * bend);
            for minute in trace.chunks(6000) {
                let sum = minute.iter().map(|&(level, _)| level).sum::<f64>();
                let level_ms = sum / minute.len() as f64 * 1e3;
                assert!((22.0..28.0).contains(&level_ms), "{ppm} ppm: {level_ms} ms");
            }
            let (_, bend) = trace[trace.len() - 1];
            let found = (1.0 / bend - 1.0) * 1e6;
            assert!((found - ppm).abs() < 30.0, "{ppm} ppm found as {found}");
        }
    }

    #[test]
    fn devices_on_one_clock_are_left_alone() {
        assert!(
            simulate(0.0, 600.0, |bend| 480.0 * bend)
                .iter()
                .all(|&(_, bend)| bend == 1.0)
        );
    }

    #[test]
    fn a_tone_stays_pure_while_the_ratio_moves() {
        for ppm in [300.0, -300.0] {
            let omega = TAU * 1000.0 / RATE_HZ;
            let mut resampler = ToDevice::new(RATE_HZ as u32, 1);
            let (mut output, mut n) = (Vec::new(), 0);
            simulate(ppm, 60.0, |bend| {
                let frame = (n..n + FRAME_SAMPLES).map(|n| (0.5 * (omega * n as f64).sin()) as f32);
                let frame = frame.collect();
                n += FRAME_SAMPLES;
                let (samples, count) = resampler.process(&[frame], bend);
                output.extend_from_slice(samples);
                count as f64
            });
            // A sine obeys x[n+1] + x[n−1] = 2 cos(ω) x[n]; what does not is no part of the tone.
            // The bend moves ω by less than this shows.
            let (mut tone, mut rest, mut worst) = (0.0, 0.0, 0f64);
            for x in output[480..].windows(3) {
                let [a, b, c] = [x[0], x[1], x[2]].map(f64::from);
                let error = a + c - 2.0 * omega.cos() * b;
                tone += b * b;
                rest += error * error;
                worst = worst.max(error.abs());
            }
            let sinad_db = 10.0 * (tone / rest).log10();
            assert!(sinad_db > 60.0, "{ppm} ppm: {sinad_db} dB");
            assert!(worst < 0.5e-3, "{ppm} ppm: a step of {worst}");
        }
    }
}
