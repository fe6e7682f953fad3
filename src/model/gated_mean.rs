//! The recurrence of whole clips in one pass over memory, and its gradient.
//!
//! `y = r ⊙ h` with `h ← h + z ⊙ (c − h)`, see [`Recurrence`](super::recurrence::Recurrence). As tensor operations,
//! some for every frame, it moves more memory: a training update takes a seventh longer.
//!
//! Candidates c and the logits of the gates z and r are rows of `frames` values each, `rows` of them in three parts
//! one after another, clip by clip; outputs are so many rows, clip by clip. A bias belongs to `rows / channels` rows
//! that follow each other.

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use super::recurrence::SMALLEST_UPDATE;
use super::slices::{values, view, view_mut};
use crate::dsp::exp2;

/// How the values lie in memory.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Rows of one part of one clip.
    pub rows: usize,
    pub channels: usize,
    pub frames: usize,
}

impl Layout {
    fn part(&self) -> usize {
        self.rows * self.frames
    }

    /// Candidate's, update gate's and output gate's bias of a row.
    fn biases(&self, bias: &[f32], row: usize) -> [f32; 3] {
        let channel = row * self.channels / self.rows;
        [0, 1, 2].map(|part| bias[part * self.channels + channel])
    }
}

/// Rows worked on together: one frame waits for the one before it, and other rows fill the time.
const TOGETHER: usize = 8;

/// The outputs of `products` without their `bias`, all 32-bit.
pub fn run(products: &Tensor, bias: &Tensor, layout: Layout) -> Tensor {
    let shape = [products.size()[0], layout.rows as i64, layout.frames as i64];
    let mut outputs = Tensor::empty(shape, (Kind::Float, Device::Cpu));
    let bias = values(bias);
    run_slices(view(products), &bias, layout, view_mut(&mut outputs));
    outputs
}

/// From the gradients of the `outputs` to those of the `products`.
pub fn differentiate(products: &Tensor, bias: &Tensor, layout: Layout, outputs: &Tensor) -> Tensor {
    let mut gradients = products.empty_like();
    let bias = values(bias);
    let (products, outputs) = (view(products), view(outputs));
    differentiate_slices(products, &bias, layout, outputs, view_mut(&mut gradients));
    gradients
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2+fma"))]
fn run_slices(products: &[f32], bias: &[f32], layout: Layout, outputs: &mut [f32]) {
    let part = layout.part();
    let mut rows = Rows::new(layout.frames);
    let clips = products.chunks_exact(3 * part);
    for (products, outputs) in clips.zip(outputs.chunks_exact_mut(part)) {
        for (n, outputs) in outputs.chunks_mut(TOGETHER * layout.frames).enumerate() {
            rows.load(products, bias, layout, n * TOGETHER, outputs.len());
            rows.remember();
            let values = rows.open.iter().zip(&rows.states);
            for (out, (open, state)) in outputs.iter_mut().zip(values) {
                *out = open * state;
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2+fma"))]
fn differentiate_slices(
    products: &[f32],
    bias: &[f32],
    layout: Layout,
    outputs: &[f32],
    gradients: &mut [f32],
) {
    let (part, together) = (layout.part(), TOGETHER * layout.frames);
    let mut rows = Rows::new(layout.frames);
    let clips = products
        .chunks_exact(3 * part)
        .zip(outputs.chunks_exact(part));
    for ((products, outputs), gradients) in clips.zip(gradients.chunks_exact_mut(3 * part)) {
        let (candidates, gates) = gradients.split_at_mut(part);
        let (updates, opens) = gates.split_at_mut(part);
        let parts = outputs
            .chunks(together)
            .zip(candidates.chunks_mut(together))
            .zip(updates.chunks_mut(together))
            .zip(opens.chunks_mut(together));
        for (n, (((outputs, candidates), updates), opens)) in parts.enumerate() {
            rows.load(products, bias, layout, n * TOGETHER, outputs.len());
            rows.remember();
            rows.differentiate(outputs, candidates, updates, opens);
        }
    }
}

/// Some rows at work, one after another.
struct Rows {
    frames: usize,
    /// c.
    candidates: Vec<f32>,
    /// z before [`SMALLEST_UPDATE`].
    updates: Vec<f32>,
    /// 1 − z, after it.
    kept: Vec<f32>,
    /// r.
    open: Vec<f32>,
    /// h.
    states: Vec<f32>,
    /// Gradients of h.
    slopes: Vec<f32>,
}

impl Rows {
    fn new(frames: usize) -> Self {
        let values = || Vec::with_capacity(TOGETHER * frames);
        Self {
            frames,
            candidates: values(),
            updates: values(),
            kept: values(),
            open: values(),
            states: values(),
            slopes: values(),
        }
    }

    /// The rows from the `first` on, `len` values of each part.
    #[inline(always)]
    fn load(&mut self, products: &[f32], bias: &[f32], layout: Layout, first: usize, len: usize) {
        let part = layout.part();
        let start = first * self.frames;
        let values = |of: usize| products[of * part + start..][..len].chunks_exact(layout.frames);
        let biases = |n: usize| layout.biases(bias, first + n);
        self.candidates.clear();
        for (n, row) in values(0).enumerate() {
            let bias = biases(n)[0];
            self.candidates.extend(row.iter().map(|x| x + bias));
        }
        self.updates.clear();
        for (n, row) in values(1).enumerate() {
            let bias = biases(n)[1];
            self.updates.extend(row.iter().map(|x| sigmoid(x + bias)));
        }
        self.open.clear();
        for (n, row) in values(2).enumerate() {
            let bias = biases(n)[2];
            self.open.extend(row.iter().map(|x| sigmoid(x + bias)));
        }
        self.kept.clear();
        let kept = self.updates.iter().map(|z| 1.0 - z.max(SMALLEST_UPDATE));
        self.kept.extend(kept);
        self.slopes.resize(len, 0.0);
        self.states.resize(len, 0.0);
    }

    #[inline(always)]
    fn remember(&mut self) {
        let gained = self.candidates.iter().zip(&self.kept);
        for (state, (candidate, kept)) in self.states.iter_mut().zip(gained) {
            *state = (1.0 - kept) * candidate;
        }
        let len = self.states.len();
        for frame in 1..self.frames {
            for n in (frame..len).step_by(self.frames) {
                self.states[n] += self.kept[n] * self.states[n - 1];
            }
        }
    }

    #[inline(always)]
    fn differentiate(
        &mut self,
        outputs: &[f32],
        candidates: &mut [f32],
        updates: &mut [f32],
        opens: &mut [f32],
    ) {
        let heard = outputs.iter().zip(&self.open);
        for (slope, (output, open)) in self.slopes.iter_mut().zip(heard) {
            *slope = output * open;
        }
        let len = self.slopes.len();
        for frame in (1..self.frames).rev() {
            for n in (frame..len).step_by(self.frames) {
                self.slopes[n - 1] += self.kept[n] * self.slopes[n];
            }
        }
        for (out, (slope, kept)) in candidates
            .iter_mut()
            .zip(self.slopes.iter().zip(&self.kept))
        {
            *out = slope * (1.0 - kept);
        }
        let gates = outputs.iter().zip(&self.states).zip(&self.open);
        for (out, ((output, state), open)) in opens.iter_mut().zip(gates) {
            *out = output * state * open * (1.0 - open);
        }
        for (slope, update) in self.slopes.iter_mut().zip(&self.updates) {
            *slope *= change(*update);
        }
        // Before the first frame of a row nothing is remembered.
        let rows = updates
            .chunks_exact_mut(self.frames)
            .zip(self.slopes.chunks_exact(self.frames))
            .zip(self.candidates.chunks_exact(self.frames))
            .zip(self.states.chunks_exact(self.frames));
        for (((row, slopes), candidates), states) in rows {
            row[0] = slopes[0] * candidates[0];
            let later = slopes.iter().zip(candidates).skip(1).zip(states);
            for (out, ((slope, candidate), before)) in row[1..].iter_mut().zip(later) {
                *out = slope * (candidate - before);
            }
        }
    }
}

/// How the update gate changes with its logit: not at all where [`SMALLEST_UPDATE`] holds it.
#[inline(always)]
fn change(update: f32) -> f32 {
    if update >= SMALLEST_UPDATE {
        update * (1.0 - update)
    } else {
        0.0
    }
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp2(-x.clamp(-80.0, 80.0) * std::f32::consts::LOG2_E))
}
