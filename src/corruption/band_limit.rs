//! Band-limiting: telephones, codecs and old sound cards. Speech, target and noise are all cut, so
//! the model learns neither to invent the missing band nor to low-pass.

use std::f32::consts::PI;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::RATE_HZ;
use super::convolution::convolve;
use super::draw::{Probability, Span};

/// A steep low-pass at a drawn frequency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BandLimit {
    /// How often it is used.
    pub probability: Probability,
    /// Where the stop band begins, in Hz.
    pub limit_hz: Span,
}

impl Default for BandLimit {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.25),
            limit_hz: Span::new(3400.0, 20_000.0),
        }
    }
}

impl BandLimit {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// The filter for one clip, or None for the full band.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Option<LowPass> {
        self.probability
            .hit(rng)
            .then(|| LowPass::new(self.limit_hz.draw_log(rng)))
    }
}

/// Half the filter's length: the transition is about 0.5 kHz wide.
const HALF_TAPS: usize = 240;
/// Kaiser's β for a stop band at −80 dB.
const KAISER_BETA: f32 = 7.86;

/// A linear-phase FIR low-pass (Kaiser window) without delay.
pub struct LowPass {
    limit_hz: f32,
    taps: Vec<f32>,
}

impl LowPass {
    /// Nothing above `limit_hz` passes (−80 dB).
    pub fn new(limit_hz: f32) -> Self {
        // Kaiser: the transition's width follows from the length and the attenuation.
        let transition_hz = (80.0 - 7.95) / (14.36 * (2 * HALF_TAPS) as f32) * RATE_HZ;
        let cutoff = (limit_hz - transition_hz / 2.0).max(0.0) / RATE_HZ;
        let taps = (-(HALF_TAPS as i32)..=HALF_TAPS as i32)
            .map(|n| {
                let n = n as f32;
                let ratio = n / (HALF_TAPS as f32 + 1.0);
                let window = bessel_i0(KAISER_BETA * (1.0 - ratio * ratio).sqrt());
                let sinc = if n == 0.0 {
                    2.0 * cutoff
                } else {
                    (2.0 * PI * cutoff * n).sin() / (PI * n)
                };
                sinc * window / bessel_i0(KAISER_BETA)
            })
            .collect();
        Self { limit_hz, taps }
    }

    /// Where the stop band begins, in Hz.
    pub fn limit_hz(&self) -> f32 {
        self.limit_hz
    }

    /// Filters in place.
    pub fn apply(&self, samples: &mut Vec<f32>) {
        [*samples] = convolve(samples, [&self.taps], HALF_TAPS);
    }
}

/// The modified Bessel function of the first kind, order 0, by its power series.
fn bessel_i0(x: f32) -> f32 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / (2.0 * k as f32)).powi(2);
        sum += term;
    }
    sum
}
