//! Decoding what a list names, once, into the samples of a pack.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::Clip;
use crate::audio::decode::read_mono;
use crate::corruption::level::{decibels, peak};
use crate::training::listing::Listed;

/// What exceeds full scale by less than this factor is lowered without a word: lossy codecs do it often.
const WORTH_TELLING: f32 = 1.1;

/// Where a file's samples are.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decoded {
    /// Its number in the list.
    number: usize,
    rate_hz: u32,
    /// See [`Clip::full_scale`]; earlier versions lowered nothing.
    #[serde(default = "as_it_was")]
    full_scale: f32,
    start: usize,
    samples: usize,
}

fn as_it_was() -> f32 {
    1.0
}

impl Decoded {
    /// The clip, with what the list says of it; None where the list is another.
    pub fn clip(&self, listed: &[Listed]) -> Option<Clip> {
        let entry = listed.get(self.number)?;
        let nyquist = self.rate_hz as f32 / 2.0;
        Some(Clip {
            label: entry.label.clone(),
            rate_hz: self.rate_hz,
            bandwidth_hz: entry.bandwidth_hz.unwrap_or(nyquist).min(nyquist),
            weight: entry.weight,
            full_scale: self.full_scale,
            start: self.start,
            samples: self.samples,
        })
    }
}

/// A pack while files are added to it.
pub struct Filling {
    output: BufWriter<File>,
    /// So far.
    samples: usize,
    pub decoded: Vec<Decoded>,
    /// What could not be decoded, and why.
    pub left_out: Vec<String>,
}

/// Writes the samples of every file to `output`, on every core; where they are, in the order of the list.
///
/// # Errors
/// The output cannot be written.
pub fn decode(listed: &[Listed], output: BufWriter<File>, bar: &ProgressBar) -> Result<Filling> {
    let filling = Mutex::new(Filling {
        output,
        samples: 0,
        decoded: Vec::new(),
        left_out: Vec::new(),
    });
    bar.set_length(listed.len() as u64);
    bar.set_message("decoding");
    let next = AtomicUsize::new(0);
    let decode_all = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = listed.get(number) else {
                return Ok(());
            };
            bar.inc(1);
            add(number, &entry.path, &filling)?;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(decode_all)).collect();
        for worker in workers {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a decoding thread failed"))??;
        }
        Ok(())
    })?;
    let mut filling = filling
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    filling.output.flush()?;
    // The order in the file is by chance; the order of the clips must not be, or seeds mean nothing.
    filling.decoded.sort_by_key(|decoded| decoded.number);
    filling.left_out.sort_unstable();
    Ok(filling)
}

/// Decodes one file into the pack, or leaves it out with a warning.
fn add(number: usize, path: &Path, filling: &Mutex<Filling>) -> Result<()> {
    let decoded = read_mono(path).map(|(audio, rate_hz)| (fit(path, &audio), audio.len(), rate_hz));
    let mut filling = filling
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match decoded {
        Ok(((bytes, full_scale), samples, rate_hz)) => {
            let start = filling.samples;
            filling.output.write_all(&bytes)?;
            filling.samples += samples;
            filling.decoded.push(Decoded {
                number,
                rate_hz,
                full_scale,
                start,
                samples,
            });
        }
        Err(error) => {
            log::warn!("left out: {error:#}");
            filling.left_out.push(format!("{error:#}"));
        }
    }
    Ok(())
}

/// The samples in 16 bits, and what full scale of these is in the file: cutting peaks off would distort.
fn fit(path: &Path, audio: &[f32]) -> (Vec<u8>, f32) {
    let full_scale = peak(audio).max(1.0);
    if full_scale > WORTH_TELLING {
        log::warn!(
            "{}: exceeds full scale by {:.1} dB; lowered",
            path.display(),
            decibels(full_scale)
        );
    }
    let bytes = audio.iter().flat_map(|x| {
        let step = (x / full_scale * 32768.0).round();
        (step.clamp(-32768.0, 32767.0) as i16).to_le_bytes()
    });
    (bytes.collect(), full_scale)
}
