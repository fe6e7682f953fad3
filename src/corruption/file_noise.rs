//! Noise from recordings, varied so that a few hours sound like more.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Clips;
use super::draw::{Probability, Span};
use super::drift::Drift;
use super::equaliser::Equaliser;
use super::level::{amplitude, rms};

/// How recorded noise is varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileNoise {
    /// How often a second recording joins the first.
    pub second: Probability,
    /// Level of the second against the first, in dB.
    pub second_db: Span,
    /// How often the speed changes.
    pub speed_probability: Probability,
    /// Factor of speed and pitch, a quarter to four.
    pub speed: Span,
    /// Colour of each recording.
    pub equaliser: Equaliser,
    /// Level drift of each recording.
    pub drift: Drift,
}

impl Default for FileNoise {
    fn default() -> Self {
        Self {
            second: Probability::new(0.3),
            second_db: Span::new(-15.0, 0.0),
            speed_probability: Probability::new(0.5),
            speed: Span::new(0.75, 1.35),
            equaliser: Equaliser {
                probability: Probability::new(0.5),
                ..Equaliser::default()
            },
            drift: Drift {
                probability: Probability::new(0.3),
                ..Drift::default()
            },
        }
    }
}

impl FileNoise {
    /// One recording as it is.
    pub fn plain() -> Self {
        Self {
            second: Probability::NEVER,
            speed_probability: Probability::NEVER,
            equaliser: Equaliser::off(),
            drift: Drift::off(),
            ..Self::default()
        }
    }

    /// `len` samples of noise at an arbitrary level; None where `recordings` has nothing to give.
    pub fn generate(
        &self,
        len: usize,
        recordings: &dyn Clips,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<f32>> {
        let mut noise = self.one(len, recordings, rng)?;
        if self.second.hit(rng) {
            let second = self.one(len, recordings, rng)?;
            let (first_rms, second_rms) = (rms(&noise), rms(&second));
            if first_rms > 0.0 && second_rms > 0.0 {
                let gain = amplitude(self.second_db.draw(rng)) * first_rms / second_rms;
                noise
                    .iter_mut()
                    .zip(&second)
                    .for_each(|(sum, x)| *sum += gain * x);
            }
        }
        Some(noise)
    }

    fn one(&self, len: usize, recordings: &dyn Clips, rng: &mut ChaCha8Rng) -> Option<Vec<f32>> {
        let mut noise = if self.speed_probability.hit(rng) {
            let speed = self.speed.draw(rng).clamp(0.25, 4.0);
            // Interpolation looks one sample back and two ahead.
            let source = recordings.draw(rng, (len as f32 * speed) as usize + 4)?;
            at_speed(&source, speed, len)
        } else {
            recordings.draw(rng, len)?
        };
        if let Some(mut equaliser) = self.equaliser.draw(rng) {
            equaliser.process(&mut noise);
        }
        self.drift.apply(&mut noise, rng);
        Some(noise)
    }
}

/// Reads `source` at `speed` through cubic Hermite interpolation; good enough for noise.
fn at_speed(source: &[f32], speed: f32, len: usize) -> Vec<f32> {
    let step = f64::from(speed);
    (0..len)
        .map(|n| {
            let position = n as f64 * step;
            let index = position as usize;
            let t = (position - index as f64) as f32;
            let Some(&[a, b, c, d]) = source.get(index..).and_then(|rest| rest.first_chunk())
            else {
                return 0.0;
            };
            let slope_b = 0.5 * (c - a);
            let slope_c = 0.5 * (d - b);
            let cubic = 2.0 * (b - c) + slope_b + slope_c;
            let square = 3.0 * (c - b) - 2.0 * slope_b - slope_c;
            ((cubic * t + square) * t + slope_b) * t + b
        })
        .collect()
}
