//! A value that moves without clicks.

/// Length of every crossfade: 20 ms at 48 kHz.
pub const FADE_SAMPLES: usize = 960;

/// Follows its goal in a straight line over [`FADE_SAMPLES`].
#[derive(Clone, Debug)]
pub struct Ramp {
    value: f32,
    goal: f32,
    step: f32,
    left: usize,
}

impl Ramp {
    /// Rests at `value`.
    pub fn new(value: f32) -> Self {
        Self {
            value,
            goal: value,
            step: 0.0,
            left: 0,
        }
    }

    /// Sets off to `goal`; on the way there already it goes on.
    pub fn go_to(&mut self, goal: f32) {
        if goal != self.goal {
            self.goal = goal;
            self.step = (goal - self.value) / FADE_SAMPLES as f32;
            self.left = FADE_SAMPLES;
        }
    }

    /// The value for the next sample.
    pub fn advance(&mut self) -> f32 {
        if self.left > 0 {
            self.left -= 1;
            self.value = if self.left == 0 {
                self.goal
            } else {
                self.value + self.step
            };
        }
        self.value
    }

    /// Whether it is at `value` and stays there.
    pub fn rests_at(&self, value: f32) -> bool {
        self.left == 0 && self.value == value
    }
}
