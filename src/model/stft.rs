//! Short-time Fourier analysis and overlap-add synthesis with half-overlapping frames.
//!
//! Both sides use the power-complementary Vorbis window, so analysis followed by synthesis gives the
//! input back, later by one hop. Frame `t` covers the hop before it and its own hop: no look-ahead,
//! and the first frame sees a hop of silence.

use tch::{Device, Kind, Tensor};

/// Windowed FFT of half-overlapping frames.
#[derive(Debug)]
pub struct Stft {
    window_samples: i64,
    hop_samples: i64,
    window: Tensor,
}

impl Stft {
    /// Frames of `window_samples` every `window_samples / 2`.
    pub fn new(window_samples: i64, device: Device) -> Self {
        let half_pi = std::f64::consts::FRAC_PI_2;
        let window: Vec<f32> = (0..window_samples)
            .map(|n| {
                let sine = (half_pi * (2 * n + 1) as f64 / window_samples as f64).sin();
                (half_pi * sine * sine).sin() as f32
            })
            .collect();
        Self {
            window_samples,
            hop_samples: window_samples / 2,
            window: Tensor::from_slice(&window).to_device(device),
        }
    }

    /// Samples per frame.
    pub fn hop_samples(&self) -> i64 {
        self.hop_samples
    }

    /// The silence before the first frame: `[batch, hop]`.
    pub fn silence(&self, batch: i64) -> Tensor {
        Tensor::zeros(
            [batch, self.hop_samples],
            (Kind::Float, self.window.device()),
        )
    }

    /// Spectra `[batch, frames, bins, 2]` (real, imaginary) of samples `[batch, frames * hop]`.
    ///
    /// `previous` `[batch, hop]` is the last hop of the call before and becomes the last of this one.
    /// White noise of variance 1 has an expected power of 1 in every bin.
    pub fn analyse(&self, samples: &Tensor, previous: &mut Tensor) -> Tensor {
        let extended = Tensor::cat(&[&*previous, samples], 1);
        let hops = extended.view([samples.size()[0], -1, self.hop_samples]);
        let count = hops.size()[1] - 1;
        *previous = hops.select(1, count);
        let frames =
            Tensor::cat(&[hops.narrow(1, 0, count), hops.narrow(1, 1, count)], 2) * &self.window;
        let scale = 1.0 / (self.hop_samples as f64).sqrt();
        frames.fft_rfft(None, -1, "backward").view_as_real() * scale
    }

    /// Samples `[batch, frames * hop]` of spectra `[batch, frames, bins, 2]`, one hop late.
    ///
    /// `overlap` `[batch, hop]` is the unfinished second half of the last frame.
    pub fn synthesise(&self, spectrum: &Tensor, overlap: &mut Tensor) -> Tensor {
        let scale = (self.hop_samples as f64).sqrt();
        let frames = spectrum
            .view_as_complex()
            .fft_irfft(self.window_samples, -1, "backward")
            * (&self.window * scale);
        let count = frames.size()[1];
        let first = frames.narrow(2, 0, self.hop_samples);
        let second = frames.narrow(2, self.hop_samples, self.hop_samples);
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

    #[test]
    fn synthesis_returns_the_input_one_hop_late() {
        let stft = Stft::new(960, Device::Cpu);
        let x = Tensor::randn([2, 480 * 20], (Kind::Float, Device::Cpu));
        let spectrum = stft.analyse(&x, &mut stft.silence(2));
        assert_eq!(spectrum.size(), [2, 20, 481, 2]);
        let y = stft.synthesise(&spectrum, &mut stft.silence(2));
        let difference = y.narrow(1, 480, 480 * 19) - x.narrow(1, 0, 480 * 19);
        assert!(f64::try_from(difference.abs().max()).unwrap() < 1e-5);
    }

    #[test]
    fn white_noise_has_unit_power_per_bin() {
        let stft = Stft::new(960, Device::Cpu);
        let x = Tensor::randn([1, 480 * 2000], (Kind::Float, Device::Cpu));
        let spectrum = stft.analyse(&x, &mut stft.silence(1));
        let power = spectrum
            .square()
            .sum_dim_intlist(-1, false, Kind::Float)
            .mean(Kind::Float);
        assert!((f64::try_from(power).unwrap() - 1.0).abs() < 0.02);
    }
}
