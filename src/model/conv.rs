//! Causal 1-D convolution along frames: the main building block of the network.
//!
//! Nothing is normalised: with the statistics of the few clips of a batch a network learns to rely on
//! what it does not know in use, and with fixed ones normalisation does nothing.
//!
//! The same weights run three ways with equal results: on whole clips (zeros before the start), on
//! chunks (the frames before come from a [`History`]) and on single frames ([`FrameConv`]).

use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};

use super::frame::FrameConv;
use super::quantised_matrix::QuantisedMatrix;
use super::slices::values;

/// Convolution, then ReLU unless linear; `[batch, in, frames]` to `[batch, out, frames]`.
#[derive(Debug)]
pub struct CausalConv {
    /// `[out, in, kernel]`.
    weight: Tensor,
    /// `[out]`.
    bias: Tensor,
    dilation: i64,
    relu: bool,
}

impl CausalConv {
    /// A layer with a ReLU (He initialisation, 2015).
    pub fn new(path: nn::Path, input: i64, output: i64, kernel: i64, dilation: i64) -> Self {
        let deviation = (2.0 / (input * kernel) as f64).sqrt();
        Self {
            relu: true,
            ..Self::affine(path, [output, input, kernel], dilation, deviation)
        }
    }

    /// A layer of kernel 1 without ReLU, for the latent and the outputs.
    pub fn linear(path: nn::Path, input: i64, output: i64, deviation: f64) -> Self {
        Self::affine(path, [output, input, 1], 1, deviation)
    }

    fn affine(path: nn::Path, shape: [i64; 3], dilation: i64, stdev: f64) -> Self {
        Self {
            weight: path.var("weight", &shape, Init::Randn { mean: 0.0, stdev }),
            bias: path.var("bias", &[shape[0]], Init::Const(0.0)),
            dilation,
            relu: false,
        }
    }

    /// The layer on single frames.
    pub fn frames(&self) -> FrameConv {
        let matrix = self.weight.permute([0, 2, 1]).flatten(1, 2);
        let [inputs, dilation] = [self.weight.size()[1], self.dilation].map(|n| n as usize);
        FrameConv::new(
            QuantisedMatrix::new(&matrix),
            values(&self.bias),
            inputs,
            dilation,
            self.relu,
        )
    }

    /// The frames a streaming caller must keep for this layer.
    pub fn history(&self) -> History {
        let size = self.weight.size();
        let shape = [1, size[1], (size[2] - 1) * self.dilation];
        History::new(&shape, self.weight.device())
    }

    /// Whole clips: zeros stand before the first frame; `shortcut` is added before the ReLU.
    /// Computes in the precision of `input`.
    pub fn forward(&self, input: &Tensor, shortcut: Option<&Tensor>) -> Tensor {
        let context = (self.weight.size()[2] - 1) * self.dilation;
        let padded = if context > 0 {
            input.constant_pad_nd([context, 0])
        } else {
            input.shallow_clone()
        };
        self.activate(self.convolve(&padded), shortcut)
    }

    /// The next frames `[1, in, frames]` of a stream, with their `shortcut`.
    pub fn step(&self, input: &Tensor, shortcut: Option<&Tensor>, history: &mut History) -> Tensor {
        self.activate(self.convolve(&history.prepend(input)), shortcut)
    }

    fn activate(&self, output: Tensor, shortcut: Option<&Tensor>) -> Tensor {
        let sum = match shortcut {
            Some(shortcut) => output + shortcut,
            None => output,
        };
        if self.relu { sum.relu() } else { sum }
    }

    fn convolve(&self, padded: &Tensor) -> Tensor {
        let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(padded.kind()));
        padded.conv1d(&weight, Some(&bias), 1, 0, self.dilation, 1)
    }
}

/// The last frames a convolution saw: `[1, …, frames]`.
#[derive(Debug)]
pub struct History(Tensor);

impl History {
    /// Silence.
    pub fn new(shape: &[i64], device: Device) -> Self {
        Self(Tensor::zeros(shape, (Kind::Float, device)))
    }

    /// Forgets everything: silence before the next frame.
    pub fn reset(&mut self) {
        self.0 = self.0.zeros_like();
    }

    /// `input` `[1, …, frames]` behind the kept frames; keeps the last ones of it.
    pub fn prepend(&mut self, input: &Tensor) -> Tensor {
        let extended = Tensor::cat(&[&self.0, input], -1);
        let kept = self.0.size()[self.0.dim() - 1];
        let length = extended.size()[self.0.dim() - 1];
        self.0 = extended.narrow(-1, length - kept, kept);
        extended
    }
}
