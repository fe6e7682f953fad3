//! [`Patterns`](super::super::patterns::Patterns) on single frames.

use super::arithmetic::{add, relu};
use super::band_conv::FrameBandConv;
use super::conv::FrameConv;

/// The layers along the bands.
#[derive(Debug, Clone)]
pub struct FramePatterns {
    pub look: FrameBandConv,
    pub steer: FrameConv,
    pub refine: FrameBandConv,
    pub gain: FrameBandConv,
    pub group_bands: usize,
}

impl FramePatterns {
    /// The patterns `[channels, bands]` in the band features of a frame.
    pub fn look(&mut self, features: &[f32]) -> Vec<f32> {
        let mut patterns = self.look.step(features);
        relu(&mut patterns);
        patterns
    }

    /// The strongest of each pattern in each group: `[channels * groups]`.
    pub fn summary<'a>(&self, patterns: &'a [f32]) -> impl Iterator<Item = f32> + use<'a> {
        strongest(patterns, self.group_bands)
    }

    /// What the patterns add to the gains `[bands]`, steered by `hidden`, and seen in the light of the scene.
    pub fn gains(&mut self, patterns: &[f32], hidden: &[f32], light: &[f32]) -> Vec<f32> {
        let mut refined = self.refine.step(patterns);
        add(&mut refined, light);
        add_to_groups(&mut refined, &self.steer.step(hidden), self.group_bands);
        relu(&mut refined);
        self.gain.step(&refined)
    }
}

/// The largest value of each group of so many neighbours.
pub fn strongest(values: &[f32], group: usize) -> impl Iterator<Item = f32> {
    values
        .chunks_exact(group)
        .map(|group| group.iter().copied().fold(f32::MIN, f32::max))
}

/// Adds one value to all of each group of so many neighbours.
pub fn add_to_groups(values: &mut [f32], steer: &[f32], group: usize) {
    for (group, steer) in values.chunks_exact_mut(group).zip(steer) {
        group.iter_mut().for_each(|value| *value += steer);
    }
}
