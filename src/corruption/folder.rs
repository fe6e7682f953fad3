//! Recordings in folders as a source of noise or voices, decoded when they are drawn.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Clips;
use super::clips::looped;
use crate::SAMPLE_RATE_HZ;
use crate::audio::decode::read_mono;
use crate::audio::files::recordings;
use crate::audio::resample::StreamResampler;

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
    /// When a path does not exist or a folder holds no recording.
    pub fn noise(paths: &[PathBuf]) -> Result<Self> {
        Ok(Self {
            files: recordings(paths)?,
            filling: Filling::Itself,
        })
    }

    /// Voices: a short recording is followed by others, as a word repeated is no conversation.
    ///
    /// # Errors
    /// As [`FolderClips::noise`].
    pub fn voices(paths: &[PathBuf]) -> Result<Self> {
        Ok(Self {
            files: recordings(paths)?,
            filling: Filling::Others,
        })
    }

    /// A random recording; damaged ones are reported and passed over.
    fn any(&self, rng: &mut ChaCha8Rng) -> Option<Vec<f32>> {
        for _ in 0..self.files.len() {
            let file = &self.files[rng.random_range(0..self.files.len())];
            match read_at_48k(file) {
                Ok(samples) if !samples.is_empty() => return Some(samples),
                Ok(_) => log::warn!("{}: no sound in it, another is used", file.display()),
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
    at_rate(&samples, rate_hz, SAMPLE_RATE_HZ)
}

/// Resamples a whole recording, well enough to listen to.
///
/// # Errors
/// As the resampler's.
pub fn at_rate(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>> {
    let mut resampler = StreamResampler::new(from_hz, to_hz)?;
    let mut output = Vec::new();
    resampler.process(samples, &mut output)?;
    resampler.finish(&mut output)?;
    Ok(output)
}
