//! What the bands have been at: their running mean and their noise floor.
//!
//! The mean follows the voice, too. The floor is what a band falls to between words: a minimum that may rise only
//! slowly (as in noise estimation by minimum statistics, Martin, 2001, in its simplest form). Told of both, a network
//! need not find the noise by itself (noise-aware training, Seltzer et al., 2013). Digital silence changes neither:
//! after it a voice would be heard as a hundred decibels above them for seconds.

use tch::{Kind, Tensor};

use super::config::ModelConfig;

/// Time constant of the running mean.
const MEAN_S: f64 = 1.0;
/// What a hundredth of a second leaves of the old smoothed level, which the floor follows: a time constant of 45 ms.
const KEPT_PER_CENTISECOND: f64 = 0.8;
/// How fast the floor may rise.
const RISE_DB_PER_S: f64 = 6.0;
/// Where no band is louder, in dB, a frame is digital silence: a muted microphone, not a room.
pub(super) const SILENCE_DB: f64 = -99.9;

/// Frames that are followed together: the work for each grows with them.
const BLOCK_FRAMES: i64 = 100;

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
        let (mut means, mut floors) = (Vec::new(), Vec::new());
        for levels in levels.split(BLOCK_FRAMES, 1) {
            let Track { mean, floor } = self.track_block(&levels);
            means.push(mean);
            floors.push(floor);
        }
        Track {
            mean: Tensor::cat(&means, 1),
            floor: Tensor::cat(&floors, 1),
        }
    }

    fn track_block(&mut self, levels: &Tensor) -> Track {
        let Rates {
            mean_frames,
            smoothing,
            rise_db,
            filling_frames,
        } = self.rates;
        let sounds = levels
            .amax([-1], true)
            .gt(SILENCE_DB)
            .to_kind(levels.kind());
        let state = self.state.take().unwrap_or_else(|| State {
            mean: levels.select(1, 0),
            smoothed: levels.select(1, 0),
            floor: levels.select(1, 0),
            frames: sounds.select(1, 0).zeros_like(),
        });
        let frames = state.frames.unsqueeze(1) + sounds.cumsum(1, None);
        let mean_shares = &sounds / frames.clamp(1.0, mean_frames);
        let filling = frames.le(filling_frames).to_kind(levels.kind()) * &sounds;
        let smoothed_shares = (&filling * (1.0 - smoothing) + smoothing) * &sounds;
        // Enough for any level while the window is filling.
        let rises_db = (filling * -SILENCE_DB * 2.0 + rise_db) * &sounds;
        let mean = running_mean(&state.mean, levels, &mean_shares);
        let smoothed = running_mean(&state.smoothed, levels, &smoothed_shares);
        let floor = rising_minimum(&state.floor, &smoothed, &rises_db);
        let last = |track: &Tensor| track.select(1, -1);
        self.state = Some(State {
            mean: last(&mean),
            smoothed: last(&smoothed),
            floor: last(&floor),
            frames: last(&frames).clamp_max(mean_frames),
        });
        Track { mean, floor }
    }
}

/// The mean after each frame `[batch, frames, bands]` that takes a share `[batch, frames, 1]` of each frame's `levels`,
/// from the mean `before` `[batch, bands]`: one product for all frames, not a few operations for each.
fn running_mean(before: &Tensor, levels: &Tensor, shares: &Tensor) -> Tensor {
    // Logarithms of what is left of what was there before the first frame; where all is replaced, next to nothing is.
    let kept: Tensor = 1.0 - shares.to_kind(Kind::Double);
    let left = kept.clamp_min(1e-30).log().cumsum(1, None);
    let left_of_each = (&left - left.transpose(1, 2)).exp().tril(0);
    let weights = (left_of_each * shares.transpose(1, 2)).to_kind(levels.kind());
    let old = left.exp().to_kind(levels.kind()) * before.unsqueeze(1);
    weights.matmul(levels) + old
}

/// `min(before + rise, level)` from frame to frame, as a running minimum of levels less all rises so far.
fn rising_minimum(before: &Tensor, levels: &Tensor, rises: &Tensor) -> Tensor {
    let risen = rises.cumsum(1, None);
    let (lowest, _) = (levels - &risen).cummin(1);
    lowest.minimum(&before.unsqueeze(1)) + risen
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

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
