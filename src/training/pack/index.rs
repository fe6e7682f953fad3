//! The index of a pack, which says where each file's samples are, and how both get their names.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::decoding::{Decoded, Filling, decode};
use crate::pending_file::PendingFile;
use crate::training::listing::Listed;

/// Held while a pack gets its name.
const LOCK: &str = ".denoised-packs.lock";

#[derive(Debug, Serialize, Deserialize)]
pub struct Index {
    /// Files, sizes and times of change of what the pack was made of.
    fingerprint: u64,
    pub decoded: Vec<Decoded>,
    /// The files that could not be decoded, each with the reason.
    #[serde(default)]
    left_out: Vec<String>,
}

impl Index {
    /// Says again what could not be decoded when the pack was made, as nothing tries it anew.
    pub fn tell_left_out(&self, json: &Path) {
        for problem in &self.left_out {
            log::warn!(
                "left out: {problem} (decoded earlier; delete {} to try again)",
                json.display()
            );
        }
    }
}

/// Reads the index of the pack `name`; None where there is no whole pack of these files.
pub fn read(name: &Path, fingerprint: u64) -> Option<Index> {
    let text = fs::read(name.with_extension("json")).ok()?;
    let index: Index = serde_json::from_slice(&text).ok()?;
    (index.fingerprint == fingerprint && name.with_extension("pcm").exists()).then_some(index)
}

/// FNV-1a over what identifies the files.
pub fn fingerprint(listed: &[Listed]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for entry in listed {
        let metadata = fs::metadata(&entry.path).ok();
        let size = metadata.as_ref().map_or(0, fs::Metadata::len);
        let changed = metadata.and_then(|metadata| metadata.modified().ok());
        let changed = changed.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        add(entry.path.to_string_lossy().as_bytes());
        add(&size.to_le_bytes());
        add(&changed.unwrap_or_default().as_nanos().to_le_bytes());
    }
    hash
}

/// Decodes the files into the pack `name`, on every core; what cannot be decoded is left out with a warning.
///
/// # Errors
/// The folder cannot be written.
pub fn build(listed: &[Listed], name: &Path, fingerprint: u64, bar: &ProgressBar) -> Result<Index> {
    let samples = PendingFile::new(&name.with_extension("pcm"))?;
    let file = samples.handle()?;
    // Says that the file is not left over.
    lock(&file);
    let Filling {
        decoded, left_out, ..
    } = decode(listed, BufWriter::new(file), bar)?;
    let index = Index {
        fingerprint,
        decoded,
        left_out,
    };
    commit(samples, index, name)
}

/// Gives both files of a pack their names, unless another run with the same list was faster: its samples may lie in
/// another order, and it uses them already.
fn commit(samples: PendingFile, index: Index, name: &Path) -> Result<Index> {
    let only_one = File::create(name.with_file_name(LOCK))?;
    lock(&only_one);
    if let Some(found) = read(name, index.fingerprint) {
        return Ok(found);
    }
    let json = name.with_extension("json");
    let text = PendingFile::new(&json)?;
    text.handle()?
        .write_all(&serde_json::to_vec(&index)?)
        .with_context(|| format!("cannot write {}", json.display()))?;
    // An index whose samples somebody has deleted must not count for these.
    if json.exists() {
        fs::remove_file(&json).with_context(|| format!("cannot replace {}", json.display()))?;
    }
    samples.commit(true)?;
    text.commit(true)?;
    Ok(index)
}

/// Waits until nobody else has locked the file. Where the file system has no locks, runs that share the cache take
/// their chances.
fn lock(file: &File) {
    if let Err(error) = file.lock() {
        log::debug!("the cache cannot be locked: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_full_scale_is_lowered_and_what_cannot_be_decoded_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let listed = ["broken.wav", "loud.wav"].map(|name| Listed {
            path: folder.path().join(name),
            label: String::new(),
            bandwidth_hz: None,
            weight: 1.0,
        });
        fs::write(&listed[0].path, "RIFF....").unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut writer = hound::WavWriter::create(&listed[1].path, spec).unwrap();
        for sample in [2.0f32, -4.0, 1.0] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();

        let name = folder.path().join("pack");
        build(&listed, &name, 1, &ProgressBar::hidden()).unwrap();
        let index = read(&name, 1).unwrap();
        assert_eq!(index.decoded[0].clip(&listed).unwrap().full_scale, 4.0);
        let bytes = fs::read(name.with_extension("pcm")).unwrap();
        let expected = [16_384, -32_768, 8192].map(i16::to_le_bytes);
        assert_eq!(bytes, expected.concat());
        let [problem] = index.left_out.as_slice() else {
            panic!("one file is broken: {:?}", index.left_out)
        };
        assert!(problem.contains("broken.wav"), "{problem}");
    }
}
