//! The whole chain on single frames: analysis, features, network, filter and synthesis.

use std::sync::Arc;

use super::super::background::Rates;
use super::bands::FrameBands;
use super::features::FrameFeatures;
use super::filter::FrameFilter;
use super::network::FrameNetwork;
use super::stft::FrameStft;
use crate::model::ModelConfig;

/// The autoencoder and what it remembers of one stream.
#[derive(Debug, Clone)]
pub struct FrameAutoencoder {
    stft: FrameStft,
    features: FrameFeatures,
    network: FrameNetwork,
    filter: FrameFilter,
}

impl FrameAutoencoder {
    /// Before the first frame.
    pub fn new(
        config: &ModelConfig,
        stft: FrameStft,
        bands: FrameBands,
        network: FrameNetwork,
    ) -> Self {
        let bands = Arc::new(bands);
        let (bins, taps) = (config.filter_bins as usize, config.filter_taps as usize);
        Self {
            stft,
            features: FrameFeatures::new(Arc::clone(&bands), Rates::new(config), bins),
            network,
            filter: FrameFilter::new(bands, bins, taps),
        }
    }

    /// Cleans the next hop of samples; `output` is later by one hop.
    pub fn step(&mut self, input: &[f32], output: &mut [f32]) {
        let Self {
            stft,
            features,
            network,
            filter,
        } = self;
        stft.step(input, output, |spectrum| {
            let (gains, taps) = network.step(&features.extract(spectrum));
            filter.apply(spectrum, gains, &taps);
        });
    }
}
