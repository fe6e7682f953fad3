//! Causal 1-D convolution along frames: the main building block of the network.
//!
//! Nothing is normalised: with the statistics of the few clips of a batch a network learns to rely on
//! what it does not know in use, and with fixed ones normalisation does nothing.
//!
//! The same weights run three ways with equal results: on whole clips (zeros before the start), on
//! chunks (the frames before come from a [`History`]) and on one frame, as a matrix-vector product
//! over gathered frames, which costs a third of a convolution call. On one frame a tensor operation
//! costs more than its arithmetic, so all but the product works on plain slices.

use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};

use super::slices::{values, values_mut};

/// Convolution, then ReLU unless linear; `[batch, in, frames]` to `[batch, out, frames]`.
#[derive(Debug)]
pub struct CausalConv {
    /// `[out, in, kernel]`.
    weight: Tensor,
    /// `[out]`.
    bias: Tensor,
    dilation: i64,
    relu: bool,
    /// `weight` as `[out, kernel * in]` for single frames; made by [`Self::flatten`].
    flat_weight: Option<Tensor>,
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
            flat_weight: None,
        }
    }

    /// Lays the weight out for [`Self::step`]; training is over for it.
    pub fn flatten(&mut self) {
        let flat = tch::no_grad(|| self.weight.permute([0, 2, 1]).flatten(1, 2).contiguous());
        self.flat_weight = Some(flat);
    }

    /// The frames a streaming caller must keep for this layer.
    pub fn history(&self) -> History {
        let size = self.weight.size();
        History::new(size[2], self.dilation, size[1], self.weight.device())
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
        match &self.flat_weight {
            Some(weight) if input.size()[2] == 1 && input.device() == Device::Cpu => {
                let mut output = self
                    .bias
                    .addmv(weight, history.gather(input, self.dilation));
                self.activate_values(values_mut(&mut output), shortcut);
                output.view([1, -1, 1])
            }
            _ => {
                let output = self.convolve(&history.prepend(input));
                self.activate(output, shortcut)
            }
        }
    }

    fn activate(&self, output: Tensor, shortcut: Option<&Tensor>) -> Tensor {
        let sum = match shortcut {
            Some(shortcut) => output + shortcut,
            None => output,
        };
        if self.relu { sum.relu() } else { sum }
    }

    /// [`Self::activate`] in place.
    fn activate_values(&self, output: &mut [f32], shortcut: Option<&Tensor>) {
        if let Some(shortcut) = shortcut {
            output
                .iter_mut()
                .zip(values(shortcut))
                .for_each(|(sum, x)| *sum += x);
        }
        if self.relu {
            output.iter_mut().for_each(|x| *x = x.max(0.0));
        }
    }

    fn convolve(&self, padded: &Tensor) -> Tensor {
        let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(padded.kind()));
        padded.conv1d(&weight, Some(&bias), 1, 0, self.dilation, 1)
    }
}

/// The last frames a convolution saw: a ring of rows `[frames, channels]`.
#[derive(Debug)]
pub struct History {
    rows: Tensor,
    oldest: i64,
    /// `[kernel * channels]`: what the product on one frame takes.
    gathered: Tensor,
}

impl History {
    /// Silence, for a layer of this kernel and dilation.
    pub fn new(kernel: i64, dilation: i64, channels: i64, device: Device) -> Self {
        let options = (Kind::Float, device);
        Self {
            rows: Tensor::zeros([(kernel - 1) * dilation, channels], options),
            oldest: 0,
            gathered: Tensor::zeros([kernel * channels], options),
        }
    }

    /// Forgets everything: silence before the next frame.
    pub fn reset(&mut self) {
        let _ = self.rows.zero_();
        self.oldest = 0;
    }

    fn frames(&self) -> i64 {
        self.rows.size()[0]
    }

    /// The frame `input` `[1, channels, 1]` behind the ones `dilation` apart before it:
    /// `[kernel * channels]`. Keeps it.
    pub fn gather(&mut self, input: &Tensor, dilation: i64) -> &Tensor {
        let (frames, dilation) = (self.frames() as usize, dilation as usize);
        let input = values(input);
        let mut places = values_mut(&mut self.gathered).chunks_exact_mut(input.len());
        let rows = values_mut(&mut self.rows);
        let row = |frame: usize| frame % frames * input.len()..(frame % frames + 1) * input.len();
        let oldest = self.oldest as usize;
        for (tap, place) in places.by_ref().take(frames / dilation).enumerate() {
            place.copy_from_slice(&rows[row(oldest + tap * dilation)]);
        }
        places.for_each(|place| place.copy_from_slice(input));
        if frames > 0 {
            rows[row(oldest)].copy_from_slice(input);
            self.oldest = (self.oldest + 1) % frames as i64;
        }
        &self.gathered
    }

    /// `input` `[1, channels, frames]` behind all kept frames; keeps the last ones of it.
    pub fn prepend(&mut self, input: &Tensor) -> Tensor {
        let frames = self.frames();
        if frames == 0 {
            return input.shallow_clone();
        }
        let ordered = self.rows.roll(-self.oldest, 0).transpose(0, 1).unsqueeze(0);
        let extended = Tensor::cat(&[&ordered, input], 2);
        let newest = extended.narrow(2, extended.size()[2] - frames, frames);
        self.rows.copy_(&newest.squeeze_dim(0).transpose(0, 1));
        self.oldest = 0;
        extended
    }
}
