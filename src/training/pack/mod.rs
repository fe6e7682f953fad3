//! All training audio decoded once into one file, then mapped: cheap random access, little memory.
//!
//! `NAME.pcm` holds 16-bit little-endian mono samples of one clip after another, each at its own
//! rate and lowered where it would not fit; `NAME.json` says where each begins and for which files it
//! was made ([`decoding`] and [`index`]; [`stale`] clears up). What a list says of its files is not in
//! there: other labels or weights decode nothing anew. The operating system keeps in memory what fits
//! and drops the rest. Runs may share a folder.

mod decoding;
mod index;
mod stale;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use memmap2::Mmap;

use super::listing::Listed;

/// One clip inside the pack.
#[derive(Debug, Clone)]
pub struct Clip {
    pub label: String,
    pub rate_hz: u32,
    /// Above this frequency it holds nothing.
    pub bandwidth_hz: f32,
    pub weight: f32,
    /// What full scale of its samples was in the file: more than 1 where these were lowered to fit.
    pub full_scale: f32,
    start: usize,
    samples: usize,
}

impl Clip {
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.rate_hz)
    }

    pub fn samples(&self) -> usize {
        self.samples
    }
}

/// Decoded audio in a mapped file.
#[derive(Debug)]
pub struct Pack {
    clips: Vec<Clip>,
    samples: Arc<Mmap>,
}

impl Pack {
    /// Opens the pack of `listed` in `folder`, decoding the files first where it is missing or stale.
    /// Files that cannot be decoded are left out with a warning.
    ///
    /// # Errors
    /// The folder cannot be written, or no file can be decoded.
    pub fn open(listed: &[Listed], folder: &Path, bar: &ProgressBar) -> Result<Self> {
        let fingerprint = index::fingerprint(listed);
        let name = folder.join(format!("{fingerprint:016x}"));
        let index = match index::read(&name, fingerprint) {
            Some(index) => {
                let json = name.with_extension("json");
                stale::touch(&json);
                index.tell_left_out(&json);
                index
            }
            None => {
                stale::remove(folder);
                fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
                index::build(listed, &name, fingerprint, bar).with_context(|| {
                    format!("cannot pack the training audio into {}", folder.display())
                })?
            }
        };
        let clips: Vec<Clip> = index
            .decoded
            .iter()
            .filter_map(|decoded| decoded.clip(listed))
            .collect();
        ensure!(
            !clips.is_empty(),
            "none of the {} files could be decoded",
            listed.len()
        );
        let path = name.with_extension("pcm");
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        // SAFETY: the pack is written under another name and renamed, and nothing writes to it or replaces it after.
        let samples = unsafe { Mmap::map(&file) }
            .with_context(|| format!("cannot map {}", path.display()))?;
        let end = clips
            .iter()
            .map(|clip| clip.start + clip.samples)
            .max()
            .unwrap_or(0);
        ensure!(
            end * 2 <= samples.len(),
            "{} is shorter than its index says: delete it",
            path.display()
        );
        Ok(Self {
            clips,
            samples: Arc::new(samples),
        })
    }

    /// The first `share` of every clip, and the rest: to validate on another time of a noise that only
    /// one recording holds.
    pub fn split_in_time(&self, share: f64) -> (Self, Self) {
        let part = |from: f64, to: f64| -> Self {
            let cut = |clip: &Clip| {
                let [from, to] = [from, to].map(|at| (clip.samples as f64 * at) as usize);
                Clip {
                    start: clip.start + from,
                    samples: to - from,
                    ..clip.clone()
                }
            };
            Self {
                clips: self.clips.iter().map(cut).collect(),
                samples: Arc::clone(&self.samples),
            }
        };
        (part(0.0, share), part(share, 1.0))
    }

    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// `count` samples of a clip from `offset` on, full scale 1.0; fewer at its end.
    pub fn samples(&self, clip: &Clip, offset: usize, count: usize) -> Vec<f32> {
        let from = clip.start + offset.min(clip.samples);
        let to = (from + count).min(clip.start + clip.samples);
        self.samples[from * 2..to * 2]
            .chunks_exact(2)
            .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::audio::wav_write::mono_16_bit;

    #[test]
    fn what_a_list_says_is_taken_anew_and_audio_only_where_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let listed = |label: &str, weight: f32| Listed {
            path: path.clone(),
            label: label.to_owned(),
            bandwidth_hz: Some(4000.0),
            weight,
        };
        let open = |entry: Listed| Pack::open(&[entry], folder.path(), &ProgressBar::hidden());
        let record = |value: f32, at: SystemTime| {
            fs::write(&path, mono_16_bit(&[value; 400], 16_000).unwrap()).unwrap();
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(at).unwrap();
        };
        let first = |pack: &Pack| pack.samples(&pack.clips()[0], 0, 1)[0];
        let [before, after] = [1, 2].map(|n| SystemTime::UNIX_EPOCH + Duration::from_secs(n));
        record(0.5, before);
        open(listed("anna", 1.0)).unwrap();

        // Of the same size and time, so that only another decoding could tell.
        record(0.25, before);
        let pack = open(listed("bob", 3.0)).unwrap();
        let [clip] = pack.clips() else {
            panic!("one file, one clip")
        };
        assert_eq!((clip.label.as_str(), clip.weight), ("bob", 3.0));
        assert_eq!(first(&pack), 0.5);

        record(0.25, after);
        assert_eq!(first(&open(listed("bob", 3.0)).unwrap()), 0.25);
    }

    #[test]
    fn of_two_runs_that_decode_the_same_the_slower_takes_what_the_faster_has_made() {
        let folder = tempfile::tempdir().unwrap();
        let listed = [Listed {
            path: folder.path().join("a.wav"),
            label: "anna".to_owned(),
            bandwidth_hz: None,
            weight: 1.0,
        }];
        let name = folder.path().join("pack");
        // As two runs have the files in different orders, so these have other samples.
        let build = |samples: usize| {
            let recording = mono_16_bit(&vec![0.5; samples], 16_000).unwrap();
            fs::write(&listed[0].path, recording).unwrap();
            index::build(&listed, &name, 1, &ProgressBar::hidden()).unwrap()
        };
        let faster = build(400);
        let slower = build(800);
        for index in [faster, slower, index::read(&name, 1).unwrap()] {
            assert_eq!(index.decoded[0].clip(&listed).unwrap().samples(), 400);
        }
        let pack = fs::metadata(name.with_extension("pcm")).unwrap();
        assert_eq!(pack.len(), 2 * 400);
    }
}
