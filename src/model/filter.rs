//! From network outputs to the clean spectrum: band gains everywhere, a deep filter where pitch lives.
//!
//! Deep filtering (Mack and Habets, 2020; DeepFilterNet, Schröter et al., 2022) adds to each low bin
//! a complex combination of its last frames, which restores harmonics that a real gain cannot.

use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::bands::Bands;
use super::config::ModelConfig;

/// Applies gains and filter taps to the noisy spectrum.
#[derive(Debug)]
pub struct SpectralFilter {
    bands: Rc<Bands>,
    device: Device,
    bins: i64,
    taps: i64,
}

/// The low bins of the frames before: `[batch, taps - 1, bins, 2]`.
#[derive(Debug)]
pub struct PastSpectrum(Tensor);

impl PastSpectrum {
    /// Silence again.
    pub fn reset(&mut self) {
        self.0 = self.0.zeros_like();
    }
}

impl SpectralFilter {
    /// Band gains and tap values the network has to give per frame.
    pub fn outputs(config: &ModelConfig) -> (i64, i64) {
        (config.bands, config.filter_bins * config.filter_taps * 2)
    }

    /// Gains over `bands`, on `device`.
    pub fn new(config: &ModelConfig, bands: Rc<Bands>, device: Device) -> Self {
        Self {
            bands,
            device,
            bins: config.filter_bins,
            taps: config.filter_taps,
        }
    }

    /// Silence before the first frame.
    pub fn past(&self, batch: i64) -> PastSpectrum {
        let options = (Kind::Float, self.device);
        PastSpectrum(Tensor::zeros([batch, self.taps - 1, self.bins, 2], options))
    }

    /// Clean spectra of noisy ones `[batch, frames, bins, 2]`, from `gains` `[batch, bands, frames]`
    /// before the sigmoid and `taps` `[batch, taps * filter_bins * 2, frames]`.
    pub fn apply(
        &self,
        noisy: &Tensor,
        gains: &Tensor,
        taps: &Tensor,
        past: &mut PastSpectrum,
    ) -> Tensor {
        let bins = noisy.size()[2];
        let gains = gains.sigmoid().transpose(1, 2);
        let gains = self.bands.interpolate(&gains, bins).unsqueeze(-1);
        let low = noisy.narrow(2, 0, self.bins);
        let extended = Tensor::cat(&[&past.0, &low], 1);
        let frames = noisy.size()[1];
        past.0 = extended.narrow(1, frames, self.taps - 1);

        let shape = [-1, frames, self.taps, self.bins, 2];
        let taps = taps
            .transpose(1, 2)
            .contiguous()
            .view(shape)
            .view_as_complex();
        let (recent, low) = (
            extended.view_as_complex(),
            low.contiguous().view_as_complex(),
        );
        // The last tap belongs to the current frame.
        let filtered = if frames == 1 {
            (recent * taps.squeeze_dim(1)).sum_dim_intlist(1, true, None) + low
        } else {
            (0..self.taps).fold(low, |sum, tap| {
                sum + recent.narrow(1, tap, frames) * taps.select(2, tap)
            })
        };
        let low = filtered.view_as_real() * gains.narrow(2, 0, self.bins);
        let rest = bins - self.bins;
        let high = noisy.narrow(2, self.bins, rest) * gains.narrow(2, self.bins, rest);
        Tensor::cat(&[low, high], 2)
    }
}
