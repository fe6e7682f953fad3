//! Keeps the playback queue at its length although no two devices agree on how long a second is.
//!
//! A controller watches how much audio lies between capture and playback and bends the ratio of
//! the output resampler. The level it holds is the one just after playback started, which is right
//! by construction, or less where that is more than enough. It acts only once the level has left a
//! band around that, makes up for the difference in one go, and looks again: for devices on one clock
//! the resampler rests at its exact ratio and the delay does not move at all. Where the level leaves
//! the band again and again on the same side, the clocks differ, and the ratio follows them.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Largest change of the ratio: 9 cents, slow enough to be inaudible.
pub const MAX_BEND: f64 = 0.005;
/// The level is the median of so many seconds: callbacks that come late for less than half of it do
/// not count, however late they are.
const WINDOW_S: f64 = 2.0;
/// The level may move this much without consequence.
const BAND_S: f64 = 0.001;
/// A level that has moved further when it is noticed has jumped: no clock is to blame.
const JUMP_S: f64 = 0.0015;
/// A difference is made up for in this time, if [`MAX_BEND`] allows.
const CORRECTION_S: f64 = 2.0;
/// Share of what the clocks seem to differ by that is believed at once.
const BELIEVED: f64 = 0.5;
/// No two crystals differ by more.
const MAX_DRIFT: f64 = 0.0005;

/// Controller from the level of the queue to the ratio of the resampler.
#[derive(Clone, Debug, Default)]
pub struct DriftControl {
    recent: Recent,
    /// The level to hold, once it is known.
    goal_s: Option<f64>,
    /// How long the level has been held.
    held_s: f64,
    correction: Option<Correction>,
    /// Sign of the error when the level last left the band by itself; 0 if it never did.
    side: f64,
    /// Bend that makes up for the difference of the clocks, as far as it is known.
    drift: f64,
}

#[derive(Clone, Copy, Debug)]
struct Correction {
    bend: f64,
    left_s: f64,
}

impl DriftControl {
    /// The level has jumped: takes the level of the next seconds as the one to hold.
    pub fn restart(&mut self) {
        self.goal_s = None;
        self.hold();
    }

    /// Takes the level of the queue, in seconds of audio, `elapsed_s` after the last call. Returns
    /// the factor for the resampling ratio: below 1 when the queue is too full.
    ///
    /// `enough_s` begins with the level that may do while the callbacks of both devices stay as they
    /// lie in time, and ends with the one that is enough however they lie: where clocks drift, it
    /// will be needed.
    pub fn update(&mut self, level_s: f64, enough_s: &RangeInclusive<f64>, elapsed_s: f64) -> f64 {
        if let Some(correction) = &mut self.correction {
            correction.left_s -= elapsed_s;
            if correction.left_s <= 0.0 {
                self.hold();
            }
        } else if let Some(level_s) = self.recent.add(level_s, elapsed_s) {
            self.held_s += elapsed_s;
            let goal_s = level_s.clamp(*enough_s.start(), *enough_s.end());
            let moved_s = level_s - *self.goal_s.get_or_insert(goal_s);
            if moved_s.abs() > BAND_S {
                self.learn(moved_s);
                self.goal_s = Some(*enough_s.end());
                self.correct(level_s - enough_s.end());
            }
        }
        1.0 - self.drift - self.correction.map_or(0.0, |correction| correction.bend)
    }

    fn hold(&mut self) {
        self.correction = None;
        self.recent.clear();
        self.held_s = 0.0;
    }

    fn correct(&mut self, excess_s: f64) {
        let most = MAX_BEND - MAX_DRIFT;
        let bend = (excess_s / CORRECTION_S).clamp(-most, most);
        self.correction = (bend != 0.0).then(|| Correction {
            bend,
            left_s: excess_s / bend,
        });
    }

    /// What it tells of the clocks that the level has `moved_s` while it was held.
    fn learn(&mut self, moved_s: f64) {
        if moved_s.abs() > JUMP_S {
            return;
        }
        let again = moved_s * self.side > 0.0;
        let too_much = moved_s * self.drift < 0.0;
        if again || too_much {
            let rest = moved_s / (self.held_s + WINDOW_S);
            self.drift = (self.drift + BELIEVED * rest).clamp(-MAX_DRIFT, MAX_DRIFT);
        }
        self.side = moved_s.signum();
    }

    /// How much faster the capture clock runs than the playback clock, in parts per million, as far as
    /// it is known.
    pub fn drift_ppm(&self) -> f64 {
        self.drift * 1e6
    }
}

/// The levels of the last [`WINDOW_S`].
#[derive(Clone, Debug, Default)]
struct Recent {
    /// Level and time since the one before.
    levels: VecDeque<(f64, f64)>,
    span_s: f64,
    sorted: Vec<f64>,
}

impl Recent {
    fn clear(&mut self) {
        self.levels.clear();
        self.span_s = 0.0;
    }

    /// Takes one more; gives their median once they span the window.
    fn add(&mut self, level_s: f64, elapsed_s: f64) -> Option<f64> {
        self.levels.push_back((level_s, elapsed_s));
        self.span_s += elapsed_s;
        if self.span_s < WINDOW_S {
            return None;
        }
        while let Some(&(_, oldest_s)) = self.levels.front()
            && self.span_s - oldest_s >= WINDOW_S
        {
            self.levels.pop_front();
            self.span_s -= oldest_s;
        }
        self.sorted.clear();
        self.sorted
            .extend(self.levels.iter().map(|&(level_s, _)| level_s));
        let middle = self.sorted.len() / 2;
        Some(*self.sorted.select_nth_unstable_by(middle, f64::total_cmp).1)
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::rate::ToDevice;
    use super::super::testing::{FRAME_SAMPLES, step};
    use super::*;

    const RATE_HZ: f64 = 48_000.0;
    const PERIOD_S: f64 = 0.01;
    /// Two periods, and a period of either device and 5 ms of jitter.
    const ENOUGH_S: RangeInclusive<f64> = 0.020..=0.025;

    /// Two devices of 10 ms quanta whose clocks differ, with late callbacks on both sides, of the
    /// capture by `late_s(time)` more. Calls `each` for every frame with the bend; it returns how
    /// many samples the resampler made of it. Gives levels and bends.
    fn simulate(
        ppm: f64,
        seconds: f64,
        late_s: impl Fn(f64) -> f64,
        mut each: impl FnMut(f64) -> f64,
    ) -> Vec<(f64, f64)> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut control = DriftControl::default();
        let period = PERIOD_S * (1.0 + ppm * 1e-6);
        let mut queued = 960.0;
        let (mut pulls, mut pulled_at) = (0.0, 0.0);
        let mut trace = Vec::new();
        for step in 1..(seconds / PERIOD_S) as usize {
            let due = step as f64 * PERIOD_S;
            let now = due + late_s(due) + rng.random_range(0.0..0.002);
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
            trace.push((level, control.update(level, &ENOUGH_S, PERIOD_S)));
        }
        trace
    }

    #[test]
    fn an_hour_of_drift_neither_grows_the_latency_nor_drains_the_queue() {
        for ppm in [300.0, -300.0, 30.0] {
            let trace = simulate(ppm, 3600.0, |_| 0.0, |bend| 480.0 * bend);
            for minute in trace.chunks(6000) {
                let sum = minute.iter().map(|&(level, _)| level).sum::<f64>();
                let level_ms = sum / minute.len() as f64 * 1e3;
                assert!((22.0..28.0).contains(&level_ms), "{ppm} ppm: {level_ms} ms");
            }
            let end = &trace[trace.len() - 60_000..];
            let bend = end.iter().map(|&(_, bend)| bend).sum::<f64>() / end.len() as f64;
            let found = (1.0 / bend - 1.0) * 1e6;
            assert!((found - ppm).abs() < 10.0, "{ppm} ppm found as {found}");
            let corrected = end.windows(2).filter(|pair| pair[0].1 != pair[1].1);
            assert!(corrected.count() < 20, "{ppm} ppm: the ratio does not rest");
        }
    }

    #[test]
    fn devices_on_one_clock_are_left_alone() {
        // Once a minute the machine is too busy for half a second to call back in time.
        let late_s = |time: f64| if time % 60.0 > 59.5 { 0.008 } else { 0.0 };
        let trace = simulate(0.0, 600.0, late_s, |bend| 480.0 * bend);
        assert!(trace.iter().all(|&(_, bend)| bend == 1.0));
    }

    #[test]
    fn after_a_jump_the_level_is_what_is_enough_and_the_ratio_rests_again() {
        // 12 ms more or less than the clocks give, as after a disturbance in the server.
        for jump in [576.0, -240.0] {
            let mut frames = 0;
            let trace = simulate(
                0.0,
                120.0,
                |_| 0.0,
                |bend| {
                    frames += 1;
                    480.0 * bend + if frames == 1000 { jump } else { 0.0 }
                },
            );
            let (before, after) = (&trace[500..999], &trace[1800..]);
            assert!(before.iter().chain(after).all(|&(_, bend)| bend == 1.0));
            let level_s = after.iter().map(|&(level, _)| level).sum::<f64>() / after.len() as f64;
            let off_ms = (level_s - ENOUGH_S.end()) * 1e3;
            assert!(off_ms.abs() < 0.3, "{jump} samples: off by {off_ms} ms");
        }
    }

    #[test]
    fn a_tone_stays_pure_while_the_ratio_moves() {
        for ppm in [300.0, -300.0] {
            let omega = TAU * 1000.0 / RATE_HZ;
            let mut resampler = ToDevice::new(RATE_HZ as u32, step(1));
            // The first frame comes out shorter, by the delay.
            resampler.process(&[vec![0.0; FRAME_SAMPLES]], 1.0);
            let (mut output, mut n) = (Vec::new(), 0);
            simulate(
                ppm,
                60.0,
                |_| 0.0,
                |bend| {
                    let frame =
                        (n..n + FRAME_SAMPLES).map(|n| (0.5 * (omega * n as f64).sin()) as f32);
                    let frame = frame.collect();
                    n += FRAME_SAMPLES;
                    let (samples, count) = resampler.process(&[frame], bend);
                    output.extend_from_slice(samples);
                    count as f64
                },
            );
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
