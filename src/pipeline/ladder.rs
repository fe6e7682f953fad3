//! The overload ladder: full model → light model → no model, and back when there is room again.
//!
//! A machine that cannot keep up must not break the call: noisy speech is better than torn speech.
//! A step down needs sustained misses; a step up is a trial after a quiet time, which doubles each
//! time the trial fails.

use super::stats::Level;

/// So many missed deadlines within a second are an overload.
const MISSES: u32 = 10;
/// One frame counts for so many misses at most: a stall is no overload, one after another is.
const MOST_AT_ONCE: u32 = 4;
/// Quiet time before the first trial.
const FIRST_REST_S: u32 = 5;
const LONGEST_REST_S: u32 = 60;
/// A step up that has lasted this long was no failure.
const PROVEN_S: u32 = 20;

/// State of the ladder; time is counted in frames.
#[derive(Clone, Debug)]
pub struct Ladder {
    has_light: bool,
    frames_per_s: u32,
    level: Level,
    /// Leaks one miss per tenth of a second.
    misses: u32,
    frames: u32,
    since_change: u32,
    rest: u32,
}

impl Ladder {
    /// A ladder with or without a light model, for so many frames per second (at least ten); starts with the full
    /// model.
    pub fn new(has_light: bool, frames_per_s: u32) -> Self {
        Self {
            has_light,
            frames_per_s,
            level: Level::Full,
            misses: 0,
            frames: 0,
            since_change: PROVEN_S * frames_per_s,
            rest: FIRST_REST_S * frames_per_s,
        }
    }

    /// Takes how many deadlines went by while the next frame was made, and says what to run after it.
    pub fn observe(&mut self, missed: u32) -> Level {
        let proven = PROVEN_S * self.frames_per_s;
        self.since_change = self.since_change.saturating_add(1);
        self.frames += 1;
        if self.frames == self.frames_per_s / MISSES {
            self.frames = 0;
            self.misses = self.misses.saturating_sub(1);
        }
        self.misses += missed.min(MOST_AT_ONCE);
        if self.misses >= MISSES && self.level != Level::Bypass {
            if self.since_change < proven {
                self.rest = (2 * self.rest).min(LONGEST_REST_S * self.frames_per_s);
            }
            self.change(self.below());
        } else if self.level != Level::Full && self.misses == 0 && self.since_change >= self.rest {
            self.change(self.above());
        } else if self.level == Level::Full && self.since_change >= proven {
            self.rest = FIRST_REST_S * self.frames_per_s;
        }
        self.level
    }

    fn change(&mut self, level: Level) {
        self.level = level;
        self.misses = 0;
        self.since_change = 0;
    }

    fn below(&self) -> Level {
        if self.level == Level::Full && self.has_light {
            Level::Light
        } else {
            Level::Bypass
        }
    }

    fn above(&self) -> Level {
        if self.level == Level::Bypass && self.has_light {
            Level::Light
        } else {
            Level::Full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u32 = 100;

    fn run(ladder: &mut Ladder, frames: u32, missed: impl Fn(u32) -> bool) -> Level {
        (0..frames).fold(Level::Full, |_, n| ladder.observe(missed(n).into()))
    }

    #[test]
    fn rare_misses_change_nothing() {
        let mut ladder = Ladder::new(true, SECOND);
        assert_eq!(run(&mut ladder, 100_000, |n| n % 20 == 0), Level::Full);
    }

    #[test]
    fn sustained_misses_lead_down_step_by_step() {
        let mut ladder = Ladder::new(true, SECOND);
        assert_eq!(run(&mut ladder, 12, |_| true), Level::Light);
        assert_eq!(run(&mut ladder, 12, |_| true), Level::Bypass);
        let mut without_light = Ladder::new(false, SECOND);
        assert_eq!(run(&mut without_light, 12, |_| true), Level::Bypass);
    }

    /// A processor that runs the worker for a few frames out of every ten.
    #[test]
    fn a_stall_changes_nothing_and_stalls_again_and_again_lead_down() {
        let mut ladder = Ladder::new(true, SECOND);
        assert_eq!(ladder.observe(500), Level::Full);
        assert_eq!(run(&mut ladder, SECOND, |_| false), Level::Full);
        for expected in [Level::Light, Level::Bypass] {
            let level = (0..3).fold(Level::Full, |_, _| {
                ladder.observe(9);
                run(&mut ladder, 4, |_| false)
            });
            assert_eq!(level, expected);
        }
    }

    #[test]
    fn comes_back_after_a_rest() {
        let mut ladder = Ladder::new(false, SECOND);
        run(&mut ladder, 12, |_| true);
        assert_eq!(run(&mut ladder, 4 * SECOND, |_| false), Level::Bypass);
        assert_eq!(run(&mut ladder, 2 * SECOND, |_| false), Level::Full);
    }

    #[test]
    fn lasting_overload_is_tried_ever_more_rarely() {
        // The full model always misses, bypass never.
        let mut ladder = Ladder::new(false, SECOND);
        let mut level = Level::Full;
        let mut changes = 0;
        for _ in 0..3600 * SECOND {
            let next = ladder.observe((level == Level::Full).into());
            changes += u32::from(next != level);
            level = next;
        }
        assert!(changes < 2 * 65, "{changes} changes in an hour");
        // When the overload ends the full model returns for good.
        assert_eq!(run(&mut ladder, 61 * SECOND, |_| false), Level::Full);
    }
}
