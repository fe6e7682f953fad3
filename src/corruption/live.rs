//! Noise on a running microphone: the daemon's `corrupt` modes.
//!
//! The noise is made beforehand and loops; only its gain follows the speech, at a fixed ratio to
//! a running estimate of the active speech level. [`LiveCorruption::process`] never allocates.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::ValueEnum;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::draw::Span;
use super::folder::FolderClips;
use super::level::{amplitude, rms, scale};
use super::noise::{Kind, Noise};
use super::{Clips, RATE_HZ, Sources};

/// Length of the noise until it repeats, in seconds.
const LOOP_S: f32 = 30.0;
/// Length over which its end fades into its beginning.
const SEAM_S: f32 = 0.25;

/// What the daemon adds, written `snr=5,noise=DIR` or `snr=10,noise=pink`.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveOptions {
    /// Active speech over noise, in dB.
    pub snr_db: f32,
    /// Folders with recordings of noise.
    pub folders: Vec<PathBuf>,
    /// Synthetic noises.
    pub synthetic: Vec<Kind>,
}

impl FromStr for LiveOptions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut options = Self {
            snr_db: 5.0,
            folders: Vec::new(),
            synthetic: Vec::new(),
        };
        for item in text.split(',') {
            match item.split_once('=') {
                Some(("snr", value)) => {
                    let parsed = value
                        .trim()
                        .parse()
                        .ok()
                        .filter(|snr: &f32| snr.is_finite());
                    options.snr_db =
                        parsed.ok_or_else(|| format!("snr={value}: give a number of decibels"))?;
                }
                Some(("noise", value)) => match Kind::from_str(value, true) {
                    Ok(Kind::Babble) => return Err("babble needs voices, give noise=DIR".into()),
                    Ok(kind) => options.synthetic.push(kind),
                    Err(_) => options.folders.push(value.into()),
                },
                _ => return Err(format!("{item:?} is unknown: write snr=5,noise=DIR")),
            }
        }
        if options.folders.is_empty() && options.synthetic.is_empty() {
            return Err("which noise? Add noise=DIR or a kind like noise=pink".into());
        }
        Ok(options)
    }
}

/// Adds looping noise to one channel of 48 kHz audio.
pub struct LiveCorruption {
    /// One round of noise, RMS 1.
    noise: Vec<f32>,
    position: usize,
    /// Noise amplitude for a speech amplitude of 1.
    ratio: f32,
    speech: SpeechLevel,
    gain: f32,
}

impl LiveCorruption {
    /// Loads or makes the noise.
    ///
    /// # Errors
    /// When a folder cannot be read or nothing in it can be used.
    pub fn new(options: &LiveOptions, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let recordings = match options.folders.as_slice() {
            [] => None,
            folders => Some(FolderClips::noise(folders)?),
        };
        let file = recordings.is_some().then_some(Kind::File);
        let kinds = options.synthetic.iter().copied().chain(file);
        let recipe = Noise::exactly(kinds, Span::fixed(options.snr_db));
        let sources = Sources {
            noise: recordings.as_ref().map(|clips| clips as &dyn Clips),
            ..Sources::default()
        };
        let seam = (SEAM_S * RATE_HZ) as usize;
        let length = (LOOP_S * RATE_HZ) as usize + seam;
        let Some(mut noise) = recipe.generate(length, &sources, &mut rng) else {
            bail!("the noise is nothing but silence: choose another folder");
        };
        close_loop(&mut noise, seam);
        let level = rms(&noise);
        scale(&mut noise, 1.0 / level);
        Ok(Self {
            noise,
            position: 0,
            ratio: amplitude(-options.snr_db),
            speech: SpeechLevel::new(),
            gain: 0.0,
        })
    }

    /// Adds noise to the next frame: any length, best 5 to 20 ms.
    pub fn process(&mut self, frame: &mut [f32]) {
        if frame.is_empty() {
            return;
        }
        let goal = self.ratio * self.speech.update(frame);
        let step = (goal - self.gain) / frame.len() as f32;
        for sample in frame {
            self.gain += step;
            *sample += self.gain * self.noise[self.position];
            self.position += 1;
            if self.position == self.noise.len() {
                self.position = 0;
            }
        }
        self.gain = goal;
    }
}

/// Fades the last `seam` samples into the first ones and drops them.
fn close_loop(noise: &mut Vec<f32>, seam: usize) {
    let length = noise.len() - seam;
    for n in 0..seam {
        let position = (n as f32 + 0.5) / seam as f32 * std::f32::consts::FRAC_PI_2;
        noise[n] = noise[n] * position.sin() + noise[length + n] * position.cos();
    }
    noise.truncate(length);
}

/// Running level of the active speech: the power of the frames that lie less than 30 dB below the
/// loudest of the last seconds, averaged over about a second of speech.
struct SpeechLevel {
    power: f32,
    loudest: f32,
    /// How much speech the average knows, in seconds; no more than it remembers.
    heard_s: f32,
}

impl SpeechLevel {
    /// Quieter frames are no speech: −65 dBFS.
    const FLOOR_POWER: f32 = 3e-7;

    /// How much speech the average goes back.
    const MEMORY_S: f32 = 1.0;

    /// Starts at ITU-T P.56's nominal −26 dBFS, until the first speech.
    fn new() -> Self {
        let power = amplitude(-26.0).powi(2);
        Self {
            power,
            loudest: Self::FLOOR_POWER,
            heard_s: 0.0,
        }
    }

    /// The level as RMS amplitude, after one more frame.
    fn update(&mut self, frame: &[f32]) -> f32 {
        let seconds = frame.len() as f32 / RATE_HZ;
        let power = rms(frame).powi(2);
        // NaN and infinities from a broken device must not stay in the state.
        if power.is_finite() {
            self.loudest = power
                .max(self.loudest * (-seconds / 5.0).exp())
                .max(Self::FLOOR_POWER);
            if power > Self::FLOOR_POWER && power > 1e-3 * self.loudest {
                self.heard_s = (self.heard_s + seconds).min(Self::MEMORY_S);
                self.power += (power - self.power) * (seconds / self.heard_s).min(1.0);
            }
        }
        self.power.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_explained() {
        let options: LiveOptions = "snr=-3,noise=/tmp/x,noise=pink".parse().unwrap();
        let wanted = LiveOptions {
            snr_db: -3.0,
            folders: vec!["/tmp/x".into()],
            synthetic: vec![Kind::Pink],
        };
        assert_eq!(options, wanted);
        for wrong in [
            "",
            "snr=5",
            "snr=loud,noise=pink",
            "noize=pink",
            "noise=babble",
        ] {
            assert!(wrong.parse::<LiveOptions>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn noise_follows_the_speech_at_the_ratio() {
        let options = "snr=6,noise=white".parse().unwrap();
        for speech_rms in [0.2, 0.01] {
            let mut live = LiveCorruption::new(&options, 1).unwrap();
            // Half a second of a tone, half a second of pause.
            let clean: Vec<f32> = (0..480_000)
                .map(|n| {
                    ((n / 24_000) % 2) as f32 * speech_rms * 2f32.sqrt() * (n as f32 * 0.05).sin()
                })
                .collect();
            let mut noisy = clean.clone();
            noisy.chunks_mut(480).for_each(|frame| live.process(frame));
            let noise: Vec<f32> = noisy.iter().zip(&clean).map(|(x, s)| x - s).collect();
            let snr_db = 20.0 * (speech_rms / rms(&noise[384_000..])).log10();
            assert!((snr_db - 6.0).abs() < 0.5, "{snr_db}");
        }
    }

    #[test]
    fn a_broken_frame_leaves_no_trace() {
        let options = "snr=6,noise=white".parse().unwrap();
        let mut live = LiveCorruption::new(&options, 1).unwrap();
        live.process(&mut [f32::NAN; 480]);
        let mut frame = [0.1; 480];
        live.process(&mut frame);
        assert!(frame.iter().all(|x| x.is_finite()));
    }
}
