//! What the bands have been at: their running mean and their noise floor.
//!
//! The mean follows the voice, too. The floor is what a band falls to between words: a minimum that may rise only
//! slowly (as in noise estimation by minimum statistics, Martin, 2001, in its simplest form). Told of both, a network
//! need not find the noise by itself (noise-aware training, Seltzer et al., 2013). Digital silence changes neither:
//! after it a voice would be heard as a hundred decibels above them for seconds.

use tch::Tensor;

use super::config::ModelConfig;

/// Time constant of the running mean.
const MEAN_S: f64 = 1.0;
/// What a hundredth of a second leaves of the old smoothed level, which the floor follows: a time constant of 45 ms.
const KEPT_PER_CENTISECOND: f64 = 0.8;
/// How fast the floor may rise.
const RISE_DB_PER_S: f64 = 6.0;
/// Where no band is louder, in dB, a frame is digital silence: a muted microphone, not a room.
pub(super) const SILENCE_DB: f64 = -99.9;

/// The same times in frames.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Frames that the running mean covers.
    pub mean_frames: f64,
    /// Share of the new level in the smoothed one.
    pub smoothing: f64,
    /// Rise of the floor per frame.
    pub rise_db: f64,
    /// First frames, in which the analysis window is still filling: the floor is what the last of them finds.
    pub filling_frames: f64,
}

impl Rates {
    pub fn new(config: &ModelConfig) -> Self {
        let frame_s = config.hop_samples as f64 / f64::from(config.sample_rate_hz);
        Self {
            mean_frames: MEAN_S / frame_s,
            smoothing: 1.0 - KEPT_PER_CENTISECOND.powf(100.0 * frame_s),
            rise_db: RISE_DB_PER_S * frame_s,
            filling_frames: (config.window_samples as f64 / config.hop_samples as f64).ceil(),
        }
    }
}

/// Mean and floor of the band levels.
#[derive(Debug)]
pub struct Background {
    rates: Rates,
    /// None before the first frame.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    /// The plain mean of the first second, then an exponential one: `[batch, bands]`, in dB.
    mean: Tensor,
    /// `[batch, bands]`, in dB.
    smoothed: Tensor,
    /// `[batch, bands]`, in dB.
    floor: Tensor,
    /// Frames so far, up to [`Rates::mean_frames`]: `[batch, 1]`.
    frames: Tensor,
}

/// Mean and floor after each frame, both `[batch, frames, bands]`, in dB.
pub struct Track {
    pub mean: Tensor,
    pub floor: Tensor,
}

impl Background {
    /// Before the first frame.
    pub fn new(rates: Rates) -> Self {
        Self { rates, state: None }
    }

    /// Starts again with the next frame.
    pub fn reset(&mut self) {
        self.state = None;
    }

    /// Follows `levels` `[batch, frames, bands]` in dB.
    pub fn track(&mut self, levels: &Tensor) -> Track {
        let Rates {
            mean_frames,
            smoothing,
            rise_db,
            filling_frames,
        } = self.rates;
        let track = Track {
            mean: levels.empty_like(),
            floor: levels.empty_like(),
        };
        let sounds = levels
            .amax([-1], true)
            .gt(SILENCE_DB)
            .to_kind(levels.kind());
        let mut state = self.state.take().unwrap_or_else(|| State {
            mean: levels.select(1, 0).copy(),
            smoothed: levels.select(1, 0).copy(),
            floor: levels.select(1, 0).copy(),
            frames: sounds.select(1, 0).zeros_like(),
        });
        let frames = state.frames.unsqueeze(1) + sounds.cumsum(1, None);
        let mean_shares = &sounds / frames.clamp(1.0, mean_frames);
        let filling = frames.le(filling_frames).to_kind(levels.kind()) * &sounds;
        let smoothed_shares = (&filling * (1.0 - smoothing) + smoothing) * &sounds;
        // Enough for any level while the window is filling.
        let rises_db = (filling * -SILENCE_DB * 2.0 + rise_db) * &sounds;
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
        state.frames = frames.select(1, count - 1).clamp_max(mean_frames);
        self.state = Some(state);
        track
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn background() -> Background {
        Background::new(Rates::new(&ModelConfig::default()))
    }

    /// A band at −60 dB in which a voice of −20 dB speaks from 2 s to 3 s and from 3.5 s on.
    #[test]
    fn the_floor_stays_below_a_voice_where_the_mean_follows_it() {
        let speaks = |frame: i64| (200..300).contains(&frame) || frame >= 350;
        let levels: Vec<f32> = (0..400)
            .map(|frame| if speaks(frame) { -20.0 } else { -60.0 })
            .collect();
        let levels = Tensor::from_slice(&levels).view([1, 400, 1]);
        let track = background().track(&levels);
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
        let track = background().track(&levels);
        assert_eq!(track.floor.double_value(&[0, 49, 0]), -40.0);
    }
}
