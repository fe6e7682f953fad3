//! Covers a jump in a signal: what was there dies away while what comes fades in.

/// Length of the fade, in frames: 5 ms at 48 kHz.
const FADE_FRAMES: usize = 240;
/// Channels whose last sample is remembered; the others merely fade in.
const CHANNELS: usize = 8;

/// Watches an interleaved signal and smooths the places where it is told of a jump.
#[derive(Clone, Debug)]
pub struct Declick {
    last: [f32; CHANNELS],
    /// The samples at the jump, which die away.
    held: [f32; CHANNELS],
    /// Frames since the jump.
    position: usize,
}

impl Default for Declick {
    fn default() -> Self {
        Self {
            last: [0.0; CHANNELS],
            held: [0.0; CHANNELS],
            position: FADE_FRAMES,
        }
    }
}

impl Declick {
    /// The next sample does not continue the last one.
    pub fn start(&mut self) {
        self.held = self.last;
        self.position = 0;
    }

    /// Passes whole frames of `channels` samples on.
    pub fn process(&mut self, interleaved: &mut [f32], channels: usize) {
        for frame in interleaved.chunks_exact_mut(channels.max(1)) {
            if self.position < FADE_FRAMES {
                let share = self.position as f32 / FADE_FRAMES as f32;
                let gain = share * share * (3.0 - 2.0 * share);
                for (n, sample) in frame.iter_mut().enumerate() {
                    let held = self.held.get(n).copied().unwrap_or_default();
                    *sample = held + gain * (*sample - held);
                }
                self.position += 1;
            }
            for (last, sample) in self.last.iter_mut().zip(&*frame) {
                *last = *sample;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_becomes_a_slope() {
        let mut declick = Declick::default();
        let mut before = [0.5, -0.5].repeat(480);
        declick.process(&mut before, 2);
        assert_eq!(before, [0.5, -0.5].repeat(480), "nothing to smooth");
        declick.start();
        let mut after = [-0.5, 0.5].repeat(480);
        declick.process(&mut after, 2);
        let mut last = [0.5f32, -0.5];
        for frame in after.chunks_exact(2) {
            assert!((frame[0] - last[0]).abs() < 0.01 && frame[0] == -frame[1]);
            last = [frame[0], frame[1]];
        }
        assert_eq!(last, [-0.5, 0.5]);
    }
}
