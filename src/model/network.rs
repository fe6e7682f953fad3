//! Encoder → latent → causal context → decoder with skip connections: dense causal convolutions, and in the
//! context recurrences between them, which remember longer than any dilation reaches.
//!
//! Few wide layers, because on one frame the number of operators costs more than their arithmetic.

use std::slice::IterMut;

use tch::{Tensor, nn};

use super::band_conv::BandConv;
use super::config::ModelConfig;
use super::conv::{CausalConv, History};
use super::features::Features;
use super::filter::SpectralFilter;
use super::frame::FrameNetwork;
use super::patterns::Patterns;
use super::recurrence::{Memory, Recurrence};
use super::scene::Scene;
use super::tape::Tape;

const KERNEL: i64 = 3;

/// The layers between features and filter.
#[derive(Debug)]
pub struct Network {
    patterns: Patterns,
    scene: Scene,
    encoder: [CausalConv; 2],
    bottleneck: CausalConv,
    expansion: CausalConv,
    context: Vec<CausalConv>,
    recurrences: Vec<Recurrence>,
    decoder: [CausalConv; 2],
    gains: CausalConv,
    taps: CausalConv,
}

/// How the layers run: over whole clips, or over the next frames of one stream.
pub enum Pass<'a> {
    /// Whole clips.
    Clip(&'a mut Tape),
    Stream(IterMut<'a, History>, IterMut<'a, Memory>),
}

impl Pass<'_> {
    pub(super) fn layer(&mut self, conv: &CausalConv, input: &Tensor) -> Tensor {
        self.run(conv, input, None)
    }

    /// A layer that changes its input instead of replacing it (He et al., 2016).
    fn residual(&mut self, conv: &CausalConv, input: &Tensor) -> Tensor {
        self.run(conv, input, Some(input))
    }

    fn run(&mut self, conv: &CausalConv, input: &Tensor, shortcut: Option<&Tensor>) -> Tensor {
        match self {
            Pass::Clip(_) => conv.forward(input, shortcut),
            Pass::Stream(histories, _) => conv.step(input, shortcut, next(histories)),
        }
    }

    /// A layer along the bands.
    pub(super) fn bands(&mut self, conv: &BandConv, input: &Tensor) -> Tensor {
        match self {
            Pass::Clip(_) => conv.forward(input),
            Pass::Stream(histories, _) => conv.step(input, next(histories)),
        }
    }

    pub(super) fn recurrence(&mut self, recurrence: &Recurrence, input: &Tensor) -> Tensor {
        match self {
            Pass::Clip(tape) => recurrence.clip(input, tape),
            Pass::Stream(_, memories) => recurrence.forward(input, next_memory(memories)),
        }
    }

    /// The same tensor, for use before and after recurrences.
    fn share(&mut self, tensor: Tensor) -> Tensor {
        match self {
            Pass::Clip(tape) => tape.share(&tensor),
            Pass::Stream(..) => tensor,
        }
    }
}

fn next<'a>(histories: &mut IterMut<'a, History>) -> &'a mut History {
    histories
        .next()
        .expect("histories() made one for each layer")
}

fn next_memory<'a>(memories: &mut IterMut<'a, Memory>) -> &'a mut Memory {
    memories
        .next()
        .expect("memories() made one for each recurrence")
}

/// What the encoder knows of each frame.
pub struct Encoded {
    /// `[batch, latent, frames]`: what a codec would send.
    pub latent: Tensor,
    skips: [Tensor; 2],
    patterns: Tensor,
    scene: Tensor,
}

/// What the filter needs, see [`SpectralFilter::apply`].
pub struct Decoded {
    pub gains: Tensor,
    pub taps: Tensor,
}

impl Network {
    /// Fresh weights under `path`.
    pub fn new(path: nn::Path, config: &ModelConfig) -> Self {
        let width = config.channels;
        let conv = |name: &str, input, dilation| {
            CausalConv::new(&path / name, input, width, KERNEL, dilation)
        };
        let linear = |name: &str, input, output, gain: f64| {
            CausalConv::linear(&path / name, input, output, gain / (input as f64).sqrt())
        };
        let (gains, taps) = SpectralFilter::outputs(config);
        let context = config.context_dilations.iter().enumerate();
        let features = Features::count(config)
            + Patterns::summary_count(config)
            + Scene::summary_count(config);
        Self {
            patterns: Patterns::new(&path / "patterns", config),
            scene: Scene::new(&path / "scene", config),
            encoder: [conv("encoder_0", features, 1), conv("encoder_1", width, 1)],
            bottleneck: linear("bottleneck", width, config.latent, 1.0),
            expansion: conv("expansion", config.latent, 1),
            context: context
                .map(|(i, &dilation)| conv(&format!("context_{i}"), width, dilation))
                .collect(),
            recurrences: (0..config.recurrences)
                .map(|i| {
                    let path = &path / format!("recurrence_{i}");
                    Recurrence::new(path, width, config.state_gates)
                })
                .collect(),
            decoder: [conv("decoder_0", width, 1), conv("decoder_1", width, 1)],
            gains: linear("gains", width, gains, 1.0),
            // Small at first: training starts from plain gains.
            taps: linear("taps", width, taps, 0.1),
        }
    }

    /// Features `[batch, features, frames]` to the latent.
    pub fn encode(&self, features: &Tensor, pass: &mut Pass) -> Encoded {
        let patterns = self.patterns.look(features, pass);
        let patterns = pass.share(patterns);
        let scene = self.scene.look(&patterns, pass);
        let scene = pass.share(scene);
        let summaries = [self.patterns.summary(&patterns), self.scene.summary(&scene)];
        let input = Tensor::cat(&[features, &summaries[0], &summaries[1]], 1);
        let first = pass.layer(&self.encoder[0], &input);
        let first = pass.share(first);
        let second = pass.layer(&self.encoder[1], &first);
        let second = pass.share(second);
        let latent = pass.layer(&self.bottleneck, &second);
        Encoded {
            latent,
            skips: [first, second],
            patterns,
            scene,
        }
    }

    /// The latent, and the encoder's skips, to filter outputs.
    pub fn decode(&self, encoded: &Encoded, pass: &mut Pass) -> Decoded {
        let mut hidden = pass.layer(&self.expansion, &encoded.latent);
        let mut recurrences = self.recurrences.iter();
        for layer in &self.context {
            hidden = pass.residual(layer, &hidden);
            if let Some(recurrence) = recurrences.next() {
                hidden = pass.recurrence(recurrence, &hidden);
            }
        }
        let [first, second] = &encoded.skips;
        hidden = pass.layer(&self.decoder[0], &(hidden + second));
        hidden = pass.layer(&self.decoder[1], &(hidden + first));
        let gains = pass.layer(&self.gains, &hidden);
        let taps = pass.layer(&self.taps, &hidden);
        let light = self.scene.light(&encoded.scene, &hidden, pass);
        let patterned = self
            .patterns
            .gains(&encoded.patterns, &hidden, &light, pass);
        Decoded {
            gains: gains + patterned,
            taps,
        }
    }

    /// Empty histories in the order in which the layers run.
    pub fn histories(&self) -> Vec<History> {
        let (look, gains) = self.patterns.histories();
        let (scene, light) = self.scene.histories();
        let layers = self.layers().map(CausalConv::history);
        let before = look.into_iter().chain(scene);
        before.chain(layers).chain(light).chain(gains).collect()
    }

    /// Empty memories in the order in which the recurrences run.
    pub fn memories(&self) -> Vec<Memory> {
        let one = |recurrence: &Recurrence| recurrence.memory(1);
        let along_time = self.recurrences.iter().map(one);
        self.scene.memories().chain(along_time).collect()
    }

    /// The network on single frames.
    pub fn frames(&self) -> FrameNetwork {
        FrameNetwork {
            patterns: self.patterns.frames(),
            scene: self.scene.frames(),
            encoder: self.encoder.each_ref().map(CausalConv::frames),
            bottleneck: self.bottleneck.frames(),
            expansion: self.expansion.frames(),
            context: self.context.iter().map(CausalConv::frames).collect(),
            recurrences: self.recurrences.iter().map(Recurrence::frames).collect(),
            decoder: self.decoder.each_ref().map(CausalConv::frames),
            gains: self.gains.frames(),
            taps: self.taps.frames(),
        }
    }

    fn layers(&self) -> impl Iterator<Item = &CausalConv> {
        let Self {
            patterns: _,
            scene: _,
            encoder,
            bottleneck,
            expansion,
            context,
            recurrences: _,
            decoder,
            gains,
            taps,
        } = self;
        encoder
            .iter()
            .chain([bottleneck, expansion])
            .chain(context)
            .chain(decoder)
            .chain([gains, taps])
    }
}
