//! The scene: what has been going on in each stretch of bands.
//!
//! Noise floors, voices and knocks behave alike wherever they are, so every place, a few bands wide, runs the same
//! weights: convolutions that look at its neighbours, and recurrences that remember what it did. That learns a
//! noise from far less audio than dense layers do, which meet each band as something new (the idea of DPCRN, Le
//! et al., 2021, and GTCRN, Rong et al., 2024). The layers along time are told what there is in each group of
//! places, and steer in turn what the scene does to the gains.

use tch::{Tensor, nn};

use super::band_conv::BandConv;
use super::config::ModelConfig;
use super::conv::{CausalConv, History};
use super::frame::FrameScene;
use super::network::Pass;
use super::patterns::strongest;
use super::recurrence::{Memory, Recurrence};

/// Places that a layer looks at, the one in the middle changed.
const WIDTH: i64 = 5;

/// The layers along the places.
#[derive(Debug)]
pub struct Scene {
    look: BandConv,
    layers: Vec<(BandConv, Recurrence)>,
    steer: CausalConv,
    answer: BandConv,
    light: BandConv,
    places: i64,
    span_bands: i64,
    channels: i64,
    groups: i64,
}

impl Scene {
    /// Fresh weights under `path`.
    pub fn new(path: nn::Path, config: &ModelConfig) -> Self {
        let (channels, groups) = (config.scene_channels, config.scene_groups);
        let places = config.bands / config.scene_span_bands;
        let detail = config.pattern_channels * config.scene_span_bands;
        let conv = |name: &str, sizes, width, gain| {
            BandConv::new(&path / name, sizes, places, [width, 1], gain)
        };
        let layer = |i: usize| {
            let convolution = conv(&format!("layer_{i}"), [channels, channels], WIDTH, 1.0);
            let path = &path / format!("recurrence_{i}");
            let recurrence = Recurrence::new(path, channels, config.scene_state_gates);
            (convolution, recurrence)
        };
        let width = config.channels;
        Self {
            look: conv("look", [detail, channels], 3, 2f64.sqrt()),
            layers: (0..config.scene_layers).map(layer).collect(),
            steer: CausalConv::linear(
                &path / "steer",
                width,
                channels * groups,
                1.0 / (width as f64).sqrt(),
            ),
            answer: conv("answer", [channels, channels], WIDTH, 1.0),
            // Small at first: training starts from the gains of the layers along time.
            light: conv("light", [channels, detail], 1, 0.1),
            places,
            span_bands: config.scene_span_bands,
            channels,
            groups,
        }
    }

    /// Values of [`Self::summary`] per frame.
    pub fn summary_count(config: &ModelConfig) -> i64 {
        config.scene_channels * config.scene_groups
    }

    /// The scene `[batch, channels, places, frames]` behind patterns `[batch, pattern channels, bands, frames]`.
    pub fn look(&self, patterns: &Tensor, pass: &mut Pass) -> Tensor {
        let size = patterns.size();
        let detail = patterns
            .reshape([size[0], size[1], self.places, self.span_bands, size[3]])
            .transpose(2, 3)
            .flatten(1, 2);
        let mut scene = pass.bands(&self.look, &detail).relu();
        for (layer, recurrence) in &self.layers {
            scene = (pass.bands(layer, &scene) + scene).relu();
            scene = pass.recurrence(recurrence, &scene);
        }
        scene
    }

    /// The most of each channel in each group: `[batch, channels * groups, frames]`.
    pub fn summary(&self, scene: &Tensor) -> Tensor {
        strongest(scene, self.places / self.groups)
    }

    /// What the scene adds to the patterns `[batch, pattern channels, bands, frames]`, steered by `hidden`
    /// `[batch, width, frames]`.
    pub fn light(&self, scene: &Tensor, hidden: &Tensor, pass: &mut Pass) -> Tensor {
        let (batch, frames) = (hidden.size()[0], hidden.size()[2]);
        let steer =
            pass.layer(&self.steer, hidden)
                .view([batch, self.channels, self.groups, 1, frames]);
        let shape = [batch, self.channels, self.groups, -1, frames];
        let steered = (scene.reshape(shape) + steer).relu().flatten(2, 3);
        let answer = (pass.bands(&self.answer, &steered) + steered).relu();
        pass.bands(&self.light, &answer)
            .reshape([batch, -1, self.span_bands, self.places, frames])
            .transpose(2, 3)
            .flatten(2, 3)
    }

    /// The layers on single frames.
    pub fn frames(&self) -> FrameScene {
        let places = self.places as usize;
        let layers = self.layers.iter();
        FrameScene {
            look: self.look.frames(),
            layers: layers
                .map(|(layer, recurrence)| (layer.frames(), recurrence.frames_at_bands(places)))
                .collect(),
            steer: self.steer.frames(),
            answer: self.answer.frames(),
            light: self.light.frames(),
            places,
            span_bands: self.span_bands as usize,
            group_places: places / self.groups as usize,
        }
    }

    /// Empty histories of the layers before the encoder, and of those after the decoder, in the order in which they run.
    pub fn histories(&self) -> (Vec<History>, [History; 3]) {
        let layers = self.layers.iter().map(|(layer, _)| layer.history());
        let after = [
            self.steer.history(),
            self.answer.history(),
            self.light.history(),
        ];
        (
            std::iter::once(self.look.history()).chain(layers).collect(),
            after,
        )
    }

    /// Empty memories in the order in which the recurrences run.
    pub fn memories(&self) -> impl Iterator<Item = Memory> {
        self.layers
            .iter()
            .map(|(_, recurrence)| recurrence.memory(self.places))
    }
}
