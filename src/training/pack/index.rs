//! Decoding what a list names, once, and the index that says where each file's samples are then.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::Clip;
use crate::audio::decode::read_mono;
use crate::pending_file::PendingFile;
use crate::training::listing::Listed;

/// Held while a pack gets its name.
const LOCK: &str = ".denoised-packs.lock";

#[derive(Debug, Serialize, Deserialize)]
pub struct Index {
    /// Files, sizes and times of change of what the pack was made of.
    fingerprint: u64,
    pub decoded: Vec<Decoded>,
}

/// Where a file's samples are.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decoded {
    /// Its number in the list.
    number: usize,
    rate_hz: u32,
    start: usize,
    samples: usize,
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
            start: self.start,
            samples: self.samples,
        })
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
    let decoded = decode(listed, BufWriter::new(file), bar)?;
    let index = Index {
        fingerprint,
        decoded,
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

/// Writes the samples of every file to `output`; where they are, in the order of the list.
fn decode(listed: &[Listed], output: BufWriter<File>, bar: &ProgressBar) -> Result<Vec<Decoded>> {
    let output = Mutex::new((output, Vec::<Decoded>::new(), 0usize));
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
            let (audio, rate_hz) = match read_mono(&entry.path) {
                Ok(decoded) if !decoded.0.is_empty() => decoded,
                Ok(_) => continue,
                Err(error) => {
                    log::warn!("left out: {error:#}");
                    continue;
                }
            };
            let bytes: Vec<u8> = audio
                .iter()
                .flat_map(|&x| {
                    ((x * 32768.0).round().clamp(-32768.0, 32767.0) as i16).to_le_bytes()
                })
                .collect();
            let mut guard = output
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let (writer, decoded, start) = &mut *guard;
            writer.write_all(&bytes)?;
            decoded.push(Decoded {
                number,
                rate_hz,
                start: *start,
                samples: audio.len(),
            });
            *start += audio.len();
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
    let (mut writer, mut decoded, _) = output
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    writer.flush()?;
    // The order in the file is by chance; the order of the clips must not be, or seeds mean nothing.
    decoded.sort_by_key(|decoded| decoded.number);
    Ok(decoded)
}
