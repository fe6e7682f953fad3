//! [`CausalConv`](super::super::conv::CausalConv) on single frames: one matrix-vector product over the frames it
//! looks at.

use std::sync::Arc;

use super::super::quantised_matrix::QuantisedMatrix;
use super::arithmetic::{add, relu};

/// Frames that a track takes until its window is moved back to the beginning.
const SPARE_FRAMES: usize = 6;

/// The layer and the frames before.
#[derive(Debug, Clone)]
pub struct FrameConv {
    /// `[out, kernel * in]`.
    weight: Arc<QuantisedMatrix>,
    bias: Arc<[f32]>,
    relu: bool,
    /// Frames `dilation` apart lie one behind the other, so that the product takes them as they are: a track for each
    /// of `dilation` frames.
    tracks: Vec<Track>,
    /// The track of the next frame.
    next: usize,
}

/// Frames of `in` values, and a window over the last `kernel` of them.
#[derive(Debug, Clone)]
struct Track {
    values: Vec<f32>,
    /// Where the window begins.
    start: usize,
}

impl FrameConv {
    /// A layer of `weight` `[out, kernel * in]`, frame after frame, that has heard silence so far.
    pub fn new(
        weight: QuantisedMatrix,
        bias: Vec<f32>,
        inputs: usize,
        dilation: usize,
        relu: bool,
    ) -> Self {
        let is_causal = weight.columns() > inputs;
        let spare = if is_causal { SPARE_FRAMES * inputs } else { 0 };
        let track = Track {
            values: vec![0.0; weight.columns() + spare],
            start: 0,
        };
        Self {
            weight: Arc::new(weight),
            bias: bias.into(),
            relu,
            tracks: vec![track; dilation],
            next: 0,
        }
    }

    /// The next frame.
    pub fn step(&mut self, input: &[f32]) -> Vec<f32> {
        self.run(input, None)
    }

    /// The next frame of a layer that changes its input instead of replacing it.
    pub fn residual(&mut self, input: &[f32]) -> Vec<f32> {
        self.run(input, Some(input))
    }

    fn run(&mut self, input: &[f32], shortcut: Option<&[f32]>) -> Vec<f32> {
        let window = self.tracks[self.next].push(input, self.weight.columns());
        let mut output = self.bias.to_vec();
        self.weight.add_product(window, &mut output);
        self.next = (self.next + 1) % self.tracks.len();
        if let Some(shortcut) = shortcut {
            add(&mut output, shortcut);
        }
        if self.relu {
            relu(&mut output);
        }
        output
    }
}

impl Track {
    /// Moves the window of `length` values on by a frame, and gives it.
    fn push(&mut self, frame: &[f32], length: usize) -> &[f32] {
        let kept = self.start + frame.len()..self.start + length;
        if kept.start + length > self.values.len() {
            self.values.copy_within(kept, 0);
            self.start = 0;
        } else {
            self.start = kept.start;
        }
        let window = &mut self.values[self.start..][..length];
        window[length - frame.len()..].copy_from_slice(frame);
        window
    }
}
