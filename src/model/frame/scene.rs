//! [`Scene`](super::super::scene::Scene) on single frames.

use super::arithmetic::{add, relu};
use super::band_conv::FrameBandConv;
use super::conv::FrameConv;
use super::patterns::{add_to_groups, strongest};
use super::recurrence::FrameRecurrence;

/// The layers along the places.
#[derive(Debug, Clone)]
pub struct FrameScene {
    pub look: FrameBandConv,
    pub layers: Vec<(FrameBandConv, FrameRecurrence)>,
    pub steer: FrameConv,
    pub answer: FrameBandConv,
    pub light: FrameBandConv,
    pub places: usize,
    pub span_bands: usize,
    pub group_places: usize,
}

impl FrameScene {
    /// The scene `[channels, places]` behind patterns `[pattern channels, bands]`.
    pub fn look(&mut self, patterns: &[f32]) -> Vec<f32> {
        let detail = transposed(patterns, [self.places, self.span_bands]);
        let mut scene = self.look.step(&detail);
        relu(&mut scene);
        for (layer, recurrence) in &mut self.layers {
            scene = residual(layer, &scene);
            recurrence.step(&mut scene);
        }
        scene
    }

    /// The most of each channel in each group: `[channels * groups]`.
    pub fn summary<'a>(&self, scene: &'a [f32]) -> impl Iterator<Item = f32> + use<'a> {
        strongest(scene, self.group_places)
    }

    /// What the scene adds to the patterns `[pattern channels, bands]`, steered by `hidden`.
    pub fn light(&mut self, scene: &[f32], hidden: &[f32]) -> Vec<f32> {
        let mut steered = scene.to_vec();
        add_to_groups(&mut steered, &self.steer.step(hidden), self.group_places);
        relu(&mut steered);
        let answer = residual(&mut self.answer, &steered);
        transposed(&self.light.step(&answer), [self.span_bands, self.places])
    }
}

fn residual(layer: &mut FrameBandConv, input: &[f32]) -> Vec<f32> {
    let mut output = layer.step(input);
    add(&mut output, input);
    relu(&mut output);
    output
}

/// `[…, rows, columns]` as `[…, columns, rows]`.
fn transposed(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut result = vec![0.0; values.len()];
    let matrices = values.chunks_exact(rows * columns);
    for (matrix, result) in matrices.zip(result.chunks_exact_mut(rows * columns)) {
        for (row, values) in matrix.chunks_exact(columns).enumerate() {
            let places = result.iter_mut().skip(row).step_by(rows);
            places.zip(values).for_each(|(place, x)| *place = *x);
        }
    }
    result
}
