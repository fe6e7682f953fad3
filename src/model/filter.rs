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
        let (frames, bins) = (noisy.size()[1], noisy.size()[2]);
        let gains = gains.sigmoid().transpose(1, 2);
        let gains = self.bands.interpolate(&gains, bins).unsqueeze(-1);
        let gains = gains.split_with_sizes([self.bins, bins - self.bins], 2);

        let low = noisy.narrow(2, 0, self.bins);
        let extended = Tensor::cat(&[&past.0, &low], 1);
        past.0 = extended.narrow(1, frames, self.taps - 1);
        let filtered = low + self.deep_filter(&extended, taps, frames);
        let high = noisy.narrow(2, self.bins, bins - self.bins);
        Tensor::cat(&[filtered * &gains[0], high * &gains[1]], 2)
    }

    /// What the taps make of the `extended` spectrum `[batch, taps - 1 + frames, filter bins, 2]`; the last tap
    /// belongs to the current frame. In real numbers and with the frames last, because complex products and
    /// their gradients are many times slower.
    fn deep_filter(&self, extended: &Tensor, taps: &Tensor, frames: i64) -> Tensor {
        let windows = extended
            .permute([3, 0, 2, 1])
            .contiguous()
            .unfold(3, frames, 1)
            .transpose(2, 3);
        let (re, im) = (windows.select(0, 0), windows.select(0, 1));
        let taps = taps
            .reshape([-1, self.taps, self.bins, 2, frames])
            .unbind(3);
        let sum = |products: Tensor| products.sum_dim_intlist(1, false, Kind::Float);
        let filtered = [
            sum(&re * &taps[0] - &im * &taps[1]),
            sum(re * &taps[1] + im * &taps[0]),
        ];
        Tensor::stack(&filtered, 3).transpose(1, 2)
    }
}
