//! What a recipe is made of: ranges and probabilities that check themselves when they are read.

use std::str::FromStr;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A closed range to draw from, written `[low, high]` in TOML; never empty, reversed or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f32; 2]", into = "[f32; 2]")]
pub struct Span {
    low: f32,
    high: f32,
}

impl Span {
    /// The range from `low` to `high`; panics when reversed, so only for values known in advance.
    pub const fn new(low: f32, high: f32) -> Self {
        assert!(low <= high, "a range runs from low to high");
        Self { low, high }
    }

    /// The range that holds nothing but `value`.
    pub const fn fixed(value: f32) -> Self {
        Self {
            low: value,
            high: value,
        }
    }

    /// The lower end.
    pub fn low(&self) -> f32 {
        self.low
    }

    /// The upper end.
    pub fn high(&self) -> f32 {
        self.high
    }

    /// A value, every one as likely as any other.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> f32 {
        self.low + (self.high - self.low) * rng.random::<f32>()
    }

    /// A value, every octave as likely as any other; what reaches down to zero is cut at 0.001.
    pub fn draw_log(&self, rng: &mut ChaCha8Rng) -> f32 {
        let low = self.low.max(1e-3);
        low * (self.high / low).max(1.0).powf(rng.random())
    }

    /// A whole number, both ends included.
    pub fn draw_count(&self, rng: &mut ChaCha8Rng) -> usize {
        rng.random_range(self.low.round() as usize..=self.high.round() as usize)
    }

    /// A length of time in samples at 48 kHz, from a range in milliseconds; at least one sample.
    pub fn draw_ms(&self, rng: &mut ChaCha8Rng) -> usize {
        ((self.draw(rng) * super::RATE_HZ / 1000.0) as usize).max(1)
    }
}

impl TryFrom<[f32; 2]> for Span {
    type Error = String;

    fn try_from([low, high]: [f32; 2]) -> Result<Self, String> {
        if low.is_finite() && high.is_finite() && low <= high {
            Ok(Self { low, high })
        } else {
            Err(format!(
                "[{low}, {high}] is not a range: give the lower end first"
            ))
        }
    }
}

/// `5` or `0..15`, as on the command line.
impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let parsed = text.trim().parse();
            parsed.map_err(|_| format!("{text:?} is not a number: give one, or LO..HI"))
        };
        match text.split_once("..") {
            Some((low, high)) => Self::try_from([number(low)?, number(high)?]),
            None => number(text).and_then(|value| Self::try_from([value, value])),
        }
    }
}

impl From<Span> for [f32; 2] {
    fn from(span: Span) -> Self {
        [span.low, span.high]
    }
}

/// A probability between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

impl Probability {
    /// It does not happen.
    pub const NEVER: Self = Self(0.0);
    /// It always happens.
    pub const ALWAYS: Self = Self(1.0);

    /// Panics outside 0 to 1, so only for values known in advance.
    pub const fn new(value: f64) -> Self {
        assert!(
            value >= 0.0 && value <= 1.0,
            "a probability lies between 0 and 1"
        );
        Self(value)
    }

    /// Whether it happens this time.
    pub fn hit(self, rng: &mut ChaCha8Rng) -> bool {
        rng.random_bool(self.0)
    }
}

/// A number from 0 to 1, as on the command line.
impl FromStr for Probability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let value: f64 = text
            .parse()
            .map_err(|_| format!("{text:?} is not a number"))?;
        Self::try_from(value)
    }
}

impl TryFrom<f64> for Probability {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!(
                "{value} is not a probability: give a number from 0 to 1"
            ))
        }
    }
}

impl From<Probability> for f64 {
    fn from(probability: Probability) -> Self {
        probability.0
    }
}

/// Fills `out` with white noise, uniform between −1 and 1.
pub fn fill_white(rng: &mut ChaCha8Rng, out: &mut [f32]) {
    for sample in out {
        *sample = uniform(rng.random::<u32>());
    }
}

/// Maps 32 random bits to −1..1.
pub fn uniform(bits: u32) -> f32 {
    bits as i32 as f32 * (1.0 / 2_147_483_648.0)
}
