//! Patterns along the bands: seen before the encoder, turned into gains after the decoder.
//!
//! The layers along time know what goes on, but each of their few channels speaks for all bands. The
//! pattern layers know each band and its neighbours, and nothing else. So the encoder is told which
//! patterns there are in each group of bands, and the decoder steers, group by group, what the
//! patterns do to the gains: a skip connection at full resolution.

use tch::{Tensor, nn};

use super::band_conv::BandConv;
use super::config::ModelConfig;
use super::conv::{CausalConv, History};
use super::features::Features;
use super::frame::FramePatterns;
use super::network::Pass;

const LOOK: [i64; 2] = [5, 3];
const REFINE: [i64; 2] = [3, 1];

/// The layers along the bands.
#[derive(Debug)]
pub struct Patterns {
    look: BandConv,
    steer: CausalConv,
    refine: BandConv,
    gain: BandConv,
    bands: i64,
    /// Channels, groups of bands, bands in a group.
    shape: [i64; 3],
}

impl Patterns {
    /// Fresh weights under `path`.
    pub fn new(path: nn::Path, config: &ModelConfig) -> Self {
        let (bands, channels) = (config.bands, config.pattern_channels);
        let groups = bands / config.pattern_group_bands;
        let conv = |name: &str, sizes, kernel, gain| {
            BandConv::new(&path / name, sizes, bands, kernel, gain)
        };
        let relu = 2f64.sqrt();
        let width = config.channels;
        Self {
            look: conv("look", [Features::PER_BAND, channels], LOOK, relu),
            steer: CausalConv::linear(
                &path / "steer",
                width,
                channels * groups,
                1.0 / (width as f64).sqrt(),
            ),
            refine: conv("refine", [channels, channels], REFINE, relu),
            // Small at first: training starts from the gains of the layers along time.
            gain: conv("gain", [channels, 1], [1, 1], 0.1),
            bands,
            shape: [channels, groups, config.pattern_group_bands],
        }
    }

    /// Values of [`Self::summary`] per frame.
    pub fn summary_count(config: &ModelConfig) -> i64 {
        config.pattern_channels * config.bands / config.pattern_group_bands
    }

    /// The patterns `[batch, channels, bands, frames]` in features `[batch, features, frames]`.
    pub fn look(&self, features: &Tensor, pass: &mut Pass) -> Tensor {
        let size = features.size();
        let bands = features
            .narrow(1, 0, Features::PER_BAND * self.bands)
            .contiguous()
            .view([size[0], Features::PER_BAND, self.bands, size[2]]);
        pass.bands(&self.look, &bands).relu()
    }

    /// The strongest of each pattern in each group: `[batch, channels * groups, frames]`.
    pub fn summary(&self, patterns: &Tensor) -> Tensor {
        strongest(patterns, self.shape[2])
    }

    /// What the patterns add to the gains `[batch, bands, frames]`, steered by `hidden` `[batch, width, frames]`,
    /// and seen in the light of the scene: `lit` `[batch, channels, bands, frames]`.
    pub fn gains(
        &self,
        patterns: &Tensor,
        hidden: &Tensor,
        lit: &Tensor,
        pass: &mut Pass,
    ) -> Tensor {
        let [channels, groups, _] = self.shape;
        let (batch, frames) = (hidden.size()[0], hidden.size()[2]);
        let steer = pass
            .layer(&self.steer, hidden)
            .view([batch, channels, groups, 1, frames]);
        let refined = pass.bands(&self.refine, patterns);
        let steered = (self.grouped(&(refined + lit)) + steer).relu();
        pass.bands(&self.gain, &steered.flatten(2, 3))
            .squeeze_dim(1)
    }

    /// The layers on single frames.
    pub fn frames(&self) -> FramePatterns {
        FramePatterns {
            look: self.look.frames(),
            steer: self.steer.frames(),
            refine: self.refine.frames(),
            gain: self.gain.frames(),
            group_bands: self.shape[2] as usize,
        }
    }

    /// Empty histories of the layers before the encoder, and of those after the decoder.
    pub fn histories(&self) -> ([History; 1], [History; 3]) {
        let after = [
            self.steer.history(),
            self.refine.history(),
            self.gain.history(),
        ];
        ([self.look.history()], after)
    }

    fn grouped(&self, patterns: &Tensor) -> Tensor {
        let [channels, groups, bands] = self.shape;
        patterns.view([patterns.size()[0], channels, groups, bands, -1])
    }
}

/// The most of each channel in each group of so many `places`: `[batch, channels, places, frames]` to
/// `[batch, channels * groups, frames]`. Pooling, because the gradient of a maximum over a dimension is a comparison
/// of everything.
pub(super) fn strongest(values: &Tensor, places: i64) -> Tensor {
    let window = [places, 1];
    values
        .max_pool2d(window, window, [0, 0], [1, 1], false)
        .flatten(1, 2)
}
