//! What the encoder sees of a noisy spectrum, whatever the recording's level and colour.
//!
//! Per frame: band levels against their running mean, the shape of that mean, band levels against their noise
//! floor, and the compressed complex spectrum of the lowest bins. Levels are in dB over 20.

use std::rc::Rc;

use tch::{Kind, Tensor};

use super::background::Background;
use super::bands::Bands;
use super::config::ModelConfig;
use super::stft;

/// Power below which a band counts as silent: the noise of 16-bit quantisation.
pub(super) const FLOOR_POWER: f64 = 1e-10;
/// Loudness-like compression of magnitudes.
pub(super) const COMPRESSION: f64 = 0.3;
pub(super) const DB_SCALE: f64 = 1.0 / 20.0;

/// Turns spectra into network inputs.
#[derive(Debug)]
pub struct Features {
    bands: Rc<Bands>,
    filter_bins: i64,
}

impl Features {
    /// Inputs for each band; they come first, all bands of one after all bands of another.
    pub const PER_BAND: i64 = 3;

    /// Inputs of the first layer.
    pub fn count(config: &ModelConfig) -> i64 {
        Self::PER_BAND * config.bands + 2 * config.filter_bins
    }

    /// Over `bands`.
    pub fn new(config: &ModelConfig, bands: Rc<Bands>) -> Self {
        Self {
            bands,
            filter_bins: config.filter_bins,
        }
    }

    /// Features `[batch, features, frames]` of spectra `[batch, frames, bins, 2]`; no gradient.
    pub fn extract(&self, spectrum: &Tensor, background: &mut Background) -> Tensor {
        tch::no_grad(|| {
            let power = stft::power(spectrum);
            let levels = (self.bands.average(&power) + FLOOR_POWER).log10() * 10.0;
            let track = background.track(&levels);
            let mean = track.mean;
            let colour = &mean - mean.mean_dim(-1, true, Kind::Float);

            let low_power = power.narrow(2, 0, self.filter_bins) + FLOOR_POWER;
            let reference_db = self.bands.interpolate(&mean, self.filter_bins);
            let log_gain = low_power.log() * ((COMPRESSION - 1.0) / 2.0)
                - reference_db * (COMPRESSION * std::f64::consts::LN_10 / 20.0);
            let low = spectrum.narrow(2, 0, self.filter_bins) * log_gain.exp().unsqueeze(-1);

            Tensor::cat(
                &[
                    (&levels - mean) * DB_SCALE,
                    colour * DB_SCALE,
                    (levels - track.floor) * DB_SCALE,
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
    use super::super::background::Rates;
    use super::*;
    use tch::Device;

    fn background(config: &ModelConfig) -> Background {
        Background::new(Rates::new(config))
    }

    #[test]
    fn level_does_not_matter() {
        let config = ModelConfig::default();
        let features = Features::new(&config, Rc::new(Bands::new(192, 961, 25.0, Device::Cpu)));
        let spectrum = Tensor::randn([1, 40, 961, 2], (Kind::Float, Device::Cpu));
        let loud = features.extract(&spectrum, &mut background(&config));
        let quiet = features.extract(&(&spectrum * 0.1), &mut background(&config));
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
        let expected = features.extract(&sound, &mut background(&config));
        let found = features.extract(&muted, &mut background(&config));
        let found = Tensor::cat(&[found.narrow(2, 300, 50), found.narrow(2, 650, 100)], 2);
        assert!(f64::try_from((expected - found).abs().max()).unwrap() < 1e-4);
    }
}
