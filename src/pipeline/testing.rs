//! Signals and measures that several tests share.

use std::f64::consts::TAU;

use super::Step;

/// Samples per frame at 48 kHz: 10 ms.
pub const FRAME_SAMPLES: usize = 480;

/// Frames of 10 ms for so many lanes.
pub fn step(lanes: usize) -> Step {
    Step {
        lanes,
        frame_samples: FRAME_SAMPLES,
    }
}

/// A sine of amplitude 0.5.
pub fn sine(frequency_hz: f64, rate_hz: f64, samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|n| (0.5 * (TAU * frequency_hz / rate_hz * n as f64).sin()) as f32)
        .collect()
}

/// Power of the sine of this frequency over all else, in dB, by least squares.
pub fn sinad_db(samples: &[f32], frequency_hz: f64, rate_hz: f64) -> f64 {
    let omega = TAU * frequency_hz / rate_hz;
    let (mut ss, mut sc, mut cc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let basis = |n: usize| (omega * n as f64).sin_cos();
    for (n, &x) in samples.iter().enumerate() {
        let (s, c) = basis(n);
        ss += s * s;
        sc += s * c;
        cc += c * c;
        xs += f64::from(x) * s;
        xc += f64::from(x) * c;
    }
    let determinant = ss * cc - sc * sc;
    let a = (xs * cc - xc * sc) / determinant;
    let b = (xc * ss - xs * sc) / determinant;
    let (mut signal, mut rest) = (0.0, 0.0);
    for (n, &x) in samples.iter().enumerate() {
        let (s, c) = basis(n);
        let fit = a * s + b * c;
        signal += fit * fit;
        rest += (f64::from(x) - fit).powi(2);
    }
    10.0 * (signal / rest.max(1e-30)).log10()
}

/// Largest jump of the second difference: a click stands out of a smooth signal here.
pub fn roughness(samples: &[f32]) -> f32 {
    samples
        .windows(3)
        .map(|x| (x[0] - 2.0 * x[1] + x[2]).abs())
        .fold(0.0, f32::max)
}
