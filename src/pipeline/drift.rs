//! Keeps the playback queue at its length although no two devices agree on how long a second is.
//!
//! A controller watches how much audio lies between capture and playback and bends the ratio of
//! the output resampler. The level it holds is the one just after playback started, which is right
//! by construction. Within a dead band it does nothing: for devices on one clock the resampler
//! stays at its exact ratio and the delay does not move at all.

/// Largest change of the ratio: 9 cents, slow enough to be inaudible.
pub const MAX_BEND: f64 = 0.005;

/// How long the level is averaged before it becomes the one to hold, in seconds.
const SETTLE_S: f64 = 3.0;
/// Smooths the jitter of the callbacks.
const SMOOTHING_S: f64 = 2.0;
/// The level may move this much without consequence.
const DEAD_BAND_S: f64 = 0.0015;
/// Bend per second of error; the loop follows within 1/0.1 = 10 s.
const PROPORTIONAL: f64 = 0.1;
/// A quarter of the proportional gain squared: no overshoot.
const INTEGRAL: f64 = 0.0025;
/// Forgets a drift that is no longer seen, so that the ratio returns to exactly 1.
const FORGET_S: f64 = 120.0;

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
    pub fn update(&mut self, level_s: f64, elapsed_s: f64) -> f64 {
        self.observed_s += elapsed_s;
        if self.observed_s < SETTLE_S {
            // A plain mean at first, which the exponential one continues.
            let weight = (elapsed_s / self.observed_s).clamp(0.0, 1.0);
            self.level_s += weight * (level_s - self.level_s);
            self.goal_s = self.level_s;
            return 1.0 - self.integral;
        }
        self.level_s += (elapsed_s / SMOOTHING_S).min(1.0) * (level_s - self.level_s);
        let error = self.level_s - self.goal_s;
        let excess = error - error.clamp(-DEAD_BAND_S, DEAD_BAND_S);
        self.integral += elapsed_s * (INTEGRAL * excess - self.integral / FORGET_S);
        self.integral = self.integral.clamp(-MAX_BEND, MAX_BEND);
        let bend = PROPORTIONAL * excess + self.integral;
        1.0 - bend.clamp(-MAX_BEND, MAX_BEND)
    }

    /// How much faster the capture clock runs than the playback clock, in parts per million.
    pub fn drift_ppm(&self) -> f64 {
        self.integral * 1e6
    }
}
