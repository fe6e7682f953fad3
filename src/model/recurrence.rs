//! Memory beyond the receptive field of convolutions: a gated running mean of each channel.
//!
//! The Simple Recurrent Unit (Lei et al., "Simple Recurrent Units for Highly Parallelizable Recurrence", 2018) in its
//! smallest form: gates look at the current frame alone, so that all products of a clip are one matrix product, and
//! what is left of the recurrence costs next to nothing. As on convolutions, a stream's single frames run on plain
//! slices.

use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};

use super::frame::{FrameBandConv, FrameConv, FrameRecurrence};
use super::gated_mean::{self, Layout};
use super::quantised_matrix::QuantisedMatrix;
use super::slices::{values, view, view_mut};
use super::tape::Tape;

/// Shortest and longest memory at the start of training, in frames.
const MEMORY_FRAMES: [f64; 2] = [2.0, 100.0];
/// Smallest update: no memory fades more slowly than in five seconds, so that no stream drifts.
pub const SMALLEST_UPDATE: f32 = 1.0 / 500.0;

/// `x + r ⊙ h` with `h ← h + z ⊙ (c − h)`; `[batch, channels, frames]` to the same.
#[derive(Debug)]
pub struct Recurrence {
    /// Candidates c, update gates z and output gates r: `[3 * channels, channels]`.
    weight: Tensor,
    /// `[3 * channels]`.
    bias: Tensor,
    channels: i64,
}

/// What a recurrence remembers: `[batch, channels]`.
#[derive(Debug)]
pub struct Memory(Tensor);

impl Memory {
    /// Forgets everything.
    pub fn reset(&mut self) {
        let _ = self.0.zero_();
    }
}

impl Recurrence {
    /// Fresh weights, with memories of all lengths.
    pub fn new(path: nn::Path, channels: i64) -> Self {
        let stdev = 1.0 / (channels as f64).sqrt();
        let weight = path.var(
            "weight",
            &[3 * channels, channels],
            Init::Randn { mean: 0.0, stdev },
        );
        let bias = path.var("bias", &[3 * channels], Init::Const(0.0));
        let [short, long] = MEMORY_FRAMES;
        let logits: Vec<f32> = (0..channels)
            .map(|channel| {
                let share = channel as f64 / (channels - 1).max(1) as f64;
                let frames = short * (long / short).powf(share);
                -(frames - 1.0).ln() as f32
            })
            .collect();
        tch::no_grad(|| {
            bias.narrow(0, channels, channels)
                .copy_(&Tensor::from_slice(&logits));
        });
        Self {
            weight,
            bias,
            channels,
        }
    }

    /// The recurrence on single frames.
    pub fn frames(&self) -> FrameRecurrence {
        let channels = self.channels as usize;
        let matrix = QuantisedMatrix::new(&self.weight);
        let products = FrameConv::new(matrix, values(&self.bias), channels, 1, false);
        FrameRecurrence::new(products, channels)
    }

    /// [`Self::forward_bands`] on single frames of so many `bands`.
    pub fn frames_at_bands(&self, bands: usize) -> FrameRecurrence {
        let channels = self.channels as usize;
        let (weight, bias) = (values(&self.weight), values(&self.bias));
        let products = FrameBandConv::new(&weight, [3 * channels, channels, 1, 1], bias, bands);
        FrameRecurrence::at_bands(products, channels * bands)
    }

    /// Nothing remembered yet, for `batch` clips or streams.
    pub fn memory(&self, batch: i64) -> Memory {
        let options = (Kind::Float, self.weight.device());
        Memory(Tensor::zeros([batch, self.channels], options))
    }

    /// The next frames, in the precision of `input`; what is remembered is always 32-bit.
    pub fn forward(&self, input: &Tensor, memory: &mut Memory) -> Tensor {
        let remembered = self.remember(&input.permute([2, 0, 1]), memory);
        input + remembered.permute([1, 2, 0]).to_kind(input.kind())
    }

    /// [`Self::forward`] at every band by itself, with the same weights: `[batch, channels, bands, frames]` to the
    /// same, with a memory for `batch * bands`.
    pub fn forward_bands(&self, input: &Tensor, memory: &mut Memory) -> Tensor {
        let rows = input.permute([3, 0, 2, 1]);
        let remembered = self.remember(&rows.flatten(1, 2), memory).view_as(&rows);
        input + remembered.permute([1, 3, 2, 0]).to_kind(input.kind())
    }

    /// Whole clips `[batch, channels, frames]`, or `[batch, channels, bands, frames]` at every band by itself, from
    /// nothing remembered.
    pub fn clip(&self, input: &Tensor, tape: &mut Tape) -> Tensor {
        if input.device() == Device::Cpu {
            return self.clip_in_one_pass(input, tape);
        }
        let size = input.size();
        match size[..] {
            [batch, _, bands, _] => self.forward_bands(input, &mut self.memory(batch * bands)),
            _ => self.forward(input, &mut self.memory(size[0])),
        }
    }

    /// [`Self::clip`] outside of libtorch's graph.
    fn clip_in_one_pass(&self, input: &Tensor, tape: &mut Tape) -> Tensor {
        let (size, kind) = (input.size(), input.kind());
        let channels = self.channels as usize;
        let frames = size[size.len() - 1] as usize;
        let layout = Layout {
            rows: input.numel() / (size[0] as usize * frames),
            channels,
            frames,
        };
        let (output, products, rows) = tch::no_grad(|| {
            // [batch, channels, bands * frames]
            let rows = input.detach().view([size[0], self.channels, -1]);
            let products = self.weight.to_kind(kind).matmul(&rows);
            let mut gated = Tensor::empty(&size, (Kind::Float, Device::Cpu));
            let bias = values(&self.bias);
            let plain = products.to_kind(Kind::Float);
            gated_mean::run(view(&plain), &bias, layout, view_mut(&mut gated));
            (input + gated.to_kind(kind), products, rows)
        });
        let (weight, bias) = (self.weight.shallow_clone(), self.bias.shallow_clone());
        let inputs = [input, &self.weight, &self.bias];
        tape.cut(&inputs, &output, move |gradient| {
            let products = products.to_kind(Kind::Float);
            let outputs = gradient.to_kind(Kind::Float).contiguous();
            let mut by_products = products.empty_like();
            gated_mean::differentiate(
                view(&products),
                &values(&bias),
                layout,
                view(&outputs),
                view_mut(&mut by_products),
            );
            let sums =
                |tensor: &Tensor, dims: &[i64]| tensor.sum_dim_intlist(dims, false, Kind::Float);
            let by_bias = sums(&by_products, &[0, 2]);
            let by_products = by_products.to_kind(kind);
            let through = weight.to_kind(kind).tr().matmul(&by_products);
            let by_weight = sums(&by_products.matmul(&rows.transpose(1, 2)), &[0]);
            vec![gradient + through.view_as(gradient), by_weight, by_bias]
        })
    }

    /// r ⊙ h `[frames, rows, channels]` of as many `rows`, each with a memory of its own. Frames come first
    /// so that all products of a clip are one.
    fn remember(&self, rows: &Tensor, memory: &mut Memory) -> Tensor {
        let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(rows.kind()));
        let products = rows.linear(&weight, Some(&bias)).to_kind(Kind::Float);
        // Split, not narrowed: the gradient of a split is one tensor, not three full of zeros.
        let parts = products.chunk(3, 2);
        let updates = parts[1].sigmoid().clamp_min(f64::from(SMALLEST_UPDATE));
        let outputs = parts[2].sigmoid();
        // What can be done for all frames at once is not done for each: a step and its gradient are three products.
        let gained = &updates * &parts[0];
        let kept: Tensor = 1.0 - updates;
        let states: Vec<Tensor> = gained
            .unbind(0)
            .iter()
            .zip(kept.unbind(0))
            .map(|(gained, kept)| {
                memory.0 = gained.addcmul(&kept, &memory.0);
                memory.0.shallow_clone()
            })
            .collect();
        Tensor::stack(&states, 0) * outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways through whole clips give the same, and the same gradients.
    #[test]
    fn one_pass_has_the_values_and_gradients_of_the_definition() {
        tch::manual_seed(5);
        let store = nn::VarStore::new(Device::Cpu);
        let recurrence = Recurrence::new(store.root(), 6);
        // Some of the gates so far shut that the smallest update holds.
        let _ = tch::no_grad(|| recurrence.bias.narrow(0, 6, 2).fill_(-9.0));
        let options = (Kind::Float, Device::Cpu);
        for size in [vec![2, 6, 40], vec![2, 6, 3, 40]] {
            let importance = Tensor::randn(&size, options);
            let values = Tensor::randn(&size, options);
            let mut found = Vec::new();
            for in_one_pass in [false, true] {
                let input = values.copy().set_requires_grad(true);
                let mut tape = Tape::recording();
                let output = match size[..] {
                    _ if in_one_pass => recurrence.clip(&input, &mut tape),
                    [batch, _, bands, _] => {
                        recurrence.forward_bands(&input, &mut recurrence.memory(batch * bands))
                    }
                    _ => recurrence.forward(&input, &mut recurrence.memory(size[0])),
                };
                tape.backward(&(&output * &importance).sum(Kind::Float));
                let variables = [&recurrence.weight, &recurrence.bias];
                let mut all = vec![output.detach(), input.grad().copy()];
                for variable in variables {
                    all.push(variable.grad().copy());
                    variable.shallow_clone().zero_grad();
                }
                found.push(all);
            }
            for (expected, found) in found[0].iter().zip(&found[1]) {
                let scale = expected.abs().max().double_value(&[]);
                let error = (expected - found).abs().max().double_value(&[]);
                assert!(error < 1e-5 * scale, "{size:?}: {error} of {scale}");
            }
        }
    }
}
