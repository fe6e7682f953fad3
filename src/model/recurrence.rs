//! Memory beyond the receptive field of convolutions: a gated running mean of each channel.
//!
//! The Simple Recurrent Unit (Lei et al., "Simple Recurrent Units for Highly Parallelizable Recurrence", 2018) in its
//! smallest form: gates look at the current frame alone, so that all products of a clip are one matrix product, and
//! what is left of the recurrence costs next to nothing. The gates may see what is remembered, too, as in a GRU (Cho et
//! al., 2014): then whether something matters can depend on what came before. As on convolutions, a stream's single
//! frames run on plain slices.

use tch::nn::{self, Init};
use tch::{Kind, Tensor};

use super::frame::{FrameBandConv, FrameConv, FrameRecurrence};
use super::gated_mean::Layout;
use super::quantised_matrix::QuantisedMatrix;
use super::recurrence_engine::Engine;
use super::slices::values;
use super::tape::Tape;

/// Shortest and longest memory at the start of training, in frames.
const MEMORY_FRAMES: [f64; 2] = [2.0, 100.0];
/// Smallest update: no memory fades more slowly than in five seconds, so that no stream drifts.
pub const SMALLEST_UPDATE: f32 = 1.0 / 500.0;
/// Name of the matrix through which gates see what is remembered.
pub const STATE: &str = "state";

/// The part of a recurrence's weights or biases that candidates come from; without it nothing is ever remembered.
pub fn candidates(weights: &Tensor) -> Tensor {
    weights.narrow(0, 0, weights.size()[0] / 3)
}

/// `x + r ⊙ h` with `h ← h + z ⊙ (c − h)`; `[batch, channels, frames]` to the same.
#[derive(Debug)]
pub struct Recurrence {
    /// Candidates c, update gates z and output gates r: `[3 * channels, channels]`.
    weight: Tensor,
    /// `[3 * channels]`.
    bias: Tensor,
    /// What h adds to the gates: `[2 * channels, channels]`.
    state: Option<Tensor>,
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
    /// Fresh weights, with memories of all lengths; with `state_gates`, gates see what is remembered, though nothing of
    /// it at first.
    pub fn new(path: nn::Path, channels: i64, state_gates: bool) -> Self {
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
            state: state_gates
                .then(|| path.var(STATE, &[2 * channels, channels], Init::Const(0.0))),
            channels,
        }
    }

    /// The recurrence on single frames.
    pub fn frames(&self) -> FrameRecurrence {
        let channels = self.channels as usize;
        let product = |weight: &Tensor, bias| {
            FrameConv::new(QuantisedMatrix::new(weight), bias, channels, 1, false)
        };
        let products = product(&self.weight, values(&self.bias));
        let state = self.state.as_ref();
        let state = state.map(|state| product(state, vec![0.0; 2 * channels]));
        FrameRecurrence::new(products, state, channels)
    }

    /// [`Self::forward_bands`] on single frames of so many `bands`.
    pub fn frames_at_bands(&self, bands: usize) -> FrameRecurrence {
        let channels = self.channels as usize;
        let product = |weight: &Tensor, bias: Vec<f32>| {
            let shape = [bias.len(), channels, 1, 1];
            FrameBandConv::new(&values(weight), shape, bias, bands)
        };
        let products = product(&self.weight, values(&self.bias));
        let state = self.state.as_ref();
        let state = state.map(|state| product(state, vec![0.0; 2 * channels]));
        FrameRecurrence::at_bands(products, state, channels * bands)
    }

    /// Nothing remembered yet, for `batch` clips or streams.
    pub fn memory(&self, batch: i64) -> Memory {
        let options = (Kind::Float, self.weight.device());
        Memory(Tensor::zeros([batch, self.channels], options))
    }

    /// The next frames `[batch, channels, frames]`, in the precision of `input`; what is remembered is always 32-bit.
    /// Or those of every band by itself, with the same weights: `[batch, channels, bands, frames]`, with a memory for
    /// `batch * bands`.
    pub fn forward(&self, input: &Tensor, memory: &mut Memory) -> Tensor {
        let remembered = self.remember(&frames_first(input), memory);
        input + frames_last(&remembered, input)
    }

    /// Whole clips, as in [`Self::forward`], from nothing remembered.
    pub fn clip(&self, input: &Tensor, tape: &mut Tape) -> Tensor {
        let channels = self.channels as usize;
        let engine = Engine::of(input, self.state.is_some().then_some(channels));
        match (engine, &self.state) {
            (Some(engine), Some(state)) => self.clip_with_state(engine, state, input, tape),
            (Some(engine), None) => self.clip_in_one_pass(engine, input, tape),
            (None, _) => self.forward(input, &mut self.memory(rows(input))),
        }
    }

    /// [`Self::clip`] outside of libtorch's graph.
    fn clip_in_one_pass(&self, engine: Engine, input: &Tensor, tape: &mut Tape) -> Tensor {
        let (size, kind) = (input.size(), input.kind());
        let frames = size[size.len() - 1] as usize;
        let layout = Layout {
            rows: input.numel() / (size[0] as usize * frames),
            channels: self.channels as usize,
            frames,
        };
        let (output, products, states, rows) = tch::no_grad(|| {
            // [batch, channels, bands * frames]
            let rows = input.detach().reshape([size[0], self.channels, -1]);
            let products = self.weight.to_kind(kind).matmul(&rows);
            let (gated, states) = engine.gated_mean(&products, &self.bias, layout);
            (input + gated.view_as(input), products, states, rows)
        });
        let (weight, bias) = (self.weight.shallow_clone(), self.bias.shallow_clone());
        let inputs = [input, &self.weight, &self.bias];
        tape.cut(&inputs, &output, move |gradient| {
            let outputs = gradient.contiguous();
            let by_products =
                engine.gated_mean_gradient(&products, &bias, layout, states.as_ref(), &outputs);
            let sums =
                |tensor: &Tensor, dims: &[i64]| tensor.sum_dim_intlist(dims, false, Kind::Float);
            let by_bias = sums(&by_products, &[0, 2]);
            let by_products = by_products.to_kind(kind);
            let through = weight.to_kind(kind).tr().matmul(&by_products);
            let by_weight = sums(&by_products.matmul(&rows.transpose(1, 2)), &[0]);
            vec![gradient + through.view_as(gradient), by_weight, by_bias]
        })
    }

    /// [`Self::clip`] outside of libtorch's graph, with gates that see the `state`.
    fn clip_with_state(
        &self,
        engine: Engine,
        state: &Tensor,
        input: &Tensor,
        tape: &mut Tape,
    ) -> Tensor {
        let kind = input.kind();
        let detached = state.detach();
        let (output, rows, products, trace) = tch::no_grad(|| {
            let rows = frames_first(&input.detach()).contiguous();
            let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(kind));
            let products = rows.linear(&weight, Some(&bias));
            let (gated, trace) = engine.state_gates(&products, &detached);
            let output = input + frames_last(&gated, input);
            (output, rows, products, trace)
        });
        let weight = self.weight.shallow_clone();
        let inputs = [input, &self.weight, &self.bias, state];
        tape.cut(&inputs, &output, move |gradient| {
            let outputs = frames_first(gradient).contiguous();
            let by_products = engine.state_gates_gradient(&products, &detached, &trace, &outputs);
            let width = outputs.size()[2];
            let gates = by_products.narrow(2, width, 2 * width).flatten(0, 1);
            // Before the first frame nothing is remembered.
            let before = trace.states.constant_pad_nd([0, 0, 0, 0, 1, -1]);
            let by_state = gates
                .to_kind(Kind::Float)
                .tr()
                .matmul(&before.flatten(0, 1));
            let by_bias = by_products.sum_dim_intlist([0, 1].as_slice(), false, Kind::Float);
            let by_products = by_products.to_kind(kind);
            let through = frames_last(&by_products.matmul(&weight.to_kind(kind)), gradient);
            let by_products = by_products.flatten(0, 1);
            let by_weight = by_products
                .tr()
                .matmul(&rows.flatten(0, 1))
                .to_kind(Kind::Float);
            vec![gradient + through, by_weight, by_bias, by_state]
        })
    }

    /// r ⊙ h `[frames, rows, channels]` of as many `rows`, each with a memory of its own.
    fn remember(&self, rows: &Tensor, memory: &mut Memory) -> Tensor {
        let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(rows.kind()));
        let products = rows.linear(&weight, Some(&bias)).to_kind(Kind::Float);
        if let Some(state) = &self.state {
            return self.remember_with(state, &products, memory);
        }
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

    /// [`Self::remember`] with gates that see the `state`.
    fn remember_with(&self, state: &Tensor, products: &Tensor, memory: &mut Memory) -> Tensor {
        let frames = products.unbind(0).into_iter().map(|products| {
            let parts = products.split_with_sizes([self.channels, 2 * self.channels], 1);
            let gates = (&parts[1] + memory.0.matmul(&state.tr()))
                .sigmoid()
                .chunk(2, 1);
            let updates = gates[0].clamp_min(f64::from(SMALLEST_UPDATE));
            memory.0 = &memory.0 + updates * (&parts[0] - &memory.0);
            &gates[1] * &memory.0
        });
        Tensor::stack(&frames.collect::<Vec<_>>(), 0)
    }
}

/// Clips, or bands of all clips, with a memory of their own.
fn rows(x: &Tensor) -> i64 {
    match x.size()[..] {
        [batch, _, bands, _] => batch * bands,
        _ => x.size()[0],
    }
}

/// `[batch, channels, frames]` or `[batch, channels, bands, frames]` as `[frames, rows, channels]`, a row for each band
/// of each clip: so that all products of a clip are one.
fn frames_first(x: &Tensor) -> Tensor {
    match x.dim() {
        3 => x.permute([2, 0, 1]),
        _ => x.permute([3, 0, 2, 1]).flatten(1, 2),
    }
}

/// The reverse of [`frames_first`], in shape and kind of `like`.
fn frames_last(rows: &Tensor, like: &Tensor) -> Tensor {
    let (size, kind) = (like.size(), like.kind());
    let (batch, channels, frames) = (size[0], size[1], size[size.len() - 1]);
    rows.view([frames, batch, -1, channels])
        .permute([1, 3, 2, 0])
        .reshape(size)
        .to_kind(kind)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Both ways through whole clips give the same, and the same gradients.
    fn one_pass_has_the_values_and_gradients_of_the_definition(device: Device) {
        tch::manual_seed(5);
        let store = nn::VarStore::new(device);
        let options = (Kind::Float, device);
        let plain = Recurrence::new(store.root() / "plain", 6, false);
        let seeing = Recurrence::new(store.root() / "seeing", 6, true);
        for recurrence in [&plain, &seeing] {
            // Some of the gates so far shut that the smallest update holds.
            let _ = tch::no_grad(|| recurrence.bias.narrow(0, 6, 2).fill_(-9.0));
        }
        if let Some(state) = &seeing.state {
            // On a GPU it is rounded to 16 bits.
            let values = Tensor::randn([12, 6], options).to_kind(Kind::Half);
            tch::no_grad(|| state.shallow_clone().copy_(&values));
        }
        let cases = [
            (&plain, vec![2, 6, 40]),
            (&plain, vec![2, 6, 3, 70]),
            (&seeing, vec![5, 6, 40]),
            (&seeing, vec![2, 6, 3, 40]),
        ];
        for (recurrence, size) in cases {
            let importance = Tensor::randn(&size, options);
            let values = Tensor::randn(&size, options);
            let mut found = Vec::new();
            for in_one_pass in [false, true] {
                let input = values.copy().set_requires_grad(true);
                let mut tape = Tape::recording();
                let output = if in_one_pass {
                    recurrence.clip(&input, &mut tape)
                } else {
                    recurrence.forward(&input, &mut recurrence.memory(rows(&input)))
                };
                tape.backward(&(&output * &importance).sum(Kind::Float));
                let variables = [&recurrence.weight, &recurrence.bias];
                let mut all = vec![output.detach(), input.grad().copy()];
                for variable in variables.into_iter().chain(&recurrence.state) {
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

    #[test]
    fn one_pass_on_the_processor_is_the_definition() {
        one_pass_has_the_values_and_gradients_of_the_definition(Device::Cpu);
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs an NVIDIA GPU and a CUDA libtorch"]
    fn one_pass_on_a_gpu_is_the_definition() {
        let activations = Tensor::zeros([1], (Kind::Float, Device::Cuda(0)));
        assert!(super::super::kernels::Kernels::of(&activations).is_some());
        one_pass_has_the_values_and_gradients_of_the_definition(Device::Cuda(0));
    }
}
