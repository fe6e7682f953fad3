//! How many frames of audio playback keeps beyond what the callbacks demand.
//!
//! None on a machine that gives every thread its turn in time. Where underruns come again and again, one more frame
//! costs less than they do; after calm minutes it is taken back. A device takes whole periods: where a frame is
//! half of one, two of them may be needed.

/// Underruns that are put up with before a frame is added; each is forgotten after [`FORGOTTEN_S`].
const TOLERATED: f64 = 3.0;
const FORGOTTEN_S: f64 = 60.0;
/// Without underruns for so long, a frame is taken back.
const CALM_S: f64 = 600.0;
/// More latency would be worse than underruns.
const MOST_FRAMES: u32 = 2;

/// Adds and takes back frames.
#[derive(Clone, Debug, Default)]
pub struct Cushion {
    frames: u32,
    /// As of the last update.
    underruns: u64,
    /// Underruns that are not forgotten.
    remembered: f64,
    calm_s: f64,
}

impl Cushion {
    /// Takes the number of all `underruns` so far, `elapsed_s` after the last call; whether the frames changed.
    pub fn update(&mut self, underruns: u64, elapsed_s: f64) -> bool {
        let new = underruns.saturating_sub(self.underruns);
        self.underruns = underruns;
        self.remembered = (self.remembered - elapsed_s / FORGOTTEN_S).max(0.0) + new as f64;
        self.calm_s = if new > 0 {
            0.0
        } else {
            self.calm_s + elapsed_s
        };
        let before = self.frames;
        if self.remembered >= TOLERATED {
            self.frames = (self.frames + 1).min(MOST_FRAMES);
            self.remembered = 0.0;
        } else if self.calm_s >= CALM_S {
            self.frames = self.frames.saturating_sub(1);
            self.calm_s = 0.0;
        }
        self.frames != before
    }

    /// Frames to keep.
    pub fn frames(&self) -> u32 {
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Underruns every so many seconds for a while; gives the frames at its end.
    fn after(cushion: &mut Cushion, every_s: usize, minutes: usize) -> u32 {
        for second in 1..=minutes * 60 {
            let underrun = every_s > 0 && second % every_s == 0;
            let underruns = cushion.underruns + u64::from(underrun);
            cushion.update(underruns, 1.0);
        }
        cushion.frames()
    }

    #[test]
    fn frequent_underruns_add_frames_and_calm_takes_them_back() {
        let mut cushion = Cushion::default();
        assert_eq!(after(&mut cushion, 0, 60), 0);
        assert_eq!(after(&mut cushion, 120, 60), 0, "rare ones are put up with");
        assert_eq!(after(&mut cushion, 10, 1), 1);
        assert_eq!(after(&mut cushion, 10, 60), MOST_FRAMES);
        assert_eq!(after(&mut cushion, 0, 9), MOST_FRAMES);
        assert_eq!(after(&mut cushion, 0, 12), 0);
    }

    #[test]
    fn a_single_stall_adds_none() {
        let mut cushion = Cushion::default();
        assert!(!cushion.update(1, 0.2));
        assert_eq!(cushion.frames(), 0);
    }
}
