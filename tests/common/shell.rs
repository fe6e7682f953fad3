//! A folder in which `denoised clean` runs with an untrained model, and the WAV files for it.

// Not every test needs all of it.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use tempfile::TempDir;

use crate::common::MODEL;

/// A folder to work in, and what was said and done there.
pub struct Shell(pub TempDir);

pub struct Said {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Said {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    pub fn ok(self) -> Said {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    pub fn fails_saying(self, words: &[&str]) -> Said {
        assert_eq!(self.code, 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
        self
    }
}

impl Shell {
    pub fn new() -> Shell {
        Shell(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `denoised clean …`, in the folder, with the test model.
    pub fn clean(&self, arguments: &str) -> Said {
        self.clean_with_stdin(arguments, &[])
    }

    pub fn clean_with_stdin(&self, arguments: &str, stdin: &[u8]) -> Said {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
            .current_dir(self.0.path())
            .env("DENOISED_MODEL", &MODEL.1)
            .arg("clean")
            .args(arguments.split_whitespace())
            .write_stdin(stdin)
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Writes a WAV of half a second of sound that differs between channels.
    pub fn wav(&self, name: &str, spec: WavSpec) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for n in 0..spec.sample_rate / 2 + 7 {
            for channel in 0..spec.channels {
                let seconds = n as f64 / f64::from(spec.sample_rate);
                let value = 0.4
                    * (2.0 * std::f64::consts::PI * (300.0 + 50.0 * f64::from(channel)) * seconds)
                        .sin();
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                    SampleFormat::Int => writer
                        .write_sample(
                            (value * 2f64.powi(i32::from(spec.bits_per_sample) - 1)) as i32,
                        )
                        .unwrap(),
                }
            }
        }
        writer.finalize().unwrap();
        path
    }

    pub fn speech(&self, name: &str) -> PathBuf {
        self.wav(name, int(16, 16_000, 1))
    }

    /// Everything in the folder, as paths below it.
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = walkdir::WalkDir::new(self.0.path())
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                entry
                    .path()
                    .strip_prefix(self.0.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect();
        files.sort();
        files
    }
}

pub fn int(bits: u16, rate_hz: u32, channels: u16) -> WavSpec {
    WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: bits,
        sample_format: SampleFormat::Int,
    }
}

pub fn float(rate_hz: u32, channels: u16) -> WavSpec {
    WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    }
}

/// Interleaved samples, full scale at 1.0.
pub fn samples(path: &Path) -> Vec<f32> {
    let mut reader = WavReader::open(path).unwrap();
    let bits = reader.spec().bits_per_sample;
    match reader.spec().sample_format {
        SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
        SampleFormat::Int => reader
            .samples::<i32>()
            .map(|sample| sample.unwrap() as f32 / 2f32.powi(i32::from(bits) - 1))
            .collect(),
    }
}
