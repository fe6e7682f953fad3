//! Examples that somebody recorded: noisy files and the clean ones of the same names.
//!
//! [`matching`] finds the partners, [`check`] looks at each pair and lays its sides over each other,
//! [`Pairs`] draws from what has passed.

pub mod check;
pub mod matching;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use indicatif::ProgressBar;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use self::check::Pair;
use super::batch::{Example, Examples};
use super::config::PairsConfig;
use super::corpus::Corpus;
use super::pool::append_faded;
use crate::SAMPLE_RATE_HZ;
use crate::audio::resample::resample;
use crate::corruption::level::{amplitude, peak, scale};
use crate::training::pack::Pack;

/// One of so many pairs is kept for validation.
const VALIDATION_STEP: usize = 20;
/// Overlap where one pair follows another, because it was too short: 10 ms.
const FADE_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 100;
/// Pairs behind each other at most; very short ones would never fill a long clip.
const MAX_JOINED: usize = 64;

/// Checked pairs.
#[derive(Debug, Clone)]
pub struct Pairs {
    noisy: Arc<Pack>,
    clean: Arc<Pack>,
    pairs: Vec<Pair>,
    config: PairsConfig,
}

/// What became of the files in the two folders.
#[derive(Debug)]
pub struct Checked {
    pub pairs: Pairs,
    /// Name of each file or pair that was left out, and why.
    pub left_out: Vec<(String, String)>,
}

impl Pairs {
    /// Decodes, matches and checks the pairs of two folders.
    ///
    /// # Errors
    /// A folder without audio, or not a single usable pair.
    pub fn open(
        noisy: &Path,
        clean: &Path,
        config: &PairsConfig,
        corpus: &Corpus,
    ) -> Result<Checked> {
        let matched = matching::by_name(noisy, clean)?;
        let mut left_out = matched.left_out;
        ensure!(
            !matched.noisy.is_empty(),
            "no file in {} has the name of one in {}: a pair is two files with the same name in the \
             same subfolder, whatever their extensions",
            noisy.display(),
            clean.display()
        );
        let noisy_pack = corpus.open(&matched.noisy)?;
        let clean_pack = corpus.open(&matched.clean)?;
        let names: Vec<&str> = matched
            .noisy
            .iter()
            .map(|file| file.label.as_str())
            .collect();
        let bar = ProgressBar::new(names.len() as u64).with_message("checking pairs");
        let results = check::all(&names, &noisy_pack, &clean_pack, &bar);
        bar.finish_and_clear();
        let mut pairs = Vec::new();
        for (name, result) in names.into_iter().zip(results) {
            match result? {
                Ok(pair) => pairs.push(pair),
                Err(fault) => left_out.push((name.to_owned(), fault.to_string())),
            }
        }
        if pairs.is_empty() {
            let (name, fault) = &left_out[left_out.len() - 1];
            anyhow::bail!(
                "none of {} pairs in {} and {} can be used; {name}: {fault}",
                left_out.len(),
                noisy.display(),
                clean.display()
            );
        }
        Ok(Checked {
            pairs: Self {
                noisy: Arc::new(noisy_pack),
                clean: Arc::new(clean_pack),
                pairs,
                config: config.clone(),
            },
            left_out,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pairs.len()
    }

    /// Their length together, in seconds.
    pub fn seconds(&self) -> f64 {
        self.pairs.iter().map(Pair::seconds).sum()
    }

    /// Most for training, and about a twentieth (at least one) for validation, always the same ones.
    pub fn hold_out(self) -> (Self, Self) {
        if self.pairs.len() < 2 {
            return (self.clone(), self);
        }
        let part = |kept: bool| Self {
            pairs: self
                .pairs
                .iter()
                .enumerate()
                .filter(|(n, _)| n.is_multiple_of(VALIDATION_STEP) == kept)
                .map(|(_, pair)| pair.clone())
                .collect(),
            ..self.clone()
        };
        (part(false), part(true))
    }

    /// At most `len_samples` at 48 kHz from a random place of one pair.
    fn excerpt(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Result<Example> {
        let pair = &self.pairs[self.draw_pair(rng)];
        let rate_hz = pair.noisy.rate_hz;
        let wanted = len_samples as f64 * f64::from(rate_hz) / f64::from(SAMPLE_RATE_HZ);
        let wanted = (wanted.ceil() as usize).min(pair.samples);
        let from = rng.random_range(0..=pair.samples - wanted);
        let side = |pack: &Pack, clip, start: usize| -> Result<Vec<f32>> {
            let samples = pack.samples(clip, start + from, wanted);
            let mut samples = resample(&samples, rate_hz, SAMPLE_RATE_HZ)?;
            samples.truncate(len_samples);
            Ok(samples)
        };
        let noisy = side(&self.noisy, &pair.noisy, pair.noisy_start)?;
        let mut target = side(&self.clean, &pair.clean, pair.clean_start)?;
        scale(&mut target, pair.clean_gain);
        Ok(Example {
            noisy,
            target,
            bandwidth_hz: rate_hz as f32 / 2.0,
            replayed: false,
        })
    }

    /// A pair, by its length.
    fn draw_pair(&self, rng: &mut ChaCha8Rng) -> usize {
        let mut at = rng.random::<f64>() * self.seconds();
        let found = self.pairs.iter().position(|pair| {
            at -= pair.seconds();
            at < 0.0
        });
        // Rounding may step past the last.
        found.unwrap_or(self.pairs.len() - 1)
    }
}

impl Examples for Pairs {
    /// Pairs behind each other until there is enough, as they are but for the level.
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Example {
        let mut joined = Example {
            noisy: Vec::with_capacity(len_samples),
            target: Vec::with_capacity(len_samples),
            bandwidth_hz: SAMPLE_RATE_HZ as f32 / 2.0,
            replayed: false,
        };
        for _ in 0..MAX_JOINED {
            let missing = len_samples + FADE_SAMPLES - joined.noisy.len();
            let Ok(next) = self.excerpt(rng, missing) else {
                break;
            };
            append_faded(&mut joined.noisy, &next.noisy, FADE_SAMPLES);
            append_faded(&mut joined.target, &next.target, FADE_SAMPLES);
            joined.bandwidth_hz = joined.bandwidth_hz.min(next.bandwidth_hz);
            if joined.noisy.len() >= len_samples {
                break;
            }
        }
        joined.noisy.resize(len_samples, 0.0);
        joined.target.resize(len_samples, 0.0);
        let highest = peak(&joined.noisy).max(peak(&joined.target));
        if rng.random_bool(self.config.level_probability) && highest > 0.0 {
            let gain = amplitude(self.config.level_db.draw(rng)).min(1.0 / highest);
            scale(&mut joined.noisy, gain);
            scale(&mut joined.target, gain);
        }
        joined
    }
}
