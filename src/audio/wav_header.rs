//! Headers of WAV files and streams: hound's, and what it has no option for, which is where the channels belong and
//! lengths of 4 GiB and more.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::SampleFormat;
use super::decode::Spec;

/// The chunk `fmt ` follows "RIFF", a size and "WAVE".
const FORMAT_AT: usize = 12;
/// Size of that chunk's content where hound writes a WAVE_FORMAT_EXTENSIBLE: for more than two channels or 16 bits.
const EXTENSIBLE_BYTES: u8 = 40;
/// Where a header with it has the channel mask.
const MASK: Range<usize> = 40..44;
/// "data" and a size end the header.
const DATA_HEAD_BYTES: usize = 8;

/// The header of a stream, whose length nobody knows yet.
pub(super) fn stream_header(spec: &Spec) -> Vec<u8> {
    let mut header = wav_spec(spec).into_header_for_infinite_file();
    // hound always names the first places there are.
    if header[FORMAT_AT + 4] == EXTENSIBLE_BYTES
        && let Some(mask) = spec.channel_mask
    {
        header[MASK].copy_from_slice(&mask.to_le_bytes());
    }
    header
}

/// Writes the format into a file that hound completed, over hound's own.
///
/// # Errors
/// Disk full.
pub(super) fn correct_format(file: &File, spec: &Spec) -> io::Result<()> {
    let header = stream_header(spec);
    let format = &header[FORMAT_AT..header.len() - DATA_HEAD_BYTES];
    file.write_all_at(format, FORMAT_AT as u64)
}

/// The header of an RF64 file: sizes of 64 bits in front of the format.
pub(super) fn long_header(spec: &Spec, data_bytes: u64) -> Vec<u8> {
    const DS64_BYTES: u32 = 28;
    let short = stream_header(spec);
    let (riff, format) = short.split_at(FORMAT_AT);
    let header_bytes = (riff.len() + 8 + DS64_BYTES as usize + format.len()) as u64;
    let frames = data_bytes / frame_bytes(spec);
    let mut header = b"RF64".to_vec();
    header.extend(&riff[4..]);
    header.extend(b"ds64");
    header.extend(DS64_BYTES.to_le_bytes());
    for size in [
        (header_bytes - 8).saturating_add(data_bytes),
        data_bytes,
        frames,
    ] {
        header.extend(size.to_le_bytes());
    }
    // No sizes of other chunks.
    header.extend(0u32.to_le_bytes());
    header.extend(format);
    header
}

/// The format as hound takes it.
pub(super) fn wav_spec(spec: &Spec) -> hound::WavSpec {
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

/// Bytes of one sample of every channel.
pub(super) fn frame_bytes(spec: &Spec) -> u64 {
    spec.channels as u64 * sample_bytes(spec.sample_format)
}

/// Bytes of one sample.
pub(super) fn sample_bytes(format: SampleFormat) -> u64 {
    match format {
        SampleFormat::Int { bits } => u64::from(bits / 8),
        SampleFormat::Float32 => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anyhow::Result;

    use super::super::decode::Reader;
    use super::super::wav_write::WavWriter;
    use super::*;

    /// Front and rear, left and right.
    const QUAD: u32 = 0x33;

    fn spec(channels: usize, bits: u16, channel_mask: Option<u32>) -> Spec {
        Spec {
            rate_hz: 48_000,
            channels,
            sample_format: SampleFormat::Int { bits },
            frames: Some(2),
            channel_mask,
        }
    }

    fn written(start: impl FnOnce(&Path) -> Result<WavWriter>, channels: usize) -> (Spec, usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut writer = start(&path).unwrap();
        writer.write(&vec![vec![0.5, -0.5]; channels]).unwrap();
        if let Some(pending) = writer.finish().unwrap() {
            pending.commit(false).unwrap();
        }
        let mut reader = Reader::open(&path).unwrap();
        let mut frames = Vec::new();
        let count = reader.read(&mut frames, 10).unwrap();
        assert_eq!(frames, vec![vec![0.5, -0.5]; channels]);
        (reader.spec(), count)
    }

    #[test]
    fn files_long_files_and_streams_keep_the_places_of_the_channels() {
        let quad = spec(4, 16, Some(QUAD));
        let file = written(|path| WavWriter::create(path, &quad), 4);
        assert_eq!(file, (quad, 2));
        let long = written(|path| WavWriter::create_long(path, &quad, 16), 4);
        assert_eq!(long, (quad, 2));
        let open = Spec {
            frames: None,
            ..quad
        };
        let stream = |path: &Path| WavWriter::stream(Box::new(File::create(path)?), &open);
        assert_eq!(written(stream, 4), (open, 2));
    }

    #[test]
    fn short_headers_have_no_places_and_long_ones_the_first_where_none_are_known() {
        for (wanted, read) in [
            (spec(2, 16, Some(0x3)), None),
            (spec(1, 24, Some(0x4)), Some(0x4)),
            (spec(4, 16, None), Some(0xF)),
            (spec(4, 16, Some(0)), Some(0)),
        ] {
            let channels = wanted.channels;
            let (found, _) = written(|path| WavWriter::create(path, &wanted), channels);
            assert_eq!(found.channel_mask, read, "{wanted:?}");
        }
    }
}
