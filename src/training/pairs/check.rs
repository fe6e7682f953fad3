//! One pair: what is wrong with it, or how its sides lie over each other.

use std::collections::HashMap;

use anyhow::Result;
use indicatif::ProgressBar;

use crate::dsp::alignment::delay_samples;
use crate::dsp::level::LevelMeter;
use crate::parallel;
use crate::training::pack::{Clip, Pack};

/// Shorter pairs teach nothing.
const MIN_SECONDS: f64 = 0.25;
/// A side below this level is silent, in dBFS.
const SILENT_DBFS: f64 = -80.0;
/// The delay is looked for in so much of a recording, where it is loudest.
const ALIGNED_SECONDS: usize = 30;
/// Estimates of the ratio of speech to noise are good to so many dB.
const SWAPPED_DB: f64 = 3.0;
/// Within these limits the speech counts as equally loud on both sides.
const SAME_LEVEL: std::ops::Range<f64> = 0.7..1.4;

/// A usable pair.
#[derive(Debug, Clone)]
pub struct Pair {
    pub noisy: Clip,
    pub clean: Clip,
    /// Where the common time begins on each side, in samples.
    pub noisy_start: usize,
    pub clean_start: usize,
    /// Length of the common time.
    pub samples: usize,
    /// Brings the clean side to the level (and sign) that its sound has in the noisy one.
    pub clean_gain: f32,
}

impl Pair {
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.noisy.rate_hz)
    }
}

/// Why a pair is left out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    #[error("the {0} file cannot be decoded")]
    Undecoded(&'static str),
    #[error(
        "the noisy file has {noisy} Hz, the clean one {clean} Hz: convert one to the other's rate"
    )]
    Rates { noisy: u32, clean: u32 },
    #[error("the {0} file is silent")]
    Silent(&'static str),
    #[error(
        "only {common:.1} s are common to the noisy file ({noisy:.1} s) and the clean one ({clean:.1} s)"
    )]
    Lengths { noisy: f64, clean: f64, common: f64 },
    #[error("the noisy file does not hold the sound of the clean one: is it another recording?")]
    Unrelated,
    #[error(
        "swapped? The clean file has more noise (speech {clean_db:.0} dB over it) than the noisy one \
         ({noisy_db:.0} dB)"
    )]
    Swapped { noisy_db: f64, clean_db: f64 },
}

/// Checks the pairs `names` on all cores; outer errors are the program's, inner ones the pair's.
pub fn all(
    names: &[&str],
    noisy: &Pack,
    clean: &Pack,
    bar: &ProgressBar,
) -> Vec<Result<Result<Pair, Fault>>> {
    let [noisy_clips, clean_clips] = [noisy, clean].map(|pack| -> HashMap<&str, &Clip> {
        let clips = pack.clips().iter();
        clips.map(|clip| (clip.label.as_str(), clip)).collect()
    });
    let one = |name: &str| match (noisy_clips.get(name), clean_clips.get(name)) {
        (None, _) => Ok(Err(Fault::Undecoded("noisy"))),
        (_, None) => Ok(Err(Fault::Undecoded("clean"))),
        (Some(a), Some(b)) => pair((noisy, a), (clean, b)),
    };
    parallel::map(names, |name| {
        bar.inc(1);
        one(name)
    })
}

/// A side of a pair: its pack and its clip in it.
type Side<'a> = (&'a Pack, &'a Clip);

fn pair(noisy: Side, clean: Side) -> Result<Result<Pair, Fault>> {
    let (rate_hz, clean_rate_hz) = (noisy.1.rate_hz, clean.1.rate_hz);
    if rate_hz != clean_rate_hz {
        return Ok(Err(Fault::Rates {
            noisy: rate_hz,
            clean: clean_rate_hz,
        }));
    }
    let (noisy_seen, clean_seen) = (survey(noisy), survey(clean));
    for (name, seen) in [("noisy", &noisy_seen), ("clean", &clean_seen)] {
        if seen.level.rms_db() < SILENT_DBFS {
            return Ok(Err(Fault::Silent(name)));
        }
    }
    let from = clean_seen
        .loudest_second
        .saturating_sub(ALIGNED_SECONDS / 2)
        * rate_hz as usize;
    let count = ALIGNED_SECONDS * rate_hz as usize;
    let window = |(pack, clip): Side| pack.samples(clip, from, count);
    let Some(delay) = delay_samples(&window(noisy), &window(clean))? else {
        return Ok(Err(Fault::Unrelated));
    };
    let noisy_start = delay.max(0) as usize;
    let clean_start = (-delay).max(0) as usize;
    let left = |clip: &Clip, start: usize| clip.samples().saturating_sub(start);
    let samples = left(noisy.1, noisy_start).min(left(clean.1, clean_start));
    let common = samples as f64 / f64::from(rate_hz);
    let (noisy_s, clean_s) = (noisy.1.seconds(), clean.1.seconds());
    if common < MIN_SECONDS || common < 0.5 * noisy_s.max(clean_s) {
        return Ok(Err(Fault::Lengths {
            noisy: noisy_s,
            clean: clean_s,
            common,
        }));
    }
    let noisy_db = noisy_seen.level.snr_estimate_db();
    let clean_db = clean_seen.level.snr_estimate_db();
    if clean_db + SWAPPED_DB < noisy_db {
        return Ok(Err(Fault::Swapped { noisy_db, clean_db }));
    }
    let mut pair = Pair {
        noisy: noisy.1.clone(),
        clean: clean.1.clone(),
        noisy_start,
        clean_start,
        samples,
        // A side that was lowered to fit must keep its level beside the other.
        clean_gain: clean.1.full_scale / noisy.1.full_scale,
    };
    let gain = gain(&pair, noisy.0, clean.0);
    if !SAME_LEVEL.contains(&(gain / f64::from(pair.clean_gain))) {
        pair.clean_gain = gain as f32;
    }
    Ok(Ok(pair))
}

/// What one pass over a recording tells.
struct Seen {
    level: LevelMeter,
    loudest_second: usize,
}

fn survey((pack, clip): Side) -> Seen {
    let second = clip.rate_hz as usize;
    let mut level = LevelMeter::new(clip.rate_hz);
    let mut loudest = (0, 0.0f64);
    for number in 0..clip.samples().div_ceil(second) {
        let samples = pack.samples(clip, number * second, second);
        level.push(&samples);
        let energy = samples.iter().map(|&x| f64::from(x).powi(2)).sum();
        if energy > loudest.1 {
            loudest = (number, energy);
        }
    }
    Seen {
        level,
        loudest_second: loudest.0,
    }
}

/// The factor g that brings g · clean closest to noisy (least squares) over the common time.
fn gain(pair: &Pair, noisy: &Pack, clean: &Pack) -> f64 {
    let second = pair.noisy.rate_hz as usize;
    let (mut product, mut energy) = (0.0, 0.0);
    for from in (0..pair.samples).step_by(second) {
        let count = second.min(pair.samples - from);
        let y = noisy.samples(&pair.noisy, pair.noisy_start + from, count);
        let x = clean.samples(&pair.clean, pair.clean_start + from, count);
        for (x, y) in x.iter().zip(&y) {
            product += f64::from(*x) * f64::from(*y);
            energy += f64::from(*x).powi(2);
        }
    }
    if energy > 0.0 { product / energy } else { 1.0 }
}
