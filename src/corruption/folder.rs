//! Recordings in folders as a source of noise or voices, decoded when they are drawn.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Clips;
use super::clips::looped;
use crate::SAMPLE_RATE_HZ;
use crate::audio::decode::read_mono;
use crate::audio::files::recordings;
use crate::audio::resample::resample;

/// What fills up the time when a recording is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    Itself,
    Others,
}

/// The recordings below some folders. Files are decoded at each draw, so memory stays bounded;
/// training packs its material into a pool instead.
#[derive(Debug)]
pub struct FolderClips {
    files: Vec<PathBuf>,
    filling: Filling,
}

impl FolderClips {
    /// Noise: a short recording repeats.
    ///
    /// # Errors
    /// When a path does not exist, a folder holds no recording, or all of them are damaged or silent.
    pub fn noise(paths: &[PathBuf]) -> Result<Self> {
        Self::new(paths, Filling::Itself)
    }

    /// Voices: a short recording is followed by others, as a word repeated is no conversation.
    ///
    /// # Errors
    /// As [`FolderClips::noise`].
    pub fn voices(paths: &[PathBuf]) -> Result<Self> {
        Self::new(paths, Filling::Others)
    }

    fn new(paths: &[PathBuf], filling: Filling) -> Result<Self> {
        let files = recordings(paths)?;
        ensure_usable(&files).with_context(|| {
            let paths: Vec<_> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            format!(
                "{}: no recording in it can be used, give another folder",
                paths.join(", ")
            )
        })?;
        Ok(Self { files, filling })
    }

    /// A random recording with sound in it; others are reported and passed over.
    fn any(&self, rng: &mut ChaCha8Rng) -> Option<Vec<f32>> {
        let mut left: Vec<&PathBuf> = self.files.iter().collect();
        while !left.is_empty() {
            let file = left.swap_remove(rng.random_range(0..left.len()));
            match read_sound(file) {
                Ok(samples) => return Some(samples),
                Err(error) if left.is_empty() => log::warn!("{error:#}"),
                Err(error) => log::warn!("{error:#}; another recording is used"),
            }
        }
        None
    }
}

impl Clips for FolderClips {
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>> {
        let mut clip = self.any(rng)?;
        if clip.len() < len_samples && self.filling == Filling::Others {
            while clip.len() < len_samples {
                clip.extend(self.any(rng)?);
            }
            clip.truncate(len_samples);
            return Some(clip);
        }
        Some(looped(&clip, rng, len_samples))
    }
}

/// Decodes a whole file to mono at 48 kHz.
///
/// # Errors
/// As the decoder's.
pub fn read_at_48k(path: &Path) -> Result<Vec<f32>> {
    let (samples, rate_hz) = read_mono(path)?;
    resample(&samples, rate_hz, SAMPLE_RATE_HZ)
}

/// Decodes up to the first usable recording, which is usually the first.
///
/// # Errors
/// Why the first cannot be used, where none can.
fn ensure_usable(files: &[PathBuf]) -> Result<()> {
    let mut why = None;
    for file in files {
        match read_sound(file) {
            Ok(_) => return Ok(()),
            Err(error) => why = why.or(Some(error)),
        }
    }
    why.map_or(Ok(()), Err)
}

/// Decodes a recording that is not silent.
fn read_sound(path: &Path) -> Result<Vec<f32>> {
    let samples = read_at_48k(path)?;
    ensure!(
        samples.iter().any(|sample| *sample != 0.0),
        "{}: is silent",
        path.display()
    );
    Ok(samples)
}
