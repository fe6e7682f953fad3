//! Segmental signal-to-noise ratio: the mean over short frames, each limited to what listeners tell
//! apart.
//!
//! J. H. L. Hansen, B. L. Pellom: "An effective quality evaluation protocol for speech enhancement
//! algorithms", ICSLP 1998. Frames, window and limits are those of `comp_snr.m` in P. C. Loizou:
//! "Speech Enhancement: Theory and Practice", 2007: 30 ms, a quarter apart, Hann, −10 to 35 dB.

use crate::dsp::power_to_db;

const FRAME_SECONDS: f64 = 0.030;
const LIMITS_DB: (f64, f64) = (-10.0, 35.0);

/// Segmental SNR of `estimate` in dB, both at `rate_hz` and of one length; `None` if they are shorter
/// than a frame and a quarter. Unlike SI-SDR it asks for the reference's level, too. In the reference's pauses
/// the lower limit counts, whatever the estimate does there.
pub fn segmental_snr_db(reference: &[f32], estimate: &[f32], rate_hz: u32) -> Option<f64> {
    let frame = (FRAME_SECONDS * f64::from(rate_hz)).round() as usize;
    let hop = frame / 4;
    let step = std::f64::consts::PI / (frame + 1) as f64;
    let window: Vec<f64> = (1..=frame)
        .map(|n| (n as f64 * step).sin().powi(2))
        .collect();
    let frames = reference.len().checked_sub(frame)? / hop;
    if frames == 0 {
        return None;
    }
    let of_frame = |start: usize| {
        let (mut signal, mut noise) = (0.0, 0.0);
        for (n, window) in window.iter().enumerate() {
            let reference = f64::from(reference[start + n]);
            let error = reference - f64::from(estimate[start + n]);
            signal += (window * reference).powi(2);
            noise += (window * error).powi(2);
        }
        power_to_db(signal / (noise + f64::EPSILON) + f64::EPSILON).clamp(LIMITS_DB.0, LIMITS_DB.1)
    };
    let sum: f64 = (0..frames).map(|index| of_frame(index * hop)).sum();
    Some(sum / frames as f64)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Lcg, noisy};
    use super::*;

    #[test]
    fn steady_noise_on_a_steady_signal_has_their_ratio() {
        let mut rng = Lcg::new(3);
        let reference: Vec<f32> = (0..32_000).map(|_| rng.draw()).collect();
        let estimate: Vec<f32> = reference
            .iter()
            .map(|sample| sample + 0.1 * rng.draw())
            .collect();
        let value = segmental_snr_db(&reference, &estimate, 16_000).unwrap();
        assert!((value - 20.0).abs() < 0.1, "{value}");
    }

    #[test]
    fn is_limited_to_what_listeners_tell_apart() {
        let mut rng = Lcg::new(4);
        let reference: Vec<f32> = (0..16_000).map(|_| rng.draw()).collect();
        assert_eq!(segmental_snr_db(&reference, &reference, 16_000), Some(35.0));
        let drowned = noisy(&reference, 1e4);
        assert_eq!(segmental_snr_db(&reference, &drowned, 16_000), Some(-10.0));
    }

    #[test]
    fn snippets_have_no_value() {
        assert_eq!(segmental_snr_db(&[0.1; 400], &[0.1; 400], 16_000), None);
    }
}
