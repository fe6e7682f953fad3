//! Memory beyond the receptive field of convolutions: a gated running mean of each channel.
//!
//! The Simple Recurrent Unit (Lei et al., "Simple Recurrent Units for Highly Parallelizable Recurrence", 2018) in its
//! smallest form: gates look at the current frame alone, so that all products of a clip are one matrix product, and
//! what is left of the recurrence costs next to nothing. As on convolutions, a stream's single frames run on plain
//! slices.

use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};

use super::slices::{values, values_mut};

/// Shortest and longest memory at the start of training, in frames.
const MEMORY_FRAMES: [f64; 2] = [2.0, 100.0];
/// Smallest update: no memory fades more slowly than in five seconds, so that no stream drifts.
const SMALLEST_UPDATE: f32 = 1.0 / 500.0;

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

    /// Nothing remembered yet, for `batch` clips or streams.
    pub fn memory(&self, batch: i64) -> Memory {
        let options = (Kind::Float, self.weight.device());
        Memory(Tensor::zeros([batch, self.channels], options))
    }

    /// The next frames, in the precision of `input`; what is remembered is always 32-bit.
    pub fn forward(&self, input: &Tensor, memory: &mut Memory) -> Tensor {
        if input.size()[0] == 1 && input.size()[2] == 1 && input.device() == Device::Cpu {
            return self.step(input, memory);
        }
        let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(input.kind()));
        // Frames first: each one's channels lie together.
        let products = input
            .permute([2, 0, 1])
            .linear(&weight, Some(&bias))
            .to_kind(Kind::Float);
        let parts = products.chunk(3, 2);
        let updates = parts[1].sigmoid().clamp_min(f64::from(SMALLEST_UPDATE));
        let (candidates, outputs) = (&parts[0], parts[2].sigmoid());
        let states: Vec<Tensor> = candidates
            .unbind(0)
            .iter()
            .zip(updates.unbind(0))
            .map(|(candidate, update)| {
                memory.0 = memory.0.lerp_tensor(candidate, &update);
                memory.0.shallow_clone()
            })
            .collect();
        let remembered = Tensor::stack(&states, 0) * outputs;
        input + remembered.permute([1, 2, 0]).to_kind(input.kind())
    }

    /// One frame `[1, channels, 1]` of a stream.
    fn step(&self, input: &Tensor, memory: &mut Memory) -> Tensor {
        let products = self.bias.addmv(&self.weight, &input.view([-1]));
        let channels = self.channels as usize;
        let (candidates, gates) = values(&products).split_at(channels);
        let (updates, outputs) = gates.split_at(channels);
        let mut output = input.copy();
        let places = values_mut(&mut output)
            .iter_mut()
            .zip(values_mut(&mut memory.0));
        for (i, (output, state)) in places.enumerate() {
            let update = sigmoid(updates[i]).max(SMALLEST_UPDATE);
            *state += update * (candidates[i] - *state);
            *output += sigmoid(outputs[i]) * *state;
        }
        output
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
