//! What the bands have been at: their running mean and their noise floor.
//!
//! The mean follows the voice, too. The floor is what a band falls to between words: a minimum that may rise only
//! slowly (as in noise estimation by minimum statistics, Martin, 2001, in its simplest form). Told of both, a network
//! need not find the noise by itself (noise-aware training, Seltzer et al., 2013). Digital silence changes neither:
//! after it a voice would be heard as a hundred decibels above them for seconds.

use tch::Tensor;

/// Frames that the running mean covers: a time constant of one second.
pub(super) const MEAN_FRAMES: f64 = 100.0;
/// Share of the new level in the smoothed one that the floor follows: a time constant of 50 ms.
pub(super) const SMOOTHING: f64 = 0.2;
/// How fast the floor may rise, in dB per frame: 6 dB per second.
pub(super) const RISE_DB: f64 = 0.06;
/// First frames, in which the analysis window is still filling: the floor is what the last of them finds.
pub(super) const FILLING_FRAMES: f64 = 4.0;
/// Where no band is louder, in dB, a frame is digital silence: a muted microphone, not a room.
pub(super) const SILENCE_DB: f64 = -99.9;

/// Mean and floor of the band levels; empty before the first frame.
#[derive(Debug, Default)]
pub struct Background(Option<State>);

#[derive(Debug)]
struct State {
    /// The plain mean of the first second, then an exponential one: `[batch, bands]`, in dB.
    mean: Tensor,
    /// `[batch, bands]`, in dB.
    smoothed: Tensor,
    /// `[batch, bands]`, in dB.
    floor: Tensor,
    /// Frames so far, up to [`MEAN_FRAMES`]: `[batch, 1]`.
    frames: Tensor,
}

/// Mean and floor after each frame, both `[batch, frames, bands]`, in dB.
pub struct Track {
    pub mean: Tensor,
    pub floor: Tensor,
}

impl Background {
    /// Starts again with the next frame.
    pub fn reset(&mut self) {
        self.0 = None;
    }

    /// Follows `levels` `[batch, frames, bands]` in dB.
    pub fn track(&mut self, levels: &Tensor) -> Track {
        let track = Track {
            mean: levels.empty_like(),
            floor: levels.empty_like(),
        };
        let sounds = levels
            .amax([-1], true)
            .gt(SILENCE_DB)
            .to_kind(levels.kind());
        let mut state = self.0.take().unwrap_or_else(|| State {
            mean: levels.select(1, 0).copy(),
            smoothed: levels.select(1, 0).copy(),
            floor: levels.select(1, 0).copy(),
            frames: sounds.select(1, 0).zeros_like(),
        });
        let frames = state.frames.unsqueeze(1) + sounds.cumsum(1, None);
        let mean_shares = &sounds / frames.clamp(1.0, MEAN_FRAMES);
        let filling = frames.le(FILLING_FRAMES).to_kind(levels.kind()) * &sounds;
        let smoothed_shares = (&filling * (1.0 - SMOOTHING) + SMOOTHING) * &sounds;
        // Enough for any level while the window is filling.
        let rises_db = (filling * -SILENCE_DB * 2.0 + RISE_DB) * &sounds;
        let count = levels.size()[1];
        for frame in 0..count {
            let level = levels.select(1, frame);
            let share = |shares: &Tensor| shares.select(1, frame);
            let _ = state.mean.lerp_tensor_(&level, &share(&mean_shares));
            let _ = state
                .smoothed
                .lerp_tensor_(&level, &share(&smoothed_shares));
            state.floor = (&state.floor + share(&rises_db)).minimum(&state.smoothed);
            track.mean.select(1, frame).copy_(&state.mean);
            track.floor.select(1, frame).copy_(&state.floor);
        }
        state.frames = frames.select(1, count - 1).clamp_max(MEAN_FRAMES);
        self.0 = Some(state);
        track
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// A band at −60 dB in which a voice of −20 dB speaks from 2 s to 3 s and from 3.5 s on.
    #[test]
    fn the_floor_stays_below_a_voice_where_the_mean_follows_it() {
        let speaks = |frame: i64| (200..300).contains(&frame) || frame >= 350;
        let levels: Vec<f32> = (0..400)
            .map(|frame| if speaks(frame) { -20.0 } else { -60.0 })
            .collect();
        let levels = Tensor::from_slice(&levels).view([1, 400, 1]);
        let track = Background::default().track(&levels);
        let at = |values: &Tensor, frame: i64| values.double_value(&[0, frame, 0]);
        assert!((at(&track.floor, 199) + 60.0).abs() < 0.1);
        assert!(
            (at(&track.floor, 299) + 54.0).abs() < 0.5,
            "6 dB in one second"
        );
        assert!(at(&track.mean, 299) > -40.0);
        assert!(at(&track.floor, 349) < -58.0, "back between the words");
    }

    #[test]
    fn a_filling_window_is_no_floor() {
        let levels = Tensor::full([1, 50, 3], -40.0, (Kind::Float, Device::Cpu));
        let _ = levels.narrow(1, 0, 3).fill_(-70.0);
        let track = Background::default().track(&levels);
        assert_eq!(track.floor.double_value(&[0, 49, 0]), -40.0);
    }
}
