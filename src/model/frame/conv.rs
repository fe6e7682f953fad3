//! [`CausalConv`](super::super::conv::CausalConv) on single frames: one matrix-vector product over the frames it
//! looks at.

use std::sync::Arc;

use super::super::quantised_matrix::QuantisedMatrix;
use super::arithmetic::{add, relu};

/// The layer and the frames before.
#[derive(Debug, Clone)]
pub struct FrameConv {
    /// `[out, kernel * in]`.
    weight: Arc<QuantisedMatrix>,
    bias: Arc<[f32]>,
    dilation: usize,
    relu: bool,
    /// A ring of the frames before, `in` values each.
    rows: Vec<f32>,
    oldest: usize,
    /// What the product takes: the frames `dilation` apart, `[kernel * in]`, and zeros.
    gathered: Vec<f32>,
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
        let (columns, padded) = (weight.columns(), weight.padded_columns());
        Self {
            weight: Arc::new(weight),
            bias: bias.into(),
            dilation,
            relu,
            rows: vec![0.0; (columns - inputs) * dilation],
            oldest: 0,
            gathered: vec![0.0; padded],
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
        self.gather(input);
        let mut output = self.bias.to_vec();
        self.weight.add_product(&self.gathered, &mut output);
        if let Some(shortcut) = shortcut {
            add(&mut output, shortcut);
        }
        if self.relu {
            relu(&mut output);
        }
        output
    }

    /// Puts the frame behind the ones `dilation` apart before it, and keeps it.
    fn gather(&mut self, input: &[f32]) {
        let size = input.len();
        let frames = self.rows.len() / size;
        let row = |frame: usize| frame % frames * size..(frame % frames + 1) * size;
        let before = frames / self.dilation;
        let (past, present) = self.gathered.split_at_mut(before * size);
        for (tap, place) in past.chunks_exact_mut(size).enumerate() {
            place.copy_from_slice(&self.rows[row(self.oldest + tap * self.dilation)]);
        }
        present[..size].copy_from_slice(input);
        if frames > 0 {
            self.rows[row(self.oldest)].copy_from_slice(input);
            self.oldest = (self.oldest + 1) % frames;
        }
    }
}
