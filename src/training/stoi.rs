//! STOI (Taal et al., 2011) as a part of the loss: how well the words would be understood.
//!
//! Where [`crate::metrics::stoi`] measures as published figures do, this works at 48 kHz with gradients: frames of 25 ms
//! instead of 25.6, one segment of every three, and frames that are left out are not overlapped and added. What is judged is
//! the same: whether magnitudes in third-octave bands rise and fall with those of the original over 0.4 s of speech.

use std::f64::consts::PI;

use tch::{Device, Kind, Tensor};

use crate::SAMPLE_RATE_HZ;
use crate::model::stft;

const WINDOW_SAMPLES: i64 = 1200;
const FFT_SAMPLES: i64 = 2400;
/// Third-octave bands from 150 Hz upwards.
const BANDS: i64 = 15;
const LOWEST_BAND_HZ: f64 = 150.0;
const SEGMENT_FRAMES: i64 = 30;
const SEGMENT_HOP: i64 = 3;
/// Frames of the original this far below the power of its loudest are silence: 40 dB.
const DYNAMIC_RANGE: f64 = 1e-4;
/// 1 + 10^(15 / 20): how far above the original a magnitude counts.
const CEILING: f64 = 6.623_4;
/// Of bands without any sound; speech at a level of 1 has some 200.
const LEAST_MAGNITUDE: f64 = 0.1;

/// Scores outputs against originals.
#[derive(Debug)]
pub struct Stoi {
    /// `[window]`.
    window: Tensor,
    /// 1 for the bins of a band: `[bins, bands]`.
    bands: Tensor,
}

impl Stoi {
    /// On `device`.
    pub fn new(device: Device) -> Self {
        let bin_hz = f64::from(SAMPLE_RATE_HZ) / FFT_SAMPLES as f64;
        let edge = |band: i64| {
            let hz = LOWEST_BAND_HZ * 2f64.powf((2.0 * band as f64 - 1.0) / 6.0);
            (hz / bin_hz).round() as i64
        };
        let bands = Tensor::zeros([edge(BANDS), BANDS], (Kind::Float, device));
        for band in 0..BANDS {
            let bins = edge(band + 1) - edge(band);
            let _ = bands.select(1, band).narrow(0, edge(band), bins).fill_(1.0);
        }
        let n = Tensor::arange(WINDOW_SAMPLES, (Kind::Float, device)) + 1.0;
        let window = (n * (PI / (WINDOW_SAMPLES + 1) as f64)).sin().square();
        Self { window, bands }
    }

    /// Scores up to 1 of `outputs` against `originals`, both `[clips, samples]` at 48 kHz with speech at a level of about 1:
    /// `[clips]`. Less than 0.4 s of speech has none and says 0.
    pub fn of(&self, outputs: &Tensor, originals: &Tensor) -> Tensor {
        let [outputs, originals] = [outputs, originals]
            .map(|samples| samples.unfold(1, WINDOW_SAMPLES, WINDOW_SAMPLES / 2) * &self.window);
        let level = originals.square().sum_dim_intlist(-1, false, Kind::Float);
        let speech = level.gt_tensor(&(level.amax(1, true) * DYNAMIC_RANGE));
        let speech = speech.to_kind(Kind::Int);
        let speech_first = speech.argsort_stable(true, 1, true);
        let [output, original] =
            [outputs, originals].map(|frames| self.segments(&frames, &speech_first));

        let gain = norm(&original) / (norm(&output) + LEAST_MAGNITUDE);
        let clipped = (output * gain).minimum(&(&original * CEILING));
        let [output, original] =
            [clipped, original].map(|course| &course - course.mean_dim(-1, true, Kind::Float));
        let alike = (&output * &original).sum_dim_intlist(-1, true, Kind::Float)
            / (norm(&output) * norm(&original) + LEAST_MAGNITUDE * LEAST_MAGNITUDE);
        let of_segments = alike.flatten(2, 3).mean_dim(-1, false, Kind::Float);

        let last = Tensor::arange(of_segments.size()[1], (Kind::Int, of_segments.device()))
            * SEGMENT_HOP
            + SEGMENT_FRAMES;
        let frames = speech.sum_dim_intlist(1, true, Kind::Int);
        let counts = last.le_tensor(&frames).to_kind(Kind::Float);
        let sum = |values: &Tensor| values.sum_dim_intlist(1, false, Kind::Float);
        sum(&(of_segments * &counts)) / sum(&counts).clamp_min(1.0)
    }

    /// Courses of magnitudes of `frames` in this order: `[clips, segments, bands, frames]`.
    fn segments(&self, frames: &Tensor, order: &Tensor) -> Tensor {
        let spectrum = frames.fft_rfft(FFT_SAMPLES, -1, "backward").view_as_real();
        let power = stft::power(&spectrum.narrow(2, 0, self.bands.size()[0]));
        let magnitudes = (power.matmul(&self.bands) + LEAST_MAGNITUDE * LEAST_MAGNITUDE).sqrt();
        let order = order.unsqueeze(-1).expand([-1, -1, BANDS], false);
        magnitudes
            .gather(1, &order, false)
            .unfold(1, SEGMENT_FRAMES, SEGMENT_HOP)
    }
}

/// Over the last axis.
fn norm(values: &Tensor) -> Tensor {
    (values.square().sum_dim_intlist(-1, true, Kind::Float) + 1e-12).sqrt()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::decode;
    use crate::metrics::stoi::intelligibility;

    fn read(name: &str) -> Vec<f32> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("samples")
            .join(name);
        decode::read_mono(&path).unwrap().0
    }

    /// At a level of 1, as the loss has it.
    fn tensor(samples: &[f32]) -> Tensor {
        (Tensor::from_slice(samples) * 20.0).unsqueeze(0)
    }

    fn mixed(clean: &[f32], noisy: &[f32], share: f32) -> Vec<f32> {
        let mix = |(clean, noisy): (&f32, &f32)| clean + share * (noisy - clean);
        clean.iter().zip(noisy).map(mix).collect()
    }

    #[test]
    fn scores_are_those_of_the_metric() {
        let stoi = Stoi::new(Device::Cpu);
        for name in ["english-fan", "russian-keyboard", "chinese-3d-printer"] {
            let [clean, noisy] = ["clean", "noisy"].map(|side| read(&format!("{side}/{name}.wav")));
            for share in [0.0, 0.3, 1.0, 3.0] {
                let heard = mixed(&clean, &noisy, share);
                let expected = intelligibility(&clean, &heard, SAMPLE_RATE_HZ)
                    .unwrap()
                    .stoi;
                let found = stoi.of(&tensor(&heard), &tensor(&clean)).double_value(&[0]);
                assert!(
                    (found - expected).abs() < 0.02,
                    "{name} {share}: {found:.3}, expected {expected:.3}"
                );
            }
        }
    }

    #[test]
    fn gradients_lead_to_better_scores_and_stay_finite_in_silence() {
        let stoi = Stoi::new(Device::Cpu);
        let clean = read("clean/english-fan.wav");
        let heard = mixed(&clean, &read("noisy/english-fan.wav"), 3.0);
        let pair = |samples: &Tensor| Tensor::cat(&[samples, &samples.zeros_like()], 0);
        let (clean, heard) = (pair(&tensor(&clean)), pair(&tensor(&heard)));
        let heard = heard.set_requires_grad(true);
        let before = stoi.of(&heard, &clean).sum(Kind::Float);
        before.backward();
        let gradient = heard.grad();
        let step = &gradient / gradient.norm() * heard.norm() * 0.1;
        let after = stoi.of(&(heard + step), &clean).sum(Kind::Float);
        let [before, after] = [before, after].map(|score| score.double_value(&[]));
        assert!(after > before + 0.02, "{before} {after}");
    }
}
