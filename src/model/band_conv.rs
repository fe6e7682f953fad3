//! Convolution over neighbouring bands and the last frames, with the same weights at every band.
//!
//! Whether a peak is a harmonic, a chirp or a hiss looks the same at 1 kHz and at 5 kHz. Dense layers
//! have to learn it for each band anew; these kernels learn it once.

use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};

use super::conv::History;
use super::slices::{values, values_mut};

/// `[batch, in, bands, frames]` to `[batch, out, bands, frames]`: zeros stand beyond the lowest and the
/// highest band, and the frames before come from a [`History`].
#[derive(Debug)]
pub struct BandConv {
    /// `[out, in, width, frames]`.
    weight: Tensor,
    /// `[out]`.
    bias: Tensor,
    bands: i64,
    /// `weight` as `[out, frames * in * width]` for single frames; made by [`Self::flatten`].
    flat_weight: Option<Tensor>,
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
            flat_weight: None,
        }
    }

    /// Lays the weight out for single frames; training is over for it.
    pub fn flatten(&mut self) {
        let flat = tch::no_grad(|| self.weight.permute([0, 3, 1, 2]).flatten(1, 3).contiguous());
        self.flat_weight = Some(flat);
    }

    /// The frames a streaming caller must keep for this layer.
    pub fn history(&self) -> History {
        let [_, input, _, frames] = self.shape();
        History::new(frames, 1, input * self.bands, self.weight.device())
    }

    /// Whole clips: zeros stand before the first frame.
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let [_, _, _, frames] = self.shape();
        self.convolve(&input.constant_pad_nd([frames - 1, 0]))
    }

    /// The next frames of a stream `[1, in, bands, frames]`.
    pub fn step(&self, input: &Tensor, history: &mut History) -> Tensor {
        let rows = input.flatten(1, 2);
        match &self.flat_weight {
            Some(weight) if rows.size()[2] == 1 && rows.device() == Device::Cpu => {
                let columns = self.columns(values(history.gather(&rows, 1)));
                let bias = self.bias.unsqueeze(1);
                bias.addmm(weight, &columns).view([1, -1, self.bands, 1])
            }
            _ => {
                let [_, input, _, _] = self.shape();
                let extended = history.prepend(&rows);
                self.convolve(&extended.view([1, input, self.bands, -1]))
            }
        }
    }

    fn convolve(&self, padded: &Tensor) -> Tensor {
        let [weight, bias] = [&self.weight, &self.bias].map(|t| t.to_kind(padded.kind()));
        let [_, _, width, _] = self.shape();
        padded.conv2d(&weight, Some(&bias), [1, 1], [width / 2, 0], [1, 1], 1)
    }

    /// What each band sees `[frames * in * width, bands]` of the last frames `[frames, in, bands]`.
    fn columns(&self, rows: &[f32]) -> Tensor {
        let [_, input, width, frames] = self.shape();
        let (bands, width) = (self.bands as usize, width as usize);
        let shape = [frames * input * width as i64, self.bands];
        let mut columns = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let places = values_mut(&mut columns).chunks_exact_mut(bands);
        for (number, place) in places.enumerate() {
            let row = &rows[number / width * bands..][..bands];
            let (offset, middle) = (number % width, width / 2);
            match offset.checked_sub(middle) {
                Some(up) => place[..bands - up].copy_from_slice(&row[up..]),
                None => place[middle - offset..].copy_from_slice(&row[..bands + offset - middle]),
            }
        }
        columns
    }

    fn shape(&self) -> [i64; 4] {
        let size = self.weight.size();
        [size[0], size[1], size[2], size[3]]
    }
}
