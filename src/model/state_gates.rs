//! A recurrence whose gates see what it remembers, over whole clips in one pass, and its gradient.
//!
//! `y = r ⊙ h` with `h ← h + z ⊙ (c − h)` as in [`gated_mean`](super::gated_mean), but to the logits of the gates z and r the
//! product of a matrix with h is added: from frame to frame, so that it cannot be one product for all frames. As
//! tensor operations that takes several times as long.
//!
//! Values are `[frames, rows, …]`, a row being one clip, or one band of it; products are candidates c and the logits of
//! z and r, without what h adds.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use tch::{Kind, Tensor};

use super::gated_mean::sigmoid;
use super::recurrence::SMALLEST_UPDATE;
use super::slices::{view, view_mut};

/// Rows, and values of a row's product, that are summed up together in registers.
const ROWS: usize = 4;
const COLUMNS: usize = 32;

/// What one pass leaves for its gradient: `[frames, rows, channels]` each, 32-bit.
#[derive(Debug)]
pub struct Trace {
    /// z before [`SMALLEST_UPDATE`].
    pub updates: Tensor,
    /// r.
    pub open: Tensor,
    /// h after each frame.
    pub states: Tensor,
}

impl Trace {
    /// For these products.
    pub fn new(products: &Tensor) -> Self {
        let size = products.size();
        let shape = [size[0], size[1], size[2] / 3];
        let values = || Tensor::empty(shape, (Kind::Float, products.device()));
        Self {
            updates: values(),
            open: values(),
            states: values(),
        }
    }
}

/// The outputs `[frames, rows, channels]` of `products` `[frames, rows, 3 * channels]`; `state` is
/// `[2 * channels, channels]`.
pub fn run(products: &Tensor, state: &Tensor) -> (Tensor, Trace) {
    let mut trace = Trace::new(products);
    let mut outputs = trace.states.empty_like();
    let values = [
        view_mut(&mut trace.updates),
        view_mut(&mut trace.open),
        view_mut(&mut trace.states),
        view_mut(&mut outputs),
    ];
    let state = state.tr().contiguous();
    run_slices(view(products), view(&state), sizes(products), values);
    (outputs, trace)
}

/// From the gradients of the `outputs` to those of the products, the same as those of what h adds to them.
pub fn differentiate(products: &Tensor, state: &Tensor, trace: &Trace, outputs: &Tensor) -> Tensor {
    let mut gradients = products.empty_like();
    let traced = [&trace.updates, &trace.open, &trace.states, outputs].map(view);
    let state = state.contiguous();
    differentiate_slices(
        view(products),
        view(&state),
        sizes(products),
        traced,
        view_mut(&mut gradients),
    );
    gradients
}

/// Rows and channels.
fn sizes(products: &Tensor) -> [usize; 2] {
    let size = products.size();
    [size[1], size[2] / 3].map(|size| size as usize)
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2+fma"))]
fn run_slices(
    products: &[f32],
    state: &[f32],
    [rows, channels]: [usize; 2],
    [all_updates, all_open, states, outputs]: [&mut [f32]; 4],
) {
    let fused = target_cfg_f!(target_feature = "fma");
    let frame = rows * channels;
    let mut before = vec![0f32; frame];
    let mut seen = vec![0f32; 2 * frame];
    for (n, products) in products.chunks_exact(3 * frame).enumerate() {
        multiply(
            &before,
            [channels, 0],
            state,
            [channels, 2 * channels],
            &mut seen,
            fused,
        );
        let here = n * frame..(n + 1) * frame;
        let rows = products
            .chunks_exact(3 * channels)
            .zip(seen.chunks_exact(2 * channels))
            .zip(before.chunks_exact_mut(channels))
            .zip(all_updates[here.clone()].chunks_exact_mut(channels))
            .zip(all_open[here.clone()].chunks_exact_mut(channels));
        for ((((products, seen), before), updates), open) in rows {
            let (candidates, gates) = products.split_at(channels);
            for i in 0..channels {
                updates[i] = sigmoid(gates[i] + seen[i]);
                open[i] = sigmoid(gates[channels + i] + seen[channels + i]);
                before[i] += updates[i].max(SMALLEST_UPDATE) * (candidates[i] - before[i]);
            }
        }
        states[here.clone()].copy_from_slice(&before);
        let heard = all_open[here.clone()].iter().zip(&before);
        for (out, (open, state)) in outputs[here].iter_mut().zip(heard) {
            *out = open * state;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2+fma"))]
fn differentiate_slices(
    products: &[f32],
    state: &[f32],
    [rows, channels]: [usize; 2],
    [all_updates, all_open, all_states, outputs]: [&[f32]; 4],
    gradients: &mut [f32],
) {
    let fused = target_cfg_f!(target_feature = "fma");
    let frame = rows * channels;
    let nothing = vec![0f32; frame];
    // Gradients of h after the frame at hand, and what they get through the gates of the next.
    let mut slopes = vec![0f32; frame];
    let mut through = vec![0f32; frame];
    let frames = outputs.len() / frame;
    for n in (0..frames).rev() {
        let here = n * frame..(n + 1) * frame;
        let before = match n {
            0 => &nothing,
            _ => &all_states[(n - 1) * frame..n * frame],
        };
        let wide = 3 * here.start..3 * here.end;
        let rows = gradients[wide.clone()]
            .chunks_exact_mut(3 * channels)
            .zip(products[wide.clone()].chunks_exact(3 * channels))
            .zip(slopes.chunks_exact_mut(channels))
            .enumerate();
        for (row, ((gradients, products), slopes)) in rows {
            let at = here.start + row * channels;
            let [updates, open, states, outputs] = [all_updates, all_open, all_states, outputs]
                .map(|values| &values[at..at + channels]);
            let before = &before[row * channels..][..channels];
            let through = &through[row * channels..][..channels];
            let (by_candidates, by_gates) = gradients.split_at_mut(channels);
            let (by_updates, by_open) = by_gates.split_at_mut(channels);
            for i in 0..channels {
                let slope = slopes[i] + through[i] + outputs[i] * open[i];
                let update = updates[i].max(SMALLEST_UPDATE);
                let is_free = updates[i] >= SMALLEST_UPDATE;
                let change = if is_free {
                    update * (1.0 - update)
                } else {
                    0.0
                };
                by_candidates[i] = slope * update;
                by_updates[i] = slope * (products[i] - before[i]) * change;
                by_open[i] = outputs[i] * states[i] * open[i] * (1.0 - open[i]);
                slopes[i] = slope * (1.0 - update);
            }
        }
        let gates = &gradients[wide];
        multiply(
            gates,
            [3 * channels, channels],
            state,
            [2 * channels, channels],
            &mut through,
            fused,
        );
    }
}

/// `products` `[rows, columns]` of the rows of `x` and `matrix` `[inputs, columns]`; a row of `x` begins every `stride`
/// values, at `offset`.
#[inline(always)]
fn multiply(
    x: &[f32],
    [stride, offset]: [usize; 2],
    matrix: &[f32],
    [inputs, columns]: [usize; 2],
    products: &mut [f32],
    fused: bool,
) {
    let rows = x
        .chunks(ROWS * stride)
        .zip(products.chunks_mut(ROWS * columns));
    for (x, products) in rows {
        let x: [&[f32]; ROWS] = std::array::from_fn(|row| {
            // Missing rows are multiplied, too, and not kept.
            let row = if row * stride < x.len() { row } else { 0 };
            &x[row * stride + offset..][..inputs]
        });
        for first in (0..columns).step_by(COLUMNS) {
            let count = COLUMNS.min(columns - first);
            let mut sums = [[0f32; COLUMNS]; ROWS];
            for (k, weights) in matrix.chunks_exact(columns).enumerate() {
                let weights = &weights[first..first + count];
                for (sums, x) in sums.iter_mut().zip(&x) {
                    if let Ok(weights) = <&[f32; COLUMNS]>::try_from(weights) {
                        add_scaled(sums, x[k], weights, fused);
                    } else {
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum += x[k] * weight;
                        }
                    }
                }
            }
            for (products, sums) in products.chunks_exact_mut(columns).zip(&sums) {
                products[first..first + count].copy_from_slice(&sums[..count]);
            }
        }
    }
}

#[inline(always)]
fn add_scaled(sums: &mut [f32; COLUMNS], x: f32, weights: &[f32; COLUMNS], fused: bool) {
    for (sum, weight) in sums.iter_mut().zip(weights) {
        // Without the instruction, a fused product is a slow function.
        *sum = if fused {
            weight.mul_add(x, *sum)
        } else {
            *sum + weight * x
        };
    }
}
