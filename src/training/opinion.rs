//! What listeners would say of a voice, as a network estimates it that was trained on their scores.
//!
//! DNSMOS P.835 (Reddy, Gopal and Cutler, 2022): logarithmic power spectra of 20 ms every 10 ms at 16 kHz, by
//! learned windows; seven convolutions; the maxima over time and frequency; three dense layers. Maxima
//! of a clip that is repeated, as for scores of short clips, are those of the clip, so any length will do.
//! Here it is a part of the loss: gradients go through it to what it hears.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};

use crate::SAMPLE_RATE_HZ;
use crate::model::tensor_file::TensorFile;

const RATE_HZ: u32 = 16_000;
const FRAME_SAMPLES: i64 = 320;
const HOP_SAMPLES: i64 = 160;
const BINS: i64 = FRAME_SAMPLES / 2 + 1;
/// Inputs and outputs of the convolutions of 3 by 3.
const CONVOLUTIONS: [[i64; 2]; 7] = [
    [1, 128],
    [128, 64],
    [64, 64],
    [64, 32],
    [32, 32],
    [32, 32],
    [32, 64],
];
/// The convolutions after which two by two values become their maximum.
const POOLED: [usize; 3] = [3, 4, 5];
const DENSE: [[i64; 2]; 3] = [[64, 128], [128, 64], [64, 3]];
const FLOOR_POWER: f64 = 1e-12;
/// From the network's three values (speech, background, overall) to opinions from 1 to 5: squares, factors
/// and what is added.
const TO_OPINIONS: [[f32; 3]; 3] = [
    [-0.083_972_78, -0.131_668_88, -0.067_662_83],
    [1.220_839_5, 1.609_155, 1.115_464_7],
    [0.005_243_9, -0.396_045_46, 0.046_025_35],
];
/// 48 kHz over the lower rate.
const RATIO: i64 = (SAMPLE_RATE_HZ / RATE_HZ) as i64;
/// Samples of the low-pass to each side of its middle: 24 zero crossings.
const LOW_PASS_REACH: i64 = 24 * RATIO;
/// Its edge, as a share of half of the lower rate.
const LOW_PASS_EDGE: f64 = 0.95;
/// What a frame hears at 48 kHz.
const WINDOW_SAMPLES: i64 = (FRAME_SAMPLES - 1) * RATIO + 2 * LOW_PASS_REACH + 1;
/// From frame to frame at 48 kHz.
const STRIDE: i64 = HOP_SAMPLES * RATIO;
/// As many of them as the window touches.
const HOPS: i64 = (WINDOW_SAMPLES + STRIDE - 1) / STRIDE;

/// The network that estimates.
#[derive(Debug)]
pub struct Opinion {
    /// The low-pass and the windows after it in one, for [`HOPS`] of audio at 48 kHz; real and imaginary parts:
    /// `[2 * bins, hop, hops]`.
    analysis: Tensor,
    convolutions: Vec<Layer>,
    dense: Vec<Layer>,
    to_opinions: Tensor,
}

#[derive(Debug)]
struct Layer {
    weight: Tensor,
    bias: Tensor,
}

impl Opinion {
    /// Reads weights as `scripts/corpus/opinion.py` writes them; the convolutions work in `kind`.
    ///
    /// # Errors
    /// Names the file that cannot be read, or the tensor that is not as it should be.
    pub fn load(path: &Path, kind: Kind, device: Device) -> Result<Self> {
        let read = || -> Result<Self> {
            let file = TensorFile::parse(&fs::read(path)?, device)?;
            let take = |name: &str, shape: &[i64]| -> Result<Tensor> {
                let tensor = file.tensors.get(name);
                let tensor = tensor.with_context(|| format!("it has no tensor {name}"))?;
                let found = tensor.size();
                ensure!(found == shape, "{name} is {found:?}, not {shape:?}");
                Ok(tensor.shallow_clone())
            };
            let layer = |name: String, shape: &[i64], kind: Kind| -> Result<Layer> {
                Ok(Layer {
                    weight: take(&format!("{name}.weight"), shape)?.to_kind(kind),
                    bias: take(&format!("{name}.bias"), &shape[..1])?.to_kind(kind),
                })
            };
            let convolution = |(n, &[from, to]): (usize, &[i64; 2])| {
                // The first one hears levels that 16 bits resolve too coarsely.
                let kind = if n == 0 { Kind::Float } else { kind };
                layer(format!("convolution.{n}"), &[to, from, 3, 3], kind)
            };
            let dense = |(n, &[from, to]): (usize, &[i64; 2])| {
                layer(format!("dense.{n}"), &[to, from], Kind::Float)
            };
            Ok(Self {
                analysis: analysis(&take("analysis", &[2 * BINS, FRAME_SAMPLES, 1])?),
                convolutions: CONVOLUTIONS
                    .iter()
                    .enumerate()
                    .map(convolution)
                    .collect::<Result<_>>()?,
                dense: DENSE.iter().enumerate().map(dense).collect::<Result<_>>()?,
                to_opinions: Tensor::from_slice2(&TO_OPINIONS).to_device(device),
            })
        };
        read().with_context(|| format!("cannot use {} for opinions", path.display()))
    }

    /// A handle to the same weights, for another thread.
    pub fn share(&self) -> Self {
        let share = |layers: &[Layer]| layers.iter().map(Layer::share).collect();
        Self {
            analysis: self.analysis.shallow_clone(),
            convolutions: share(&self.convolutions),
            dense: share(&self.dense),
            to_opinions: self.to_opinions.shallow_clone(),
        }
    }

    /// Opinions of speech, background and the whole, from 1 to 5: `[clips, 3]`; of audio `[clips, samples]` at 48 kHz.
    pub fn of(&self, samples: &Tensor) -> Tensor {
        let frames = (samples.size()[1] + 2 * LOW_PASS_REACH - WINDOW_SAMPLES) / STRIDE + 1;
        let padded = (frames + HOPS - 1) * STRIDE;
        let spectra = samples
            .constant_pad_nd([LOW_PASS_REACH, padded - LOW_PASS_REACH - samples.size()[1]])
            .view([-1, frames + HOPS - 1, STRIDE])
            .transpose(1, 2)
            .conv1d(&self.analysis, None::<Tensor>, 1, 0, 1, 1);
        let power = spectra.narrow(1, 0, BINS).square() + spectra.narrow(1, BINS, BINS).square();
        let mut values = power
            .clamp_min(FLOOR_POWER)
            .log10()
            .transpose(1, 2)
            .unsqueeze(1);
        for (n, layer) in self.convolutions.iter().enumerate() {
            values = values
                .to_kind(layer.weight.kind())
                .conv2d(&layer.weight, Some(&layer.bias), 1, 1, 1, 1)
                .relu();
            if POOLED.contains(&n) {
                values = values.max_pool2d(2, 2, 0, 1, false);
            }
        }
        let mut values = values.amax([2, 3], false).to_kind(Kind::Float);
        for (n, layer) in self.dense.iter().enumerate() {
            values = values.linear(&layer.weight, Some(&layer.bias));
            if n + 1 < self.dense.len() {
                values = values.relu();
            }
        }
        let [squares, factors, added] = [0, 1, 2].map(|n| self.to_opinions.get(n));
        (squares * &values + factors) * values + added
    }
}

impl Layer {
    fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
        }
    }
}

/// `windows` at the lower rate, each behind the low-pass, as [`Opinion::analysis`].
fn analysis(windows: &Tensor) -> Tensor {
    let windows = windows.transpose(1, 2);
    let low_pass = low_pass().to_device(windows.device());
    let at_48k = windows.conv_transpose1d(&low_pass, None::<Tensor>, RATIO, 0, 0, 1, 1);
    at_48k
        .constant_pad_nd([0, HOPS * STRIDE - WINDOW_SAMPLES])
        .view([-1, HOPS, STRIDE])
        .transpose(1, 2)
        .contiguous()
}

/// A sine cardinal under a Hann window: `[1, 1, taps]`.
fn low_pass() -> Tensor {
    let taps: Vec<f32> = (-LOW_PASS_REACH..=LOW_PASS_REACH)
        .map(|n| {
            let x = std::f64::consts::PI * n as f64 * LOW_PASS_EDGE / RATIO as f64;
            let sinc = if n == 0 { 1.0 } else { x.sin() / x };
            let window =
                (std::f64::consts::FRAC_PI_2 * n as f64 / (LOW_PASS_REACH + 1) as f64).cos();
            (sinc * window * window * LOW_PASS_EDGE / RATIO as f64) as f32
        })
        .collect();
    Tensor::from_slice(&taps).view([1, 1, -1])
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::model::tensor_file::Named;

    const ADDED: f64 = 4.0;

    /// Weights that hand through the greatest logarithmic power, with something added so that it is positive.
    fn greatest_power() -> Named {
        let mut tensors = Named::new();
        let angles = (Tensor::arange(BINS, (Kind::Float, Device::Cpu)).unsqueeze(1)
            * Tensor::arange(FRAME_SAMPLES, (Kind::Float, Device::Cpu)))
            * (TAU / FRAME_SAMPLES as f64);
        let analysis = Tensor::cat(&[angles.cos(), angles.sin()], 0).unsqueeze(-1);
        tensors.insert("analysis".into(), analysis);
        let mut layer = |name: String, shape: &[i64], kernel: &[i64]| {
            let weight = Tensor::zeros([shape, kernel].concat(), (Kind::Float, Device::Cpu));
            let mut middle = weight.shallow_clone();
            for &size in kernel {
                middle = middle.select(2, size / 2);
            }
            let _ = middle.narrow(1, 0, 1).fill_(1.0);
            let bias = Tensor::zeros(&shape[..1], (Kind::Float, Device::Cpu));
            if name == "convolution.0" {
                let _ = bias.shallow_clone().fill_(ADDED);
            }
            tensors.insert(format!("{name}.weight"), weight);
            tensors.insert(format!("{name}.bias"), bias);
        };
        for (n, [from, to]) in CONVOLUTIONS.iter().enumerate() {
            layer(format!("convolution.{n}"), &[*to, *from], &[3, 3]);
        }
        for (n, [from, to]) in DENSE.iter().enumerate() {
            layer(format!("dense.{n}"), &[*to, *from], &[]);
        }
        tensors
    }

    fn saved(tensors: Named) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opinion.safetensors");
        let metadata = Default::default();
        TensorFile { metadata, tensors }.save(&path).unwrap();
        (folder, path)
    }

    fn tone(hz: f64, amplitude: f64) -> Tensor {
        let seconds = Tensor::arange(96_000, (Kind::Double, Device::Cpu)) / 48_000.0;
        ((seconds * (TAU * hz)).sin() * amplitude)
            .to_kind(Kind::Float)
            .unsqueeze(0)
    }

    #[test]
    fn it_hears_the_power_of_a_tone_at_16_khz() {
        let (_folder, path) = saved(greatest_power());
        let opinion = Opinion::load(&path, Kind::Float, Device::Cpu).unwrap();
        let heard = |hz: f64, amplitude: f64| -> f64 {
            // Both polynomials of the overall opinion, backwards.
            let [square, factor, added] = TO_OPINIONS.map(|row| f64::from(row[2]));
            let overall = opinion.of(&tone(hz, amplitude)).double_value(&[0, 2]);
            let root = (factor * factor - 4.0 * square * (added - overall)).sqrt();
            (root - factor) / (2.0 * square) - ADDED
        };
        // A whole number of periods in 320 samples: (amplitude * 320 / 2)^2.
        for amplitude in [1e-4, 1e-3] {
            let expected = 2.0 * (amplitude * 160.0f64).log10();
            assert!((heard(1000.0, amplitude) - expected).abs() < 0.01);
        }
        // Above half of the lower rate there is nothing, and nothing is folded down.
        assert!(heard(15_000.0, 1e-3) < 2.0 * (1e-3 * 160.0f64).log10() - 2.0);
    }

    #[test]
    fn gradients_reach_the_samples() {
        let (_folder, path) = saved(greatest_power());
        let opinion = Opinion::load(&path, Kind::Float, Device::Cpu).unwrap();
        let samples = tone(1000.0, 1e-3).set_requires_grad(true);
        opinion.share().of(&samples).sum(Kind::Float).backward();
        // A louder tone has more power.
        let uphill = (samples.grad() * tone(1000.0, 1e-3)).sum(Kind::Float);
        assert!(uphill.double_value(&[]).abs() > 1e-3);
    }

    #[test]
    fn weights_of_something_else_are_refused_by_name() {
        let mut tensors = greatest_power();
        tensors.remove("dense.1.bias");
        let (_folder, path) = saved(tensors);
        let error = Opinion::load(&path, Kind::Float, Device::Cpu).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("opinion.safetensors") && error.contains("dense.1.bias"),
            "{error}"
        );
    }
}
