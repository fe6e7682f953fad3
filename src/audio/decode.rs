//! One streaming reader for every file format: WAV of plain numbers by hound, the rest by Symphonia.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::SampleFormat;
use super::compressed::CompressedSource;
use super::wav_read::{NotPlainPcm, WavSource};

/// Sample rates that files may have, in Hz.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;
/// More channels than this point to a damaged header rather than to a recording.
pub const MAX_CHANNELS: usize = 64;

/// What a file says about its audio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    pub rate_hz: u32,
    pub channels: usize,
    /// The format of the samples; for lossy codecs, which have none, 16-bit integer.
    pub sample_format: SampleFormat,
    /// Length in frames (samples per channel) where the header tells it; for MP3 without a
    /// Xing tag an estimate.
    pub frames: Option<u64>,
    /// Where the channels belong, as the bits of WAV's `dwChannelMask`; `None` if nobody said.
    pub channel_mask: Option<u32>,
}

/// Where decoded frames come from.
pub(super) trait Source: Send {
    fn spec(&self) -> Spec;

    /// Appends up to `max_frames` frames to `planar`, one vector per channel, and returns how
    /// many; 0 at the end.
    fn read(&mut self, planar: &mut [Vec<f32>], max_frames: usize) -> Result<usize>;
}

/// A streaming decoder: [`open`](Reader::open) once, then [`read`](Reader::read) until it
/// returns 0.
pub struct Reader {
    source: Box<dyn Source>,
    spec: Spec,
    name: String,
    frames_read: u64,
}

impl Reader {
    /// Opens an audio file, whatever its format: the content decides, not the name.
    ///
    /// # Errors
    /// Says what is wrong with a file that cannot be read, is empty, is not audio, or has a
    /// sample rate outside [`RATES_HZ`].
    pub fn open(path: &Path) -> Result<Reader> {
        let name = path.display().to_string();
        Self::open_file(path)
            .with_context(|| name.clone())
            .and_then(|source| Self::new(source, name))
    }

    /// Reads a WAV stream, such as standard input; `name` is for error messages.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn wav_stream(stream: impl Read + Send + 'static, name: &str) -> Result<Reader> {
        let source = WavSource::new(Box::new(BufReader::new(stream)))
            .context("only WAV can be read from a stream")
            .with_context(|| name.to_string())?;
        Self::new(Box::new(source), name.to_string())
    }

    fn open_file(path: &Path) -> Result<Box<dyn Source>> {
        let mut file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        ensure!(!kind.is_dir(), "is a folder, not a file");
        ensure!(
            !kind.is_fifo(),
            "is a pipe, not a file: `denoised clean -` reads WAV from one on standard input; or save it as a file first"
        );
        let mut magic = Vec::with_capacity(4);
        file.by_ref().take(4).read_to_end(&mut magic)?;
        ensure!(!magic.is_empty(), "the file is empty");
        file.rewind()?;
        Ok(match magic.as_slice() {
            b"RIFF" | b"RF64" | b"BW64" => match WavSource::new(Box::new(BufReader::new(file))) {
                Err(error) if error.is::<NotPlainPcm>() => {
                    Box::new(CompressedSource::new(File::open(path)?, path)?)
                }
                source => Box::new(source?),
            },
            _ => Box::new(CompressedSource::new(file, path)?),
        })
    }

    fn new(source: Box<dyn Source>, name: String) -> Result<Reader> {
        let spec = source.spec();
        ensure!(
            RATES_HZ.contains(&spec.rate_hz),
            "{name}: a sample rate of {} Hz is outside {} to {} Hz",
            spec.rate_hz,
            RATES_HZ.start(),
            RATES_HZ.end()
        );
        ensure!(
            (1..=MAX_CHANNELS).contains(&spec.channels),
            "{name}: {} channels; 1 to {MAX_CHANNELS} are supported",
            spec.channels
        );
        Ok(Reader {
            source,
            spec,
            name,
            frames_read: 0,
        })
    }

    /// Rate, channels, sample format and length.
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// Replaces the content of `planar` by the next frames, one vector per channel, full scale
    /// at 1.0, and returns how many: `max_frames`, fewer near the end, 0 at the end.
    ///
    /// # Errors
    /// A truncated or damaged file, one without any frame, and samples that are not finite.
    pub fn read(&mut self, planar: &mut Vec<Vec<f32>>, max_frames: usize) -> Result<usize> {
        planar.resize_with(self.spec.channels, Vec::new);
        planar.iter_mut().for_each(Vec::clear);
        let mut frames = 0;
        while frames < max_frames {
            let read = self
                .source
                .read(planar, max_frames - frames)
                .with_context(|| self.name.clone())?;
            if read == 0 {
                break;
            }
            frames += read;
        }
        ensure!(
            self.frames_read > 0 || frames > 0,
            "{}: holds no audio",
            self.name
        );
        for (channel, samples) in planar.iter().enumerate() {
            if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
                bail!(
                    "{}: frame {} of channel {} is not a finite number",
                    self.name,
                    self.frames_read + at as u64,
                    channel + 1
                );
            }
        }
        self.frames_read += frames as u64;
        Ok(frames)
    }
}

/// Decodes a whole file and averages its channels; returns the samples and their rate in Hz.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::read`].
pub fn read_mono(path: &Path) -> Result<(Vec<f32>, u32)> {
    let mut reader = Reader::open(path)?;
    let spec = reader.spec();
    let mut mono = Vec::new();
    let mut chunk = Vec::new();
    while reader.read(&mut chunk, 1 << 16)? > 0 {
        let (first, others) = chunk
            .split_first_mut()
            .expect("a reader has at least one channel");
        for other in others.iter() {
            first
                .iter_mut()
                .zip(other)
                .for_each(|(sum, sample)| *sum += sample);
        }
        let gain = 1.0 / spec.channels as f32;
        mono.extend(first.iter().map(|sum| sum * gain));
    }
    Ok((mono, spec.rate_hz))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    /// A mono WAV file at 8 kHz of samples in a format with this tag.
    fn wav(tag: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let bytes = u32::from(bits / 8);
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0".to_vec();
        file.extend(tag.to_le_bytes());
        file.extend(1u16.to_le_bytes());
        file.extend(8000u32.to_le_bytes());
        file.extend((8000 * bytes).to_le_bytes());
        file.extend((bytes as u16).to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"\0\0data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        let riff = (file.len() - 8) as u32;
        file[4..8].copy_from_slice(&riff.to_le_bytes());
        file
    }

    #[test]
    fn a_pipe_is_named_as_one_with_the_way_to_read_it() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let error = Reader::open(Path::new(&path)).err().unwrap();
        let message = format!("{error:#}");
        assert!(
            message.starts_with(&path) && message.contains("denoised clean -"),
            "{message}"
        );
    }

    /// The values of G.711's tables.
    #[test]
    fn wav_of_telephones_and_of_long_floats_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        let floats = [0.5f64, -0.25].map(f64::to_le_bytes).concat();
        let cases = [
            (wav(7, 8, &[0xFF, 0x80, 0x00]), vec![0.0, 32124.0, -32124.0]),
            (wav(6, 8, &[0xD5, 0xAA, 0x2A]), vec![8.0, 32256.0, -32256.0]),
            (wav(3, 64, &floats), vec![16384.0, -8192.0]),
        ];
        for (file, expected) in cases {
            std::fs::write(&path, &file).unwrap();
            let (samples, rate_hz) = read_mono(&path).unwrap();
            assert_eq!(rate_hz, 8000);
            let steps: Vec<f32> = samples.iter().map(|sample| sample * 32768.0).collect();
            assert_eq!(steps, expected);

            std::fs::write(&path, &file[..file.len() - 1]).unwrap();
            let error = format!("{:#}", read_mono(&path).unwrap_err());
            assert!(error.contains("truncated"), "{error}");
        }
    }
}
