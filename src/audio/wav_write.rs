//! WAV output, to a file that appears when complete or to a pipe.
//!
//! Samples beyond full scale are limited to it in integer formats, never wrapped, and counted;
//! float samples are stored as they are. A pipe cannot be rewound to fill in the length, so its
//! header says 0xFFFFFFFF, "until the end". So does that of a file of 4 GiB and more, and a chunk
//! `ds64` tells the length (RF64, EBU Tech 3306).

use std::fs::File;
use std::io::{BufWriter, Cursor, Seek, Write};
use std::path::Path;

use anyhow::{Result, ensure};
use hound::Sample;

use super::SampleFormat;
use super::decode::Spec;
use super::wav_header::{
    correct_format, frame_bytes, long_header, sample_bytes, stream_header, wav_spec,
};
use crate::pending_file::PendingFile;

/// The size field of a WAV file has 32 bits and counts the header too.
const MAX_DATA_BYTES: u64 = u32::MAX as u64 - 4096;

/// A WAV file or stream being written.
pub struct WavWriter {
    sink: Sink,
    spec: Spec,
    data_bytes: u64,
    clipped: u64,
}

enum Sink {
    File {
        writer: hound::WavWriter<BufWriter<File>>,
        pending: PendingFile,
    },
    /// What hound has no header for: a pipe, or a file of 4 GiB and more.
    Stream {
        stream: BufWriter<Box<dyn Write>>,
        long_file: Option<PendingFile>,
    },
}

impl WavWriter {
    /// Starts the file `path` with the rate, channels (and their places) and sample format of `spec`.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn create(path: &Path, spec: &Spec) -> Result<WavWriter> {
        match told_bytes(spec) {
            Some(data_bytes) if data_bytes > MAX_DATA_BYTES => {
                WavWriter::create_long(path, spec, data_bytes)
            }
            _ => {
                let pending = PendingFile::new(path)?;
                let writer =
                    hound::WavWriter::new(BufWriter::new(pending.handle()?), wav_spec(spec))?;
                Ok(WavWriter::new(Sink::File { writer, pending }, spec))
            }
        }
    }

    /// Starts a file of 4 GiB and more.
    pub(super) fn create_long(path: &Path, spec: &Spec, data_bytes: u64) -> Result<WavWriter> {
        let pending = PendingFile::new(path)?;
        let mut stream = BufWriter::new(Box::new(pending.handle()?) as Box<dyn Write>);
        stream.write_all(&long_header(spec, data_bytes))?;
        let long_file = Some(pending);
        Ok(WavWriter::new(Sink::Stream { stream, long_file }, spec))
    }

    /// Starts a WAV stream, such as standard output.
    ///
    /// # Errors
    /// The stream cannot be written to.
    pub fn stream(stream: Box<dyn Write>, spec: &Spec) -> Result<WavWriter> {
        let mut stream = BufWriter::new(stream);
        stream.write_all(&stream_header(spec))?;
        let long_file = None;
        Ok(WavWriter::new(Sink::Stream { stream, long_file }, spec))
    }

    fn new(sink: Sink, spec: &Spec) -> WavWriter {
        WavWriter {
            sink,
            spec: *spec,
            data_bytes: 0,
            clipped: 0,
        }
    }

    /// Writes frames: one slice per channel, all of one length, full scale at 1.0.
    ///
    /// # Errors
    /// Disk full, pipe closed, or more than a WAV file can hold of a recording whose length was not known.
    pub fn write(&mut self, planar: &[Vec<f32>]) -> Result<()> {
        let frames = planar.first().map_or(0, Vec::len);
        self.data_bytes += (frames * planar.len()) as u64 * sample_bytes(self.spec.sample_format);
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
        match self.spec.sample_format {
            SampleFormat::Float32 => match &mut self.sink {
                Sink::File { writer, .. } => writer.write_sample(sample)?,
                Sink::Stream { stream, .. } => sample.write(stream, 32)?,
            },
            SampleFormat::Int { bits } => {
                let quantised = quantise(sample, bits);
                self.clipped += u64::from(sample.abs() > 1.0);
                match &mut self.sink {
                    Sink::File { writer, .. } => writer.write_sample(quantised)?,
                    Sink::Stream { stream, .. } => quantised.write(stream, bits)?,
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
                correct_format(&pending.handle()?, &self.spec)?;
                Ok(Some(pending))
            }
            Sink::Stream {
                mut stream,
                long_file,
            } => {
                stream.flush()?;
                if let Some(pending) = &long_file {
                    // It may have been shorter than it said.
                    let header = long_header(&self.spec, self.data_bytes);
                    let mut file = pending.handle()?;
                    file.rewind()?;
                    file.write_all(&header)?;
                }
                Ok(long_file)
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
        channel_mask: None,
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

/// Bytes of all samples, where the length is known.
fn told_bytes(spec: &Spec) -> Option<u64> {
    spec.frames
        .map(|frames| frames.saturating_mul(frame_bytes(spec)))
}

fn ensure_fits(data_bytes: u64) -> Result<()> {
    ensure!(
        data_bytes <= MAX_DATA_BYTES,
        "the output would exceed the 4 GiB that a WAV file of unknown length can hold; split the recording"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::decode::Reader;

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
    fn a_long_files_header_is_rf64_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.wav");
        let spec = |frames| Spec {
            rate_hz: 48_000,
            channels: 2,
            sample_format: SampleFormat::Int { bits: 24 },
            frames: Some(frames),
            channel_mask: None,
        };
        let mut writer = WavWriter::create_long(&path, &spec(4), 24).unwrap();
        writer
            .write(&[vec![0.5, -0.5, 0.0], vec![0.25; 3]])
            .unwrap();
        let file = writer.finish().unwrap().unwrap();
        file.commit(false).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"RF64\xff\xff\xff\xffWAVEds64"));
        let told = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(
            [told(20), told(28), told(36)],
            [bytes.len() as u64 - 8, 18, 3]
        );

        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.spec().frames, Some(3));
        let mut frames = Vec::new();
        assert_eq!(reader.read(&mut frames, 10).unwrap(), 3);
        assert_eq!(frames, [vec![0.5, -0.5, 0.0], vec![0.25; 3]]);

        let four_gib = WavWriter::create(&path, &spec(1 << 30)).unwrap();
        assert!(matches!(
            four_gib.sink,
            Sink::Stream {
                long_file: Some(_),
                ..
            }
        ));
    }
}
