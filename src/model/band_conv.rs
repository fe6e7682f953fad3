//! Convolution over neighbouring bands and the last frames, with the same weights at every band.
//!
//! Whether a peak is a harmonic, a chirp or a hiss looks the same at 1 kHz and at 5 kHz. Dense layers
//! have to learn it for each band anew; these kernels learn it once.

use tch::Tensor;
use tch::nn::{self, Init};

use super::conv::History;
use super::frame::FrameBandConv;
use super::slices::values;

/// `[batch, in, bands, frames]` to `[batch, out, bands, frames]`: zeros stand beyond the lowest and the
/// highest band, and the frames before come from a [`History`].
#[derive(Debug)]
pub struct BandConv {
    /// `[out, in, width, frames]`.
    weight: Tensor,
    /// `[out]`.
    bias: Tensor,
    bands: i64,
}

impl BandConv {
    /// Kernels over `width` bands, an odd number, and `frames` frames.
    pub fn new(
        path: nn::Path,
        [input, output]: [i64; 2],
        bands: i64,
        [width, frames]: [i64; 2],
        gain: f64,
    ) -> Self {
        let shape = [output, input, width, frames];
        let stdev = gain / ((input * width * frames) as f64).sqrt();
        Self {
            weight: path.var("weight", &shape, Init::Randn { mean: 0.0, stdev }),
            bias: path.var("bias", &[output], Init::Const(0.0)),
            bands,
        }
    }

    /// The layer on single frames.
    pub fn frames(&self) -> FrameBandConv {
        FrameBandConv::new(
            &values(&self.weight),
            self.shape().map(|size| size as usize),
            values(&self.bias),
            self.bands as usize,
        )
    }

    /// The frames a streaming caller must keep for this layer.
    pub fn history(&self) -> History {
        let [_, input, _, frames] = self.shape();
        History::new(&[1, input, self.bands, frames - 1], self.weight.device())
    }

    /// Whole clips: zeros stand before the first frame.
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let [_, _, _, frames] = self.shape();
        self.convolve(&input.constant_pad_nd([frames - 1, 0]))
    }

    /// The next frames of a stream `[1, in, bands, frames]`.
    pub fn step(&self, input: &Tensor, history: &mut History) -> Tensor {
        self.convolve(&history.prepend(input))
    }

    fn convolve(&self, padded: &Tensor) -> Tensor {
        let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(padded.kind()));
        let [_, _, width, _] = self.shape();
        padded.conv2d(&weight, Some(&bias), [1, 1], [width / 2, 0], [1, 1], 1)
    }

    fn shape(&self) -> [i64; 4] {
        let size = self.weight.size();
        [size[0], size[1], size[2], size[3]]
    }
}
