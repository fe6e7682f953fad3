//! What the encoder sees of a noisy spectrum, whatever the recording's level and colour.
//!
//! Per frame: band levels against their running mean, the shape of that mean (the colour of the
//! noise floor), and the compressed complex spectrum of the lowest bins. Levels are in dB over 20.

use std::rc::Rc;

use tch::{Kind, Tensor};

use super::bands::Bands;
use super::config::ModelConfig;
use super::stft;

/// Power below which a band counts as silent: the noise of 16-bit quantisation.
pub(super) const FLOOR_POWER: f64 = 1e-10;
/// Frames that the running mean covers: a time constant of one second.
pub(super) const MEAN_FRAMES: f64 = 100.0;
/// Where no band is louder, in dB, a frame is digital silence: a muted microphone, not a room.
pub(super) const SILENCE_DB: f64 = -99.9;
/// Loudness-like compression of magnitudes.
pub(super) const COMPRESSION: f64 = 0.3;
pub(super) const DB_SCALE: f64 = 1.0 / 20.0;

/// Turns spectra into network inputs.
#[derive(Debug)]
pub struct Features {
    bands: Rc<Bands>,
    filter_bins: i64,
}

/// The running mean of band levels in dB; empty before the first frame.
///
/// It is the plain mean of the first second, then an exponential one, and does not see digital
/// silence: after it a voice would be heard as a hundred decibels above the mean for seconds.
#[derive(Debug, Default)]
pub struct RunningMean(Option<Mean>);

#[derive(Debug)]
struct Mean {
    /// `[batch, bands]`
    level_db: Tensor,
    /// Frames in it, up to [`MEAN_FRAMES`]: `[batch, 1]`.
    frames: Tensor,
}

impl RunningMean {
    /// Starts again with the next frame.
    pub fn reset(&mut self) {
        self.0 = None;
    }

    /// The mean after each frame of `levels` `[batch, frames, bands]`.
    fn track(&mut self, levels: &Tensor) -> Tensor {
        let means = levels.empty_like();
        let sounds = levels
            .amax([-1], true)
            .gt(SILENCE_DB)
            .to_kind(levels.kind());
        let mut mean = self.0.take().unwrap_or_else(|| Mean {
            level_db: levels.select(1, 0).copy(),
            frames: sounds.select(1, 0).zeros_like(),
        });
        let frames = mean.frames.unsqueeze(1) + sounds.cumsum(1, None);
        let weights = &sounds / frames.clamp(1.0, MEAN_FRAMES);
        let count = levels.size()[1];
        for frame in 0..count {
            let weight = weights.select(1, frame);
            let _ = mean
                .level_db
                .lerp_tensor_(&levels.select(1, frame), &weight);
            means.select(1, frame).copy_(&mean.level_db);
        }
        mean.frames = frames.select(1, count - 1).clamp_max(MEAN_FRAMES);
        self.0 = Some(mean);
        means
    }
}

impl Features {
    /// Inputs of the first layer.
    pub fn count(config: &ModelConfig) -> i64 {
        2 * config.bands + 2 * config.filter_bins
    }

    /// Over `bands`.
    pub fn new(config: &ModelConfig, bands: Rc<Bands>) -> Self {
        Self {
            bands,
            filter_bins: config.filter_bins,
        }
    }

    /// Features `[batch, features, frames]` of spectra `[batch, frames, bins, 2]`; no gradient.
    pub fn extract(&self, spectrum: &Tensor, running: &mut RunningMean) -> Tensor {
        tch::no_grad(|| {
            let power = stft::power(spectrum);
            let levels = (self.bands.average(&power) + FLOOR_POWER).log10() * 10.0;
            let mean = running.track(&levels);
            let colour = &mean - mean.mean_dim(-1, true, Kind::Float);

            let low_power = power.narrow(2, 0, self.filter_bins) + FLOOR_POWER;
            let reference_db = self.bands.interpolate(&mean, self.filter_bins);
            let log_gain = low_power.log() * ((COMPRESSION - 1.0) / 2.0)
                - reference_db * (COMPRESSION * std::f64::consts::LN_10 / 20.0);
            let low = spectrum.narrow(2, 0, self.filter_bins) * log_gain.exp().unsqueeze(-1);

            Tensor::cat(
                &[
                    (levels - mean) * DB_SCALE,
                    colour * DB_SCALE,
                    low.flatten(2, 3),
                ],
                2,
            )
            .transpose(1, 2)
            .contiguous()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn level_does_not_matter() {
        let config = ModelConfig::default();
        let features = Features::new(&config, Rc::new(Bands::new(192, 961, 25.0, Device::Cpu)));
        let spectrum = Tensor::randn([1, 40, 961, 2], (Kind::Float, Device::Cpu));
        let loud = features.extract(&spectrum, &mut RunningMean::default());
        let quiet = features.extract(&(&spectrum * 0.1), &mut RunningMean::default());
        assert_eq!(loud.size(), [1, Features::count(&config), 40]);
        assert!(f64::try_from((loud - quiet).abs().max()).unwrap() < 1e-2);
    }

    #[test]
    fn a_muted_microphone_leaves_no_trace() {
        let config = ModelConfig::default();
        let features = Features::new(&config, Rc::new(Bands::new(192, 961, 25.0, Device::Cpu)));
        let sound = Tensor::randn([1, 150, 961, 2], (Kind::Float, Device::Cpu));
        let silence = Tensor::zeros([1, 300, 961, 2], (Kind::Float, Device::Cpu));
        let (start, end) = (sound.narrow(1, 0, 50), sound.narrow(1, 50, 100));
        let muted = Tensor::cat(&[&silence, &start, &silence, &end], 1);
        let expected = features.extract(&sound, &mut RunningMean::default());
        let found = features.extract(&muted, &mut RunningMean::default());
        let found = Tensor::cat(&[found.narrow(2, 300, 50), found.narrow(2, 650, 100)], 2);
        assert!(f64::try_from((expected - found).abs().max()).unwrap() < 1e-4);
    }
}
