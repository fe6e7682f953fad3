//! Noise from recordings, varied so that a few hours sound like more.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::draw::{Probability, Span};
use super::drift::Drift;
use super::equaliser::Equaliser;
use super::level::{amplitude, rms};
use super::{Clips, RATE_HZ};

/// How recorded noise is varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileNoise {
    /// How often a second recording joins the first.
    pub second: Probability,
    /// Level of the second against the first, in dB.
    pub second_db: Span,
    /// How often a recording comes in bursts with silence between them, as knocks, barks and chirps do:
    /// what is loud in a quiet room is not a voice for that.
    pub bursts: Probability,
    /// Length of a burst, in seconds.
    pub burst_s: Span,
    /// Length of the silence after it, in seconds.
    pub pause_s: Span,
    /// How often every burst is the same sound again, as of one door, one dog, one key.
    pub repeated: Probability,
    /// How often a recording runs backwards, as a sound that nobody recorded.
    pub reversed: Probability,
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
            second: Probability::new(0.5),
            second_db: Span::new(-15.0, 0.0),
            bursts: Probability::new(0.4),
            burst_s: Span::new(0.1, 1.5),
            pause_s: Span::new(0.1, 2.0),
            repeated: Probability::new(0.5),
            reversed: Probability::new(0.15),
            speed_probability: Probability::new(0.8),
            speed: Span::new(0.6, 1.6),
            equaliser: Equaliser {
                probability: Probability::new(0.8),
                gain_db: Span::new(-12.0, 12.0),
                ..Equaliser::default()
            },
            drift: Drift {
                probability: Probability::new(0.5),
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
            bursts: Probability::NEVER,
            reversed: Probability::NEVER,
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
        let mut noise = if self.bursts.hit(rng) {
            self.in_bursts(len, recordings, rng)?
        } else {
            self.stretch(len, recordings, rng)?
        };
        if let Some(mut equaliser) = self.equaliser.draw(rng) {
            equaliser.process(&mut noise);
        }
        self.drift.apply(&mut noise, rng);
        Some(noise)
    }

    fn in_bursts(
        &self,
        len: usize,
        recordings: &dyn Clips,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<f32>> {
        let samples = |seconds: f32| (seconds * RATE_HZ) as usize;
        let same = if self.repeated.hit(rng) {
            let longest = samples(self.burst_s.high()).min(len).max(1);
            Some(self.stretch(longest, recordings, rng)?)
        } else {
            None
        };
        let mut noise = Vec::with_capacity(len);
        while noise.len() < len {
            let count = samples(self.burst_s.draw(rng)).clamp(1, len - noise.len());
            let mut burst = match &same {
                Some(sound) => sound[..count.min(sound.len())].to_vec(),
                None => self.stretch(count, recordings, rng)?,
            };
            fade(&mut burst);
            noise.append(&mut burst);
            noise.resize(
                (noise.len() + samples(self.pause_s.draw(rng))).min(len),
                0.0,
            );
        }
        Some(noise)
    }

    fn stretch(
        &self,
        len: usize,
        recordings: &dyn Clips,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<f32>> {
        let mut noise = if self.speed_probability.hit(rng) {
            let speed = self.speed.draw(rng).clamp(0.25, 4.0);
            // Interpolation looks one sample back and two ahead.
            let source = recordings.draw(rng, (len as f32 * speed) as usize + 4)?;
            at_speed(&source, speed, len)
        } else {
            recordings.draw(rng, len)?
        };
        if self.reversed.hit(rng) {
            noise.reverse();
        }
        Some(noise)
    }
}

/// Softens both ends, so that a burst does not click.
fn fade(burst: &mut [f32]) {
    const FADE_SAMPLES: usize = 240;
    let (fade, last) = (FADE_SAMPLES.min(burst.len() / 2), burst.len());
    for i in 0..fade {
        let gain = i as f32 / fade as f32;
        burst[i] *= gain;
        burst[last - 1 - i] *= gain;
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    struct Hiss;

    impl Clips for Hiss {
        fn draw(&self, _: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>> {
            Some(vec![0.5; len_samples])
        }
    }

    #[test]
    fn repeated_bursts_are_the_same_sound() {
        struct Numbered(std::cell::Cell<f32>);
        impl Clips for Numbered {
            fn draw(&self, _: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>> {
                self.0.set(self.0.get() + 1.0);
                Some(vec![self.0.get(); len_samples])
            }
        }
        let peaks = |repeated| {
            let noise = FileNoise {
                bursts: Probability::ALWAYS,
                repeated,
                ..FileNoise::plain()
            };
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            let recordings = Numbered(0.0.into());
            let samples = noise.generate(480_000, &recordings, &mut rng).unwrap();
            samples.into_iter().fold(0.0, f32::max)
        };
        assert_eq!(peaks(Probability::ALWAYS), 1.0);
        assert!(peaks(Probability::NEVER) > 3.0);
    }

    #[test]
    fn bursts_begin_and_end_softly_with_silence_between_them() {
        let noise = FileNoise {
            bursts: Probability::ALWAYS,
            ..FileNoise::plain()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let samples = noise.generate(480_000, &Hiss, &mut rng).unwrap();
        assert_eq!(samples.len(), 480_000);
        let silent = samples.iter().filter(|x| **x == 0.0).count();
        assert!((120_000..420_000).contains(&silent), "{silent}");
        let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(steps.fold(0.0, f32::max) < 0.01);
    }
}
