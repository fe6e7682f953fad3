//! Coloured noise: random phases under a chosen spectrum, made by one inverse FFT.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use super::RATE_HZ;
use super::draw::{Span, uniform};
use crate::dsp::fft;

/// Longest stretch from one FFT; longer noises are joined from several.
const MAX_FFT_LEN: usize = 1 << 19;
/// Samples over which two stretches cross-fade.
const JOIN_SAMPLES: usize = 4800;
/// Nothing below this frequency: a falling spectrum has no end there.
const LOWEST_HZ: f32 = 20.0;

/// Which colours the training draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coloured {
    /// Exponent of the power spectrum f^tilt: 0 white, −1 pink, −2 brown, +1 blue.
    pub tilt: Span,
    /// How many resonances colour the noise further.
    pub bumps: Span,
    /// Gain of each resonance, in dB.
    pub bump_db: Span,
}

impl Default for Coloured {
    fn default() -> Self {
        Self {
            tilt: Span::new(-2.0, 1.0),
            bumps: Span::new(0.0, 5.0),
            bump_db: Span::new(-12.0, 15.0),
        }
    }
}

impl Coloured {
    /// `len` samples of a random colour, RMS about 1.
    pub fn generate(&self, len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let tilt = self.tilt.draw(rng);
        let bumps: Vec<Bump> = (0..self.bumps.draw_count(rng))
            .map(|_| Bump {
                hz: Span::new(60.0, 16_000.0).draw_log(rng),
                octaves: Span::new(0.08, 1.0).draw_log(rng),
                gain_db: self.bump_db.draw(rng),
            })
            .collect();
        shaped_noise(len, tilt, &bumps, rng)
    }
}

/// A raised (or lowered) region of a spectrum, Gaussian over the logarithm of the frequency.
#[derive(Clone, Copy, Debug)]
pub struct Bump {
    /// Centre, in Hz.
    pub hz: f32,
    /// Standard deviation, in octaves.
    pub octaves: f32,
    /// Gain at the centre, in dB.
    pub gain_db: f32,
}

/// `len` samples of Gaussian noise with the power spectrum f^tilt times the bumps; RMS about 1.
pub fn shaped_noise(len: usize, tilt: f32, bumps: &[Bump], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut noise = stretch(len, tilt, bumps, rng);
    while noise.len() < len {
        let next = stretch(len - noise.len() + JOIN_SAMPLES, tilt, bumps, rng);
        let joint = noise.len() - JOIN_SAMPLES.min(noise.len()).min(next.len());
        let overlap = noise.len() - joint;
        for (n, (old, new)) in noise[joint..].iter_mut().zip(&next).enumerate() {
            // Equal power, because the two are unrelated.
            let (fade_in, fade_out) =
                ((n as f32 + 0.5) / overlap as f32 * std::f32::consts::FRAC_PI_2).sin_cos();
            *old = *old * fade_out + new * fade_in;
        }
        noise.extend_from_slice(&next[overlap..]);
    }
    noise.truncate(len);
    noise
}

fn stretch(len: usize, tilt: f32, bumps: &[Bump], rng: &mut ChaCha8Rng) -> Vec<f32> {
    if len == 0 {
        return Vec::new();
    }
    // A minimum, so that short noises still have bins in the lowest octaves.
    let fft_len = fft::fast_len(len.max(4096)).min(MAX_FFT_LEN);
    let plan = fft::inverse(fft_len);
    let mut spectrum = plan.make_input_vec();
    let mut energy = 0.0f64;
    for (from, to, mut amplitude, step) in segments(fft_len, tilt, bumps) {
        for bin in &mut spectrum[from..to] {
            let bits = rng.next_u64();
            *bin = Complex::new(uniform(bits as u32), uniform((bits >> 32) as u32)) * amplitude;
            energy += f64::from(amplitude * amplitude);
            amplitude += step;
        }
    }
    // Each bin's two uniform parts have variance 1/3; a bin counts twice in the time signal.
    let norm = (1.0 / (2.0 * (2.0 / 3.0) * energy).sqrt()) as f32;
    let mut noise = plan.make_output_vec();
    plan.process(&mut spectrum, &mut noise)
        .expect("the plan made the buffers, and both ends of the spectrum are zero");
    noise.truncate(len);
    noise.iter_mut().for_each(|sample| *sample *= norm);
    noise
}

/// The amplitude spectrum as straight lines over 1/16 octave: (first bin, end bin, amplitude there,
/// step per bin). Evaluating powers per bin would cost more than the FFT.
fn segments(
    fft_len: usize,
    tilt: f32,
    bumps: &[Bump],
) -> impl Iterator<Item = (usize, usize, f32, f32)> {
    let bin_hz = RATE_HZ / fft_len as f32;
    let amplitude_at = move |bin: usize| {
        let octave = (bin as f32 * bin_hz / 1000.0).log2();
        let bump_db: f32 = bumps
            .iter()
            .map(|bump| {
                let distance = (octave - (bump.hz / 1000.0).log2()) / bump.octaves;
                bump.gain_db * (-0.5 * distance * distance).exp()
            })
            .sum();
        2f32.powf(octave * tilt / 2.0 + bump_db / 6.0206)
    };
    let end = fft_len / 2;
    let mut from = ((LOWEST_HZ / bin_hz).ceil() as usize).max(1);
    std::iter::from_fn(move || {
        (from < end).then(|| {
            let to = ((from as f32 * 1.0443) as usize).max(from + 1).min(end);
            let (low, high) = (amplitude_at(from), amplitude_at(to));
            let segment = (from, to, low, (high - low) / (to - from) as f32);
            from = to;
            segment
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::level::rms;
    use super::*;
    use rand::SeedableRng;

    /// Slope of the power spectrum over the frequency, both logarithmic, between 100 Hz and 10 kHz.
    fn measured_tilt(noise: &[f32]) -> f32 {
        const LEN: usize = 8192;
        let plan = fft::forward(LEN);
        let mut power = vec![0.0f32; LEN / 2 + 1];
        for block in noise.chunks_exact(LEN) {
            let mut windowed: Vec<f32> = (0..LEN)
                .map(|n| block[n] * (std::f32::consts::PI * n as f32 / LEN as f32).sin().powi(2))
                .collect();
            let mut spectrum = plan.make_output_vec();
            plan.process(&mut windowed, &mut spectrum).unwrap();
            power
                .iter_mut()
                .zip(&spectrum)
                .for_each(|(sum, bin)| *sum += bin.norm_sqr());
        }
        let bin = |hz: f32| (hz / RATE_HZ * LEN as f32) as usize;
        let points: Vec<(f32, f32)> = (0..60)
            .map(|i| 100.0 * 100f32.powf(i as f32 / 60.0))
            .map(|hz| {
                let (from, to) = (bin(hz), bin(hz * 1.08).max(bin(hz) + 1));
                let mean = power[from..to].iter().sum::<f32>() / (to - from) as f32;
                (((from + to - 1) as f32 / 2.0).ln(), mean.ln())
            })
            .collect();
        let n = points.len() as f32;
        let (mx, my) = points
            .iter()
            .fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
        let covariance: f32 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
        covariance / points.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f32>()
    }

    #[test]
    fn spectrum_has_the_requested_tilt() {
        for tilt in [-2.0, -1.0, 0.0, 1.0] {
            let noise = shaped_noise(960_000, tilt, &[], &mut ChaCha8Rng::seed_from_u64(1));
            let measured = measured_tilt(&noise);
            assert!(
                (measured - tilt).abs() < 0.1,
                "wanted {tilt}, measured {measured}"
            );
        }
    }

    #[test]
    fn any_length_comes_at_unit_level() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for len in [240_000, 288_000, MAX_FFT_LEN + 1, 3 * MAX_FFT_LEN] {
            let noise = shaped_noise(len, -1.0, &[], &mut rng);
            assert_eq!(noise.len(), len);
            assert!((rms(&noise) - 1.0).abs() < 0.1, "{len}: {}", rms(&noise));
        }
        for len in [0, 1, 7] {
            assert_eq!(shaped_noise(len, 1.0, &[], &mut rng).len(), len);
        }
    }
}
