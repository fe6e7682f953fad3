//! The chunks of a WAV stream, from its beginning to its samples.

use std::io::{self, Read};

/// How streams begin: WAV, and WAV whose sizes may exceed 4 GiB (EBU Tech 3306, ITU-R BS.2088).
const MAGICS: [&[u8; 4]; 3] = [b"RIFF", b"RF64", b"BW64"];

/// What stands before the samples.
pub(super) struct Header {
    /// The content of the chunk `fmt `, 16 bytes or more.
    pub(super) format: Vec<u8>,
    /// The size of the chunk `data`; none if the samples go on to the end of the stream.
    pub(super) data_bytes: Option<u64>,
}

/// Walks the chunks; the stream then stands at the first sample.
///
/// # Errors
/// What is damaged; `UnexpectedEof` where the stream ends before its samples.
pub(super) fn read_header(stream: &mut impl Read) -> io::Result<Header> {
    let riff_bytes = read_riff(stream)?;
    let mut header_bytes = 12;
    let mut format = None;
    let mut long_data_bytes = None;
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let [k0, k1, k2, k3, size @ ..] = head;
        let size = u32::from_le_bytes(size);
        header_bytes += 8;
        match &[k0, k1, k2, k3] {
            b"data" => {
                let data_bytes = told_bytes(size, riff_bytes, header_bytes).or(long_data_bytes);
                return format
                    .map(|format| Header { format, data_bytes })
                    .ok_or_else(|| damaged("WAV without a format chunk before its samples"));
            }
            // The sizes of all and of `data`, how many frames, and sizes of other chunks.
            b"ds64" if (28..=4096).contains(&size) => {
                let content = read_content(stream, size)?;
                let data_bytes = content[8..].first_chunk().copied().map(u64::from_le_bytes);
                long_data_bytes = data_bytes.filter(|&bytes| bytes > 0);
            }
            b"fmt " if (16..=4096).contains(&size) => format = Some(read_content(stream, size)?),
            b"fmt " => return Err(damaged("WAV with a damaged format chunk")),
            _ => skip(stream, padded(size))?,
        }
        header_bytes += padded(size);
    }
}

/// The size that RIFF tells: of all that follows it.
fn read_riff(stream: &mut impl Read) -> io::Result<u32> {
    let mut riff = [0; 12];
    stream.read_exact(&mut riff)?;
    if !MAGICS.iter().any(|magic| riff.starts_with(*magic)) || &riff[8..] != b"WAVE" {
        return Err(damaged(
            "not a WAV stream: it does not start with RIFF … WAVE",
        ));
    }
    Ok(u32::from_le_bytes([riff[4], riff[5], riff[6], riff[7]]))
}

/// The size of the chunk `data`, unless it means "until the end of the stream".
///
/// A program that writes to a pipe cannot fill in the two sizes afterwards and leaves what it began with:
///
/// | program                           | size of RIFF            | size of `data`               |
/// |-----------------------------------|-------------------------|------------------------------|
/// | FFmpeg, this one                  | 0xFFFFFFFF              | 0xFFFFFFFF                   |
/// | older FFmpeg                      | 0 or 0xFFFFFFFF         | 0                            |
/// | libsndfile                        | 8                       | 0                            |
/// | GStreamer, others of this manner  | of the header alone     | 0                            |
/// | SoX                               | of `data` and header    | 0x7FFFF000, in whole frames  |
/// | arecord                           | of `data` and header    | 0x7FFFFF00 or 0x80000000     |
///
/// A file that really holds no samples tells 0 as well. It differs from all of these in RIFF's size where other chunks
/// follow; where none do, reading on finds the end at once.
fn told_bytes(size: u32, riff_bytes: u32, header_bytes: u64) -> Option<u64> {
    // RIFF's size leaves out its own 8 bytes, so this is more than the head of one more chunk.
    let others_follow = !is_open(riff_bytes) && u64::from(riff_bytes) > header_bytes;
    (!is_open(size) || (size == 0 && others_follow)).then_some(size.into())
}

/// Whether a size stands for "as much as will come".
fn is_open(size: u32) -> bool {
    matches!(size, 0 | 0x7FFF_0000..=0x8000_0000 | u32::MAX)
}

fn read_content(stream: &mut impl Read, size: u32) -> io::Result<Vec<u8>> {
    let mut content = vec![0; size as usize];
    stream.read_exact(&mut content)?;
    Ok(content)
}

fn skip(stream: &mut impl Read, bytes: u64) -> io::Result<()> {
    if io::copy(&mut stream.take(bytes), &mut io::sink())? < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Chunks are padded to an even length.
fn padded(size: u32) -> u64 {
    u64::from(size) + u64::from(size % 2)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a header with these two sizes, 44 bytes long, says of the size of `data`.
    fn data_bytes(riff_bytes: u32, size: u32) -> Option<u64> {
        let mut stream = b"RIFF".to_vec();
        stream.extend(riff_bytes.to_le_bytes());
        stream.extend(b"WAVEfmt \x10\0\0\0");
        stream.extend([0; 16]);
        stream.extend(b"data");
        stream.extend(size.to_le_bytes());
        stream.extend(b"LIST\x04\0\0\0INFO");
        read_header(&mut stream.as_slice()).unwrap().data_bytes
    }

    #[test]
    fn no_samples_are_believed_where_other_chunks_follow() {
        assert_eq!(data_bytes(36 + 12, 0), Some(0));
        assert_eq!(data_bytes(36 + 12 + 1000, 0), Some(0));
    }

    #[test]
    fn what_programs_leave_in_pipes_means_until_the_end() {
        for (riff_bytes, size) in [
            (u32::MAX, u32::MAX),
            (u32::MAX, 0),
            (0, 0),
            (8, 0),
            (36, 0),
            (44, 0),
            (0x7FFF_F024, 0x7FFF_F000),
            (0x7FFF_F01E, 0x7FFF_EFFA),
            (0x7FFF_FF24, 0x7FFF_FF00),
            (0x8000_0024, 0x8000_0000),
        ] {
            assert_eq!(
                data_bytes(riff_bytes, size),
                None,
                "{riff_bytes:x} {size:x}"
            );
        }
        assert_eq!(data_bytes(0, 8), Some(8));
    }
}
