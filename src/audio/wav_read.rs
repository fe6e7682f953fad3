//! WAV input: hound reads the format and the samples.
//!
//! Programs that write WAV to a pipe cannot know the length beforehand; their streams are read to
//! the end. Any other length is a promise, and a stream that ends before it is truncated.

use std::io::{self, Cursor, Read};

use anyhow::{Context, Result, anyhow, ensure};
use hound::Sample;

use super::SampleFormat;
use super::decode::{Source, Spec};
use super::wav_chunks::{Header, read_header};

/// A WAV stream of other samples than hound reads.
#[derive(Debug, thiserror::Error)]
#[error("WAV with samples other than 8 to 32-bit PCM is not supported")]
pub(super) struct NotPlainPcm;

/// The tag of a format that says more, such as where the channels belong.
const EXTENSIBLE: u16 = 0xFFFE;
/// Tags of formats whose samples are, or may be, plain numbers: PCM, float, extensible.
const PLAIN_TAGS: [u16; 3] = [1, 3, EXTENSIBLE];

/// Frames of a WAV stream.
pub(super) struct WavSource {
    stream: Box<dyn Read + Send>,
    spec: Spec,
    wav: hound::WavSpec,
    /// Bytes per sample with padding, such as 4 for 24 bits stored in 32.
    sample_bytes: u16,
    frames_read: u64,
    bytes: Vec<u8>,
}

impl WavSource {
    /// Reads the header; the stream then stands at the first sample.
    pub(super) fn new(mut stream: Box<dyn Read + Send>) -> Result<WavSource> {
        let Header { format, data_bytes } =
            read_header(&mut stream).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => anyhow!("truncated: the WAV header is incomplete"),
                _ => error.into(),
            })?;
        let wav = parse_format(&format)?;
        let sample_format = match (wav.sample_format, wav.bits_per_sample) {
            (hound::SampleFormat::Float, 32) => SampleFormat::Float32,
            (hound::SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => SampleFormat::Int { bits },
            _ => return Err(NotPlainPcm.into()),
        };
        // hound has checked that the block holds a whole sample of every channel.
        let block_bytes = u16::from_le_bytes([format[12], format[13]]);
        let sample_bytes = block_bytes / wav.channels;
        let frame_bytes = u32::from(sample_bytes) * u32::from(wav.channels);
        let frames = data_bytes.map(|bytes| bytes / u64::from(frame_bytes));
        let spec = Spec {
            rate_hz: wav.sample_rate,
            channels: wav.channels.into(),
            sample_format,
            frames,
            channel_mask: channel_mask(&format),
        };
        Ok(WavSource {
            stream,
            spec,
            wav,
            sample_bytes,
            frames_read: 0,
            bytes: Vec::new(),
        })
    }
}

/// What hound makes of the content of a `fmt ` chunk.
fn parse_format(format: &[u8]) -> Result<hound::WavSpec> {
    // hound takes a codec's sizes, and those of long floats, for damaged ones.
    let [tag, bits] = [0, 14].map(|at| u16::from_le_bytes([format[at], format[at + 1]]));
    ensure!(PLAIN_TAGS.contains(&tag) && bits <= 32, NotPlainPcm);
    let mut header = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    header.extend((format.len() as u32).to_le_bytes());
    header.extend(format);
    header.extend(b"data\0\0\0\0");
    match hound::WavReader::new(Cursor::new(header)) {
        Ok(reader) => Ok(reader.spec()),
        Err(hound::Error::Unsupported) => Err(NotPlainPcm.into()),
        Err(error) => Err(error).context("damaged WAV format chunk"),
    }
}

/// Where the channels belong, if the format says it.
fn channel_mask(format: &[u8]) -> Option<u32> {
    if !format.starts_with(&EXTENSIBLE.to_le_bytes()) {
        return None;
    }
    let mask = format.get(20..)?.first_chunk()?;
    Some(u32::from_le_bytes(*mask))
}

impl Source for WavSource {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn read(&mut self, planar: &mut [Vec<f32>], max_frames: usize) -> Result<usize> {
        let sample_bytes = usize::from(self.sample_bytes);
        let frame_bytes = sample_bytes * self.spec.channels;
        let left = self
            .spec
            .frames
            .map_or(u64::MAX, |frames| frames - self.frames_read);
        let wanted = max_frames.min(usize::try_from(left).unwrap_or(usize::MAX));
        self.bytes.clear();
        self.stream
            .by_ref()
            .take((wanted * frame_bytes) as u64)
            .read_to_end(&mut self.bytes)?;
        let frames = self.bytes.len() / frame_bytes;
        if let Some(promised) = self.spec.frames {
            ensure!(
                frames == wanted,
                "truncated: the header promises {promised} frames, the file holds {}",
                self.frames_read + frames as u64
            );
        }
        for frame in self.bytes.chunks_exact(frame_bytes) {
            for (channel, sample) in planar.iter_mut().zip(frame.chunks_exact(sample_bytes)) {
                channel.push(decode(sample, self.wav, self.sample_bytes)?);
            }
        }
        self.frames_read += frames as u64;
        Ok(frames)
    }
}

/// One sample as stored, to full scale 1.0.
#[inline]
fn decode(mut bytes: &[u8], wav: hound::WavSpec, sample_bytes: u16) -> Result<f32> {
    let (format, bits) = (wav.sample_format, wav.bits_per_sample);
    Ok(match format {
        hound::SampleFormat::Float => f32::read(&mut bytes, format, sample_bytes, bits)?,
        hound::SampleFormat::Int => {
            let sample = i32::read(&mut bytes, format, sample_bytes, bits)?;
            (f64::from(sample) / f64::from(1u32 << (bits - 1))) as f32
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut chunk = kind.to_vec();
        chunk.extend((content.len() as u32).to_le_bytes());
        chunk.extend(content);
        chunk.extend(vec![0; content.len() % 2]);
        chunk
    }

    fn format(tag: u16, channels: u16, block_bytes: u16, bits: u16) -> Vec<u8> {
        let rate = 16_000u32;
        let mut format = tag.to_le_bytes().to_vec();
        format.extend(channels.to_le_bytes());
        format.extend(rate.to_le_bytes());
        format.extend((rate * u32::from(block_bytes)).to_le_bytes());
        format.extend(block_bytes.to_le_bytes());
        format.extend(bits.to_le_bytes());
        chunk(b"fmt ", &format)
    }

    fn read(chunks: &[Vec<u8>]) -> Result<(Spec, Vec<Vec<f32>>)> {
        read_as(b"RIFF", chunks)
    }

    fn read_as(magic: &[u8; 4], chunks: &[Vec<u8>]) -> Result<(Spec, Vec<Vec<f32>>)> {
        let stream = [&magic[..], b"\0\0\0\0WAVE", &chunks.concat()].concat();
        let mut source = WavSource::new(Box::new(Cursor::new(stream)))?;
        let spec = source.spec();
        let mut planar = vec![Vec::new(); spec.channels];
        while source.read(&mut planar, 3)? > 0 {}
        Ok((spec, planar))
    }

    #[test]
    fn other_chunks_are_skipped_with_their_padding() {
        let odd = chunk(b"LIST", b"odd");
        let data = chunk(b"data", &[0, 0x40, 0, 0xC0]);
        let (spec, planar) = read(&[odd.clone(), format(1, 2, 4, 16), odd, data]).unwrap();
        assert_eq!(spec.frames, Some(1));
        assert_eq!(planar, [[0.5], [-0.5]]);
    }

    #[test]
    fn full_scale_is_one_in_every_format() {
        for (format, half) in [
            (format(1, 1, 1, 8), vec![0xC0]),
            (format(1, 1, 2, 16), vec![0, 0x40]),
            (format(1, 1, 3, 24), vec![0, 0, 0x40]),
            (format(1, 1, 4, 32), vec![0, 0, 0, 0x40]),
            (format(1, 1, 4, 24), vec![0, 0, 0x40, 0]),
            (format(3, 1, 4, 32), 0.5f32.to_le_bytes().to_vec()),
        ] {
            let (_, planar) = read(&[format, chunk(b"data", &half)]).unwrap();
            assert_eq!(planar, [[0.5]]);
        }
    }

    #[test]
    fn a_stream_of_open_length_is_read_to_its_last_whole_frame() {
        for size in [0, 0x7FFF_F000, u32::MAX] {
            let mut data = chunk(b"data", &[0, 0x40, 0, 0x40, 0, 0x40, 7]);
            data[4..8].copy_from_slice(&size.to_le_bytes());
            data.pop();
            let (spec, planar) = read(&[format(1, 1, 2, 16), data]).unwrap();
            assert_eq!(spec.frames, None);
            assert_eq!(planar, [[0.5, 0.5, 0.5]]);
        }
    }

    #[test]
    fn the_long_size_of_rf64_ends_the_samples_before_other_chunks() {
        let long = [[5; 8], 6u64.to_le_bytes(), 3u64.to_le_bytes()].concat();
        let long = chunk(b"ds64", &[&long[..], &[0; 4]].concat());
        let mut data = chunk(b"data", &[0, 0x40, 0, 0x40, 0, 0x40]);
        data[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let chunks = [long, format(1, 1, 2, 16), data, chunk(b"LIST", b"more")];
        for magic in [b"RF64", b"BW64"] {
            let (spec, planar) = read_as(magic, &chunks).unwrap();
            assert_eq!(spec.frames, Some(3));
            assert_eq!(planar, [[0.5, 0.5, 0.5]]);
        }
        let error = read_as(b"RF64", &chunks[..2]).unwrap_err();
        assert!(format!("{error:#}").contains("header is incomplete"));
    }

    #[test]
    fn damaged_headers_are_errors() {
        let data = || chunk(b"data", &[0; 8]);
        for (chunks, words) in [
            (vec![data()], "without a format chunk"),
            (vec![format(1, 0, 0, 16), data()], "zero channels"),
            (vec![format(1, 4, 1, 8), data()], "sample bits exceeds"),
            (vec![format(1, 1, 2, 12), data()], "multiple of 8"),
            (vec![format(3, 1, 8, 64), data()], "8 to 32-bit PCM"),
            (vec![format(2, 1, 2, 16), data()], "8 to 32-bit PCM"),
            (vec![format(1, 1, 2, 16)], "header is incomplete"),
            (
                vec![chunk(b"fmt ", &[0; 4]), data()],
                "damaged format chunk",
            ),
        ] {
            let error = format!("{:#}", read(&chunks).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
