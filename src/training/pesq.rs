//! PESQ, wide-band (ITU-T P.862 and P.862.2), as a part of the loss: how much worse than the original a listener
//! would say that a voice sounds.
//!
//! What is compared are loudnesses in bands of equal width on the Bark scale, of frames of 32 ms. Linear filtering
//! and slow changes of level are forgiven, small differences are not heard, and what is added disturbs more than what is
//! missing. The standard's alignment in time is left out, since outputs are aligned, and so are its second looks at
//! badly aligned intervals; its tables are replaced by the formulas that they follow (Zwicker and Terhardt, 1980;
//! Terhardt, 1979). On outputs of several programs scores correlate with those of the standard by .98.

use std::f64::consts::PI;

use tch::{Device, Kind, Tensor};

use crate::SAMPLE_RATE_HZ;
use crate::model::stft;

const WINDOW_SAMPLES: i64 = 1536;
const HIGHEST_HZ: f64 = 8000.0;
const BANDS: usize = 49;
/// Band in which both sides are brought to the same level.
const LEVEL_HZ: std::ops::RangeInclusive<f64> = 350.0..=3250.0;
/// Mean power of the whole in that band, on the scale of the thresholds below.
const LEVEL_POWER: f64 = 3.4e8;
/// Frames with more audible power, counting bands a hundred times above the threshold of hearing, are speech.
const SPEECH_POWER: f64 = 1e7;
/// From power over its threshold to loudness: a factor, and an exponent that is larger below 4 Bark.
const LOUDNESS: f64 = 0.1866;
const EXPONENT: f64 = 0.23;
/// Differences smaller than this share of the quieter loudness are masked.
const MASKED: f64 = 0.25;
/// Disturbances of a frame beyond this count little.
const LARGEST_DISTURBANCE: f64 = 45.0;
/// What they count beyond: in the standard nothing, but then they could not be mended.
const BEYOND: f64 = 0.1;
/// Frames that are judged together, by their worst, and how far the next ones are.
const INTERVAL_FRAMES: i64 = 20;
const INTERVAL_HOP: i64 = 10;

/// Scores outputs against originals.
#[derive(Debug)]
pub struct Pesq {
    /// `[window]`.
    window: Tensor,
    /// Powers of bins to those of bands, with the standard's input filter: `[bins, bands]`.
    bands: Tensor,
    /// 1 for bins of [`LEVEL_HZ`]: `[bins]`.
    level: Tensor,
    /// Threshold of hearing: `[bands]`.
    threshold: Tensor,
    /// `[bands]`.
    exponents: Tensor,
    /// In Bark: `[bands]`.
    widths: Tensor,
    /// In Bark.
    width: f64,
}

/// Position on the Bark scale (Zwicker and Terhardt, 1980).
fn bark(hz: f64) -> f64 {
    13.0 * (0.000_76 * hz).atan() + 3.5 * (hz / 7500.0).powi(2).atan()
}

/// Threshold in quiet, in dB (Terhardt, 1979).
fn threshold_db(hz: f64) -> f64 {
    let khz = hz / 1000.0;
    3.64 * khz.powf(-0.8) - 6.5 * (-0.6 * (khz - 3.3).powi(2)).exp() + 1e-3 * khz.powi(4)
}

/// Power response of the input filter of P.862.2: a high-pass of second order at 16 kHz.
fn input_filter(hz: f64) -> f64 {
    let angle = 2.0 * PI * hz / 16_000.0;
    let power = |[b0, b1, b2]: [f64; 3]| {
        let re = b0 + b1 * angle.cos() + b2 * (2.0 * angle).cos();
        let im = b1 * angle.sin() + b2 * (2.0 * angle).sin();
        re * re + im * im
    };
    power([2.665_762_8, -5.331_525_5, 2.665_762_8]) / power([1.0, -1.889_033_1, 0.894_874_34])
}

fn hann() -> Vec<f32> {
    (0..WINDOW_SAMPLES)
        .map(|n| (PI * n as f64 / WINDOW_SAMPLES as f64).sin().powi(2) as f32)
        .collect()
}

impl Pesq {
    /// On `device`.
    pub fn new(device: Device) -> Self {
        let bin_hz = f64::from(SAMPLE_RATE_HZ) / WINDOW_SAMPLES as f64;
        let bins = (HIGHEST_HZ / bin_hz) as usize;
        let step = bark(HIGHEST_HZ) / BANDS as f64;
        // Low bands are narrower than a bin: those without one leave their width to the band below.
        let mut members: Vec<(usize, Vec<usize>)> = Vec::new();
        for bin in 1..bins {
            let band = (bark(bin as f64 * bin_hz) / step) as usize;
            match members.last_mut() {
                Some((last, bins)) if *last == band => bins.push(bin),
                _ => members.push((band, vec![bin])),
            }
        }
        let count = members.len();
        let mut matrix = vec![0f32; bins * count];
        let (mut threshold, mut exponents, mut widths) = (Vec::new(), Vec::new(), Vec::new());
        for (n, (band, of)) in members.iter().enumerate() {
            for &bin in of {
                matrix[bin * count + n] = input_filter(bin as f64 * bin_hz) as f32;
            }
            let centre_hz = of.iter().sum::<usize>() as f64 / of.len() as f64 * bin_hz;
            let centre = (*band as f64 + 0.5) * step;
            let steeper = if centre < 4.0 {
                (6.0 / (centre + 2.0)).min(2.0)
            } else {
                1.0
            };
            let next = members.get(n + 1).map_or(BANDS, |(band, _)| *band);
            threshold.push(10f64.powf(threshold_db(centre_hz) / 10.0) as f32);
            exponents.push((EXPONENT * steeper.powf(0.15)) as f32);
            widths.push(((next - band) as f64 * step) as f32);
        }
        let level: Vec<f32> = (0..bins)
            .map(|bin| f32::from(LEVEL_HZ.contains(&(bin as f64 * bin_hz))))
            .collect();
        let width = widths.iter().map(|&width| f64::from(width)).sum();
        let on_device = |values: &[f32]| Tensor::from_slice(values).to_device(device);
        Self {
            window: on_device(&hann()),
            bands: on_device(&matrix).view([bins as i64, count as i64]),
            level: on_device(&level),
            threshold: on_device(&threshold),
            exponents: on_device(&exponents),
            widths: on_device(&widths),
            width,
        }
    }

    /// Scores from about 1 to 4.64 of `outputs` against `originals`, both `[clips, samples]` at 48 kHz: `[clips]`.
    pub fn of(&self, outputs: &Tensor, originals: &Tensor) -> Tensor {
        let (original, output) = (self.powers(originals), self.powers(outputs));
        let (original, output) = self.compensate(&original, &output);
        let [was, is] = [&original, &output].map(|power| self.loudness(power));
        let masked = was.minimum(&is) * MASKED;
        let heard = ((is - was).abs() - masked).clamp_min(0.0) * &self.widths;

        let added = ((&output + 50.0) / (&original + 50.0)).pow_tensor_scalar(1.2);
        let counts = added.ge(3.0).to_kind(Kind::Float);
        let added = added.clamp_max(12.0) * counts;
        let sum = |values: Tensor| values.sum_dim_intlist(-1, false, Kind::Float);
        let root = (sum(heard.square()) / self.width + 1e-9).sqrt() * self.width;
        let importance = ((self.audible(&original, 1.0) + 1e5) / 1e7).pow_tensor_scalar(-0.04);
        let of_clip = |disturbance: Tensor| over_time(&limited(&(disturbance * &importance)));
        let raw = of_clip(root) * -0.1 - of_clip(sum(heard * added)) * 0.0309 + 4.5;
        // P.862.2
        (raw * 1.3669 - 3.8224).sigmoid() * 4.0 + 0.999
    }

    /// Powers in bands, at the standard's level: `[clips, frames, bands]`.
    fn powers(&self, samples: &Tensor) -> Tensor {
        let frames = samples.unfold(1, WINDOW_SAMPLES, WINDOW_SAMPLES / 2) * &self.window;
        let spectrum = frames.fft_rfft(None, -1, "backward").view_as_real();
        let power = stft::power(&spectrum.narrow(2, 0, self.level.size()[0]));
        let level = (&power * &self.level)
            .sum_dim_intlist(-1, false, Kind::Float)
            .mean_dim(1, false, Kind::Float);
        let gain = level.clamp_min(1e-12).reciprocal() * LEVEL_POWER;
        power.matmul(&self.bands) * gain.view([-1, 1, 1])
    }

    /// Power of the bands that are so many times above their thresholds: `[clips, frames]`.
    fn audible(&self, powers: &Tensor, times: f64) -> Tensor {
        let audible = powers.gt_tensor(&(&self.threshold * times));
        (powers * audible.to_kind(Kind::Float)).sum_dim_intlist(-1, false, Kind::Float)
    }

    /// The original filtered like the output, and the output as loud as the original; what is forgiven has no gradient.
    fn compensate(&self, original: &Tensor, output: &Tensor) -> (Tensor, Tensor) {
        let (filter, gains) =
            tch::no_grad(|| {
                let speech = self.audible(original, 100.0).gt(SPEECH_POWER);
                let speech = speech.to_kind(Kind::Float).unsqueeze(-1);
                let frames = speech.sum_dim_intlist(1, true, Kind::Float).clamp_min(1.0);
                let mean =
                    |powers: &Tensor| {
                        let audible = powers.gt_tensor(&(&self.threshold * 100.0));
                        let sum = (powers * audible.to_kind(Kind::Float) * &speech)
                            .sum_dim_intlist(1, true, Kind::Float);
                        sum / &frames + 1000.0
                    };
                let filter = (mean(output) / mean(original)).clamp(0.01, 100.0);
                let filtered = original * &filter;
                let [was, is] = [&filtered, output].map(|powers| self.audible(powers, 1.0) + 5e3);
                // What a fifth of the gain before leaves: from four frames before on, a thousandth.
                let taps =
                    Tensor::from_slice(&[0.0064f32, 0.032, 0.16, 0.8]).to_device(output.device());
                let gains = (was / is).unsqueeze(1).replication_pad1d([3, 0]).conv1d(
                    &taps.view([1, 1, -1]),
                    None::<Tensor>,
                    1,
                    0,
                    1,
                    1,
                );
                (filter, gains.squeeze_dim(1).clamp(3e-4, 5.0).unsqueeze(-1))
            });
        (original * filter, output * gains)
    }

    /// Loudness of each band (Zwicker).
    fn loudness(&self, powers: &Tensor) -> Tensor {
        let over = powers.maximum(&self.threshold) / &self.threshold;
        let scale = (&self.threshold / 0.5).pow(&self.exponents) * LOUDNESS;
        ((over * 0.5 + 0.5).pow(&self.exponents) - 1.0) * scale
    }
}

/// Disturbances beyond the largest count a tenth.
fn limited(disturbance: &Tensor) -> Tensor {
    let beyond = (disturbance - LARGEST_DISTURBANCE).clamp_min(0.0) * BEYOND;
    disturbance.clamp_max(LARGEST_DISTURBANCE) + beyond
}

/// Disturbances `[clips, frames]` of whole clips: of each interval the sixth-power mean, of these the quadratic one.
fn over_time(disturbance: &Tensor) -> Tensor {
    let frames = INTERVAL_FRAMES.min(disturbance.size()[1]);
    let intervals = disturbance.unfold(1, frames, INTERVAL_HOP);
    let worst = (intervals / LARGEST_DISTURBANCE)
        .pow_tensor_scalar(6.0)
        .mean_dim(-1, false, Kind::Float);
    let squares = (worst + 1e-15).pow_tensor_scalar(1.0 / 3.0);
    squares.mean_dim(1, false, Kind::Float).sqrt() * LARGEST_DISTURBANCE
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::decode;

    fn read(name: &str) -> Tensor {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("samples")
            .join(name);
        let (samples, rate_hz) = decode::read_mono(&path).unwrap();
        assert_eq!(rate_hz, SAMPLE_RATE_HZ);
        Tensor::from_slice(&samples).unsqueeze(0)
    }

    /// Scores of the reference implementation (the Python package pesq 0.0.4, after resampling to 16 kHz).
    #[test]
    fn scores_are_close_to_those_of_the_reference() {
        let pesq = Pesq::new(Device::Cpu);
        let cases = [
            ("english-fan", [4.27, 3.51, 2.70, 1.56]),
            ("russian-keyboard", [4.06, 3.26, 2.27, 1.50]),
            ("chinese-3d-printer", [3.33, 2.67, 2.07, 1.30]),
        ];
        for (name, expected) in cases {
            let [clean, noisy] = ["clean", "noisy"].map(|side| read(&format!("{side}/{name}.wav")));
            for (share, expected) in [0.02, 0.05, 0.1, 0.3].into_iter().zip(expected) {
                let heard = &clean + (&noisy - &clean) * share;
                let found = pesq.of(&heard, &clean).double_value(&[0]);
                assert!(
                    (found - expected).abs() < 0.5,
                    "{name} {share}: {found:.2}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn gradients_lead_to_better_scores() {
        let pesq = Pesq::new(Device::Cpu);
        let clean = read("clean/english-fan.wav");
        let noise = (read("noisy/english-fan.wav") - &clean) * 0.2;
        let heard = (&clean + noise).set_requires_grad(true);
        let before = pesq.of(&heard, &clean);
        before.sum(Kind::Float).backward();
        let gradient = heard.grad();
        let step = &gradient / gradient.norm() * heard.norm() * 0.003;
        let after = pesq.of(&(heard + step), &clean);
        let [before, after] = [before, after].map(|score| score.double_value(&[0]));
        assert!(after > before + 0.05, "{before} {after}");
    }

    #[test]
    fn the_original_has_the_best_score_at_any_level() {
        let pesq = Pesq::new(Device::Cpu);
        let clean = read("clean/english-fan.wav");
        for gain in [1.0, 0.01] {
            let score = pesq.of(&(&clean * gain), &clean).double_value(&[0]);
            assert!((score - 4.64).abs() < 0.01, "{score}");
        }
    }
}
