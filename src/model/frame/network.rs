//! [`Network`](super::super::network::Network) on single frames.

use super::arithmetic::add;
use super::conv::FrameConv;
use super::patterns::FramePatterns;
use super::recurrence::FrameRecurrence;
use super::scene::FrameScene;

/// The layers between features and filter.
#[derive(Debug, Clone)]
pub struct FrameNetwork {
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

impl FrameNetwork {
    /// Features of a frame to gains, before the sigmoid, and taps.
    pub fn step(&mut self, features: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let patterns = self.patterns.look(features);
        let scene = self.scene.look(&patterns);
        let mut input = features.to_vec();
        input.extend(self.patterns.summary(&patterns));
        input.extend(self.scene.summary(&scene));
        let first = self.encoder[0].step(&input);
        let second = self.encoder[1].step(&first);
        let latent = self.bottleneck.step(&second);

        let mut hidden = self.expansion.step(&latent);
        let mut recurrences = self.recurrences.iter_mut();
        for layer in &mut self.context {
            hidden = layer.residual(&hidden);
            if let Some(recurrence) = recurrences.next() {
                recurrence.step(&mut hidden);
            }
        }
        add(&mut hidden, &second);
        hidden = self.decoder[0].step(&hidden);
        add(&mut hidden, &first);
        hidden = self.decoder[1].step(&hidden);
        let mut gains = self.gains.step(&hidden);
        let light = self.scene.light(&scene, &hidden);
        add(&mut gains, &self.patterns.gains(&patterns, &hidden, &light));
        (gains, self.taps.step(&hidden))
    }
}
