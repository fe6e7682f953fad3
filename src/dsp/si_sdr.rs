//! Scale-invariant signal-to-distortion ratio.
//!
//! J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: "SDR – half-baked or well done?",
//! ICASSP 2019, equation 5: with α = ⟨ŝ, s⟩ / ‖s‖², SI-SDR = 10 log10(‖αs‖² / ‖αs − ŝ‖²).

use super::power_to_db;

/// SI-SDR of `estimate` in dB; +∞ for a scaled copy of the reference, −∞ for silence or for an
/// estimate without any of the reference. Both slices are compared over their common length.
pub fn si_sdr_db(reference: &[f32], estimate: &[f32]) -> f64 {
    let mut meter = SiSdr::default();
    meter.push(reference, estimate);
    meter.value_db()
}

/// SI-SDR of a stream, chunk by chunk.
#[derive(Clone, Copy, Debug, Default)]
pub struct SiSdr {
    reference_energy: f64,
    estimate_energy: f64,
    product: f64,
}

impl SiSdr {
    /// Adds the common length of two aligned chunks.
    pub fn push(&mut self, reference: &[f32], estimate: &[f32]) {
        for (&reference, &estimate) in reference.iter().zip(estimate) {
            let (reference, estimate) = (f64::from(reference), f64::from(estimate));
            self.reference_energy += reference * reference;
            self.estimate_energy += estimate * estimate;
            self.product += reference * estimate;
        }
    }

    /// The ratio over everything pushed, in dB, as [`si_sdr_db`].
    pub fn value_db(&self) -> f64 {
        if self.reference_energy == 0.0 {
            return f64::NEG_INFINITY;
        }
        let target = self.product * self.product / self.reference_energy;
        // ‖αs − ŝ‖² = ‖ŝ‖² − ‖αs‖², because the error is orthogonal to the reference.
        let distortion = self.estimate_energy - target;
        if target == 0.0 {
            f64::NEG_INFINITY
        } else if distortion <= self.estimate_energy * f64::EPSILON {
            f64::INFINITY
        } else {
            power_to_db(target / distortion)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definition() {
        // By hand: α = 5/4, αs = (2.5, 0, 0), error (0, 0, 0.25), 10 log10(6.25 / 0.0625) = 20 dB.
        let value = si_sdr_db(&[2.0, 0.0, 0.0], &[2.5, 0.0, 0.25]);
        assert!((value - 20.0).abs() < 1e-9, "{value}");
    }

    #[test]
    fn ignores_scale_and_chunking() {
        let reference: Vec<f32> = (0..4000).map(|n| (n as f32 * 0.37).sin()).collect();
        let noisy: Vec<f32> = (0..4000)
            .map(|n| (n as f32 * 0.37).sin() + 0.1 * (n as f32 * 1.9).cos())
            .collect();
        let scaled: Vec<f32> = noisy.iter().map(|sample| -7.0 * sample).collect();
        let whole = si_sdr_db(&reference, &noisy);
        assert!((whole - 20.0).abs() < 0.1, "{whole}");
        assert!((si_sdr_db(&reference, &scaled) - whole).abs() < 1e-4);
        let mut meter = SiSdr::default();
        for (reference, noisy) in reference.chunks(77).zip(noisy.chunks(77)) {
            meter.push(reference, noisy);
        }
        assert!((meter.value_db() - whole).abs() < 1e-9);
    }

    #[test]
    fn has_infinite_ends() {
        assert_eq!(si_sdr_db(&[1.0, 2.0], &[2.0, 4.0]), f64::INFINITY);
        assert_eq!(si_sdr_db(&[1.0, 0.0], &[0.0, 1.0]), f64::NEG_INFINITY);
        assert_eq!(si_sdr_db(&[0.0, 0.0], &[1.0, 1.0]), f64::NEG_INFINITY);
        assert_eq!(si_sdr_db(&[1.0, 1.0], &[0.0, 0.0]), f64::NEG_INFINITY);
    }
}
