//! WAV output, to a file that appears when complete or to a pipe.
//!
//! Samples beyond full scale are limited to it in integer formats, never wrapped, and counted;
//! float samples are stored as they are. A pipe cannot be rewound to fill in the length, so its
//! header says 0xFFFFFFFF, "until the end".

use std::fs::File;
use std::io::{BufWriter, Cursor, Write};
use std::path::Path;

use anyhow::{Result, ensure};
use hound::Sample;

use super::SampleFormat;
use super::decode::Spec;
use crate::pending_file::PendingFile;

/// The size field of a WAV file has 32 bits and counts the header too.
const MAX_DATA_BYTES: u64 = u32::MAX as u64 - 4096;

/// A WAV file or stream being written.
pub struct WavWriter {
    sink: Sink,
    format: SampleFormat,
    data_bytes: u64,
    clipped: u64,
}

enum Sink {
    File {
        writer: hound::WavWriter<BufWriter<File>>,
        pending: PendingFile,
    },
    Pipe(BufWriter<Box<dyn Write>>),
}

impl WavWriter {
    /// Starts the file `path` with the rate, channels and sample format of `spec`.
    ///
    /// # Errors
    /// A folder that cannot be written to; a length that WAV cannot hold.
    pub fn create(path: &Path, spec: &Spec) -> Result<WavWriter> {
        let frames = spec.frames.unwrap_or(0);
        ensure_fits(frames * spec.channels as u64 * sample_bytes(spec.sample_format))?;
        let pending = PendingFile::new(path)?;
        let writer = hound::WavWriter::new(BufWriter::new(pending.handle()?), wav_spec(spec))?;
        Ok(WavWriter::new(Sink::File { writer, pending }, spec))
    }

    /// Starts a WAV stream, such as standard output.
    ///
    /// # Errors
    /// The stream cannot be written to.
    pub fn stream(stream: Box<dyn Write>, spec: &Spec) -> Result<WavWriter> {
        let mut stream = BufWriter::new(stream);
        stream.write_all(&wav_spec(spec).into_header_for_infinite_file())?;
        Ok(WavWriter::new(Sink::Pipe(stream), spec))
    }

    fn new(sink: Sink, spec: &Spec) -> WavWriter {
        WavWriter {
            sink,
            format: spec.sample_format,
            data_bytes: 0,
            clipped: 0,
        }
    }

    /// Writes frames: one slice per channel, all of one length, full scale at 1.0.
    ///
    /// # Errors
    /// Disk full, pipe closed, or more than a WAV file can hold.
    pub fn write(&mut self, planar: &[Vec<f32>]) -> Result<()> {
        let frames = planar.first().map_or(0, Vec::len);
        self.data_bytes += (frames * planar.len()) as u64 * sample_bytes(self.format);
        if matches!(self.sink, Sink::File { .. }) {
            ensure_fits(self.data_bytes)?;
        }
        for frame in 0..frames {
            for channel in planar {
                self.write_sample(channel[frame])?;
            }
        }
        Ok(())
    }

    fn write_sample(&mut self, sample: f32) -> Result<()> {
        match self.format {
            SampleFormat::Float32 => match &mut self.sink {
                Sink::File { writer, .. } => writer.write_sample(sample)?,
                Sink::Pipe(stream) => sample.write(stream, 32)?,
            },
            SampleFormat::Int { bits } => {
                let quantised = quantise(sample, bits);
                self.clipped += u64::from(sample.abs() > 1.0);
                match &mut self.sink {
                    Sink::File { writer, .. } => writer.write_sample(quantised)?,
                    Sink::Pipe(stream) => quantised.write(stream, bits)?,
                }
            }
        }
        Ok(())
    }

    /// How many samples an integer format could not hold and were limited to full scale.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Completes the header and hands the file over, still under its temporary name; nothing is
    /// left to do for a stream.
    ///
    /// # Errors
    /// Disk full or pipe closed.
    pub fn finish(self) -> Result<Option<PendingFile>> {
        match self.sink {
            Sink::File { writer, pending } => {
                writer.finalize()?;
                Ok(Some(pending))
            }
            Sink::Pipe(mut stream) => {
                stream.flush()?;
                Ok(None)
            }
        }
    }
}

/// A mono WAV file of 16 bits in memory, full scale at 1.0.
///
/// # Errors
/// More than a WAV file can hold.
pub fn mono_16_bit(samples: &[f32], rate_hz: u32) -> Result<Vec<u8>> {
    let spec = Spec {
        rate_hz,
        channels: 1,
        sample_format: SampleFormat::Int { bits: 16 },
        frames: Some(samples.len() as u64),
    };
    ensure_fits(2 * samples.len() as u64)?;
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, wav_spec(&spec))?;
    for &sample in samples {
        writer.write_sample(quantise(sample, 16))?;
    }
    writer.finalize()?;
    Ok(file.into_inner())
}

/// Rounds to the nearest step of a signed integer and limits to its range.
fn quantise(sample: f32, bits: u16) -> i32 {
    let full_scale = f64::from(1u32 << (bits - 1));
    (f64::from(sample) * full_scale)
        .round()
        .clamp(-full_scale, full_scale - 1.0) as i32
}

fn sample_bytes(format: SampleFormat) -> u64 {
    match format {
        SampleFormat::Int { bits } => u64::from(bits / 8),
        SampleFormat::Float32 => 4,
    }
}

fn ensure_fits(data_bytes: u64) -> Result<()> {
    ensure!(
        data_bytes <= MAX_DATA_BYTES,
        "the output would exceed the 4 GiB that a WAV file can hold; split the recording"
    );
    Ok(())
}

fn wav_spec(spec: &Spec) -> hound::WavSpec {
    let (bits_per_sample, sample_format) = match spec.sample_format {
        SampleFormat::Int { bits } => (bits, hound::SampleFormat::Int),
        SampleFormat::Float32 => (32, hound::SampleFormat::Float),
    };
    hound::WavSpec {
        channels: spec.channels as u16,
        sample_rate: spec.rate_hz,
        bits_per_sample,
        sample_format,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_rounds_and_never_wraps() {
        assert_eq!(quantise(0.6 / 32768.0, 16), 1);
        assert_eq!(quantise(-0.6 / 32768.0, 16), -1);
        for bits in [8, 16, 24, 32] {
            let full_scale = 1i64 << (bits - 1);
            assert_eq!(i64::from(quantise(1.5, bits)), full_scale - 1);
            assert_eq!(i64::from(quantise(-1.5, bits)), -full_scale);
            assert_eq!(quantise(0.0, bits), 0);
        }
    }

    #[test]
    fn more_than_a_wav_file_can_hold_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec {
            rate_hz: 48_000,
            channels: 2,
            sample_format: SampleFormat::Float32,
            frames: Some(600_000_000),
        };
        assert!(WavWriter::create(&folder.path().join("a.wav"), &spec).is_err());
    }
}
