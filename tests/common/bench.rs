//! A folder in which `denoised corrupt` runs, and the WAV files for it.

// Not every test needs all of it.
#![allow(dead_code)]

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder with a clean recording, a folder of noise and one of voices.
pub struct Bench(TempDir);

impl Bench {
    pub fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        let tone = |hz: f32| move |n: usize| 0.2 * (n as f32 * hz * TAU / 48_000.0).sin();
        write_wav(&bench.path("clean.wav"), 48_000, 1, 48_000, tone(440.0));
        let mut state = 1u32;
        write_wav(&bench.path("noise/rain.wav"), 44_100, 1, 90_000, |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        });
        for (name, hz) in [("a", 200.0), ("b", 310.0)] {
            write_wav(
                &bench.path(&format!("voices/{name}.wav")),
                16_000,
                1,
                9_000,
                tone(hz),
            );
        }
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `denoised corrupt` in the folder; returns success and what it printed to stderr.
    pub fn corrupt(&self, args: &str) -> (bool, String) {
        let mut command = Command::cargo_bin("denoised").unwrap();
        let output = command
            .current_dir(self.0.path())
            .arg("corrupt")
            .args(args.split_whitespace())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    pub fn succeeds(&self, args: &str) {
        let (success, stderr) = self.corrupt(args);
        assert!(success, "{args}: {stderr}");
    }

    /// Must fail and say `word`.
    pub fn fails(&self, args: &str, word: &str) {
        let (success, stderr) = self.corrupt(args);
        assert!(!success && stderr.contains(word), "{args}: {stderr}");
    }

    /// Everything in the folder, with its content.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = walkdir::WalkDir::new(self.0.path()).sort_by_file_name();
        let paths = entries.into_iter().map(|entry| entry.unwrap().into_path());
        paths
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
            .collect()
    }

    pub fn read(&self, name: &str) -> (hound::WavSpec, Vec<f32>) {
        let mut reader = hound::WavReader::open(self.path(name)).unwrap();
        let samples = reader
            .samples::<i16>()
            .map(|x| f32::from(x.unwrap()) / 32_768.0)
            .collect();
        (reader.spec(), samples)
    }
}

pub fn write_wav(
    path: &Path,
    rate: u32,
    channels: u16,
    frames: usize,
    mut sample: impl FnMut(usize) -> f32,
) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for frame in 0..frames {
        let value = (sample(frame) * 32_767.0) as i16;
        (0..channels).for_each(|_| writer.write_sample(value).unwrap());
    }
    writer.finalize().unwrap();
}
