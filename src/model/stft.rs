//! Short-time Fourier analysis with a long look back, and overlap-add synthesis with a short one.
//!
//! Harmonics of a voice are told apart only by frames several pitch periods long, but synthesis cannot
//! wait for them. So the analysis window rises slowly over the past and falls within the last hop, and
//! synthesis takes the last two hops of each frame alone (Mauler and Martin, "A low delay, variable
//! resolution, perfect reconstruction spectral analysis-synthesis system for speech enhancement",
//! 2007): analysis followed by synthesis gives the input back, later by one hop. No frame looks ahead,
//! and the first ones see silence before the start. Both slopes are quarters of a sine; with a window
//! of two hops both sides use the same sine window.

use std::f64::consts::FRAC_PI_2;

use tch::{Device, Kind, Tensor};

use super::frame::FrameStft;
use super::slices::values;

/// Windowed FFT of a frame every hop.
#[derive(Debug)]
pub struct Stft {
    window_samples: i64,
    hop_samples: i64,
    /// `[window]`.
    analysis: Tensor,
    /// `[2 * hop]`.
    synthesis: Tensor,
}

impl Stft {
    /// Frames of `window_samples`, at least two hops, every `hop_samples`.
    pub fn new(window_samples: i64, hop_samples: i64, device: Device) -> Self {
        let (window, hop) = (window_samples as usize, hop_samples as usize);
        let rising = |n: usize, length: usize| (FRAC_PI_2 * (n as f64 + 0.5) / length as f64).sin();
        let analysis: Vec<f64> = (0..window - hop)
            .map(|n| rising(n, window - hop))
            .chain((0..hop).rev().map(|n| rising(n, hop)))
            .collect();
        // The product of both windows is a Hann window of two hops. Scaled so that white noise of
        // variance 1 has an expected power of 1 in every bin.
        let scale = (window as f64 / 2.0).sqrt();
        let synthesis = analysis[window - 2 * hop..]
            .iter()
            .enumerate()
            .map(|(n, analysis)| {
                let root = rising(n.min(2 * hop - 1 - n), hop);
                (root * root / analysis * scale) as f32
            });
        let synthesis: Vec<f32> = synthesis.collect();
        let analysis: Vec<f32> = analysis.iter().map(|x| (x / scale) as f32).collect();
        Self {
            window_samples,
            hop_samples,
            analysis: Tensor::from_slice(&analysis).to_device(device),
            synthesis: Tensor::from_slice(&synthesis).to_device(device),
        }
    }

    /// The same on single frames.
    pub fn frames(&self) -> FrameStft {
        FrameStft::new(values(&self.analysis), values(&self.synthesis))
    }

    /// Samples per frame.
    pub fn hop_samples(&self) -> i64 {
        self.hop_samples
    }

    /// The silence before the first frame, for [`Self::analyse`]: `[batch, window - hop]`.
    pub fn past(&self, batch: i64) -> Tensor {
        self.silence(batch, self.window_samples - self.hop_samples)
    }

    /// Nothing to finish yet, for [`Self::synthesise`]: `[batch, hop]`.
    pub fn overlap(&self, batch: i64) -> Tensor {
        self.silence(batch, self.hop_samples)
    }

    fn silence(&self, batch: i64, samples: i64) -> Tensor {
        Tensor::zeros([batch, samples], (Kind::Float, self.analysis.device()))
    }

    /// Spectra `[batch, frames, bins, 2]` (real, imaginary) of samples `[batch, frames * hop]`.
    ///
    /// `past` holds the samples before them, and afterwards those before the next call.
    /// White noise of variance 1 has an expected power of 1 in every bin.
    pub fn analyse(&self, samples: &Tensor, past: &mut Tensor) -> Tensor {
        let extended = Tensor::cat(&[&*past, samples], 1);
        let kept = past.size()[1];
        *past = extended.narrow(1, extended.size()[1] - kept, kept);
        let frames = extended.unfold(1, self.window_samples, self.hop_samples) * &self.analysis;
        frames.fft_rfft(None, -1, "backward").view_as_real()
    }

    /// Samples `[batch, frames * hop]` of spectra `[batch, frames, bins, 2]`, one hop late.
    ///
    /// `overlap` is the unfinished second half of the last frame.
    pub fn synthesise(&self, spectrum: &Tensor, overlap: &mut Tensor) -> Tensor {
        let hop = self.hop_samples;
        let frames = spectrum
            .view_as_complex()
            .fft_irfft(self.window_samples, -1, "backward")
            .narrow(2, self.window_samples - 2 * hop, 2 * hop)
            * &self.synthesis;
        let count = frames.size()[1];
        let first = frames.narrow(2, 0, hop);
        let second = frames.narrow(2, hop, hop);
        let late = Tensor::cat(&[&overlap.unsqueeze(1), &second.narrow(1, 0, count - 1)], 1);
        *overlap = second.select(1, count - 1);
        (first + late).flatten(1, 2)
    }
}

/// Power `[…]` of spectra `[…, 2]`.
pub fn power(spectrum: &Tensor) -> Tensor {
    // A sum over a dimension of two is many times slower than adding its halves.
    spectrum.select(-1, 0).square() + spectrum.select(-1, 1).square()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [(i64, i64); 2] = [(960, 480), (1920, 480)];

    #[test]
    fn synthesis_returns_the_input_one_hop_late() {
        for (window, hop) in SHAPES {
            let stft = Stft::new(window, hop, Device::Cpu);
            let x = Tensor::randn([2, 480 * 20], (Kind::Float, Device::Cpu));
            let spectrum = stft.analyse(&x, &mut stft.past(2));
            assert_eq!(spectrum.size(), [2, 20, window / 2 + 1, 2]);
            let y = stft.synthesise(&spectrum, &mut stft.overlap(2));
            let difference = y.narrow(1, 480, 480 * 19) - x.narrow(1, 0, 480 * 19);
            assert!(f64::try_from(difference.abs().max()).unwrap() < 1e-5);
        }
    }

    #[test]
    fn white_noise_has_unit_power_per_bin() {
        for (window, hop) in SHAPES {
            let stft = Stft::new(window, hop, Device::Cpu);
            let x = Tensor::randn([1, 480 * 2000], (Kind::Float, Device::Cpu));
            let spectrum = stft.analyse(&x, &mut stft.past(1));
            let power = power(&spectrum).mean(Kind::Float);
            assert!((f64::try_from(power).unwrap() - 1.0).abs() < 0.03);
        }
    }

    /// The harmonics of a voice of 110 Hz stand out of the valleys between them by 10 dB.
    #[test]
    fn a_long_window_tells_harmonics_apart() {
        let sample = |n: usize| {
            let t = n as f64 / 48_000.0;
            let harmonic = |k: usize| (2.0 * std::f64::consts::PI * 110.0 * k as f64 * t).sin();
            (1..20).map(harmonic).sum::<f64>() as f32
        };
        let x: Vec<f32> = (0..480 * 20).map(sample).collect();
        let stft = Stft::new(1920, 480, Device::Cpu);
        let x = Tensor::from_slice(&x).unsqueeze(0);
        let spectrum = stft.analyse(&x, &mut stft.past(1));
        let power = Vec::<f32>::try_from(&power(&spectrum).select(1, 15).flatten(0, 1)).unwrap();
        let at = |hz: f64| power[(hz / 25.0).round() as usize];
        for k in 4..8 {
            let (peak, valley) = (at(110.0 * f64::from(k)), at(110.0 * (f64::from(k) + 0.5)));
            assert!(peak > 10.0 * valley, "{peak} {valley}");
        }
    }
}
