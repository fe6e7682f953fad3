//! How good an estimate of clean speech is, measured against the clean recording.
//!
//! Each measure is a function of its own; [`Metric`] lists what is known about them for tables, and
//! [`measure`] takes all that need nothing but the two signals. SI-SDR is in [`crate::dsp`], which
//! training uses, too.

pub mod log_spectral;
pub mod metric;
pub mod noise_level;
mod octave_resample;
pub mod segmental_snr;
pub mod stoi;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;

use crate::dsp::si_sdr::si_sdr_db;
pub use metric::{Better, Facts, Metric};

/// What was measured of one signal. A value that does not exist (a ratio without noise, too short a
/// signal, no helper) is missing.
pub type Scores = BTreeMap<Metric, f64>;

/// All measures of `estimate` against the clean `reference` that need nothing else; both at
/// `rate_hz` and of one length.
pub fn measure(reference: &[f32], estimate: &[f32], rate_hz: u32) -> Scores {
    let intelligibility = stoi::intelligibility(reference, estimate, rate_hz);
    let values = [
        (Metric::SiSdr, Some(si_sdr_db(reference, estimate))),
        (Metric::Stoi, intelligibility.map(|value| value.stoi)),
        (Metric::Estoi, intelligibility.map(|value| value.estoi)),
        (
            Metric::LogSpectralDistance,
            log_spectral::log_spectral_distance_db(reference, estimate, rate_hz),
        ),
        (
            Metric::SegmentalSnr,
            segmental_snr::segmental_snr_db(reference, estimate, rate_hz),
        ),
        (
            Metric::ResidualNoise,
            noise_level::residual_noise_dbfs(reference, estimate, rate_hz),
        ),
    ];
    let exist = |(metric, value): (Metric, Option<f64>)| Some((metric, value?));
    let finite = |(_, value): &(Metric, f64)| value.is_finite();
    values
        .into_iter()
        .filter_map(exist)
        .filter(finite)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::testing::{noisy, speech_like};
    use super::*;

    /// STOI and ESTOI of pystoi 0.4.1, the others by their definitions in numpy, all by
    /// `scripts/eval/check_metrics.py --golden`, which makes the same signals.
    #[test]
    fn agree_with_other_implementations() {
        #[rustfmt::skip]
        let golden = [
            (10_000, 0.05, [4.33149, 0.88930, 0.58469, 29.07489, -3.68102, -30.75476]),
            (16_000, 0.01, [18.35198, 0.99116, 0.95168, 17.56197, 2.64801, -44.74196]),
            (44_100, 0.2, [-7.73010, 0.77535, 0.39207, 31.42137, -8.08622, -18.73411]),
            (48_000, 0.05, [4.38611, 0.96359, 0.81066, 26.25637, -3.66661, -30.78469]),
        ];
        let metrics = [
            Metric::SiSdr,
            Metric::Stoi,
            Metric::Estoi,
            Metric::LogSpectralDistance,
            Metric::SegmentalSnr,
            Metric::ResidualNoise,
        ];
        for (rate_hz, noise_gain, expected) in golden {
            let reference = speech_like(rate_hz);
            let scores = measure(&reference, &noisy(&reference, noise_gain), rate_hz);
            for (metric, expected) in metrics.into_iter().zip(expected) {
                let value = scores[&metric];
                assert!(
                    (value - expected).abs() < 2e-4,
                    "{metric:?} at {rate_hz} Hz: {value}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn what_has_no_finite_value_is_missing() {
        let reference = speech_like(16_000);
        let scores = measure(&reference, &reference, 16_000);
        assert!(!scores.contains_key(&Metric::SiSdr));
        assert!(measure(&[0.0; 50], &[0.0; 50], 16_000).is_empty());
    }
}
