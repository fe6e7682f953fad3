//! [`Network`](super::super::network::Network) on single frames.

use super::arithmetic::add;
use super::conv::FrameConv;
use super::patterns::FramePatterns;
use super::recurrence::FrameRecurrence;
use super::scene::FrameScene;

/// The layers of the network.
#[derive(Debug, Clone)]
pub struct FrameLayers {
    pub patterns: FramePatterns,
    pub scene: FrameScene,
    pub encoder: [FrameConv; 2],
    pub bottleneck: FrameConv,
    pub expansion: FrameConv,
    pub context: Vec<FrameConv>,
    pub recurrences: Vec<FrameRecurrence>,
    pub decoder: [FrameConv; 2],
    pub gains: FrameConv,
    pub taps: FrameConv,
}

/// The layers between features and filter.
#[derive(Debug, Clone)]
pub struct FrameNetwork(pub FrameLayers);

impl FrameNetwork {
    /// Features of a frame to gains, before the sigmoid, and taps.
    pub fn step(&mut self, features: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let layers = &mut self.0;
        let patterns = layers.patterns.look(features);
        let scene = layers.scene.look(&patterns);
        let mut input = features.to_vec();
        input.extend(layers.patterns.summary(&patterns));
        input.extend(layers.scene.summary(&scene));
        let first = layers.encoder[0].step(&input);
        let second = layers.encoder[1].step(&first);
        let latent = layers.bottleneck.step(&second);

        let mut hidden = layers.expansion.step(&latent);
        let mut recurrences = layers.recurrences.iter_mut();
        for layer in &mut layers.context {
            hidden = layer.residual(&hidden);
            if let Some(recurrence) = recurrences.next() {
                recurrence.step(&mut hidden);
            }
        }
        add(&mut hidden, &second);
        hidden = layers.decoder[0].step(&hidden);
        add(&mut hidden, &first);
        hidden = layers.decoder[1].step(&hidden);
        let mut gains = layers.gains.step(&hidden);
        let light = layers.scene.light(&scene, &hidden);
        add(
            &mut gains,
            &layers.patterns.gains(&patterns, &hidden, &light),
        );
        (gains, layers.taps.step(&hidden))
    }
}
