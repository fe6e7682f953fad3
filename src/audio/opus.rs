//! Opus (RFC 6716), the codec of voice messages, calls and browsers' recordings. Symphonia opens what it lies in (Ogg
//! by RFC 7845, WebM, Matroska) but has no decoder for it; here is one, of the crate ropus.
//!
//! The header that the container carries:
//!
//! ```text
//! "OpusHead"  version  channels  pre-skip  input rate  gain       family  streams  coupled  mapping
//!  8 bytes    u8       u8        u16       u32         i16, Q7.8  u8      u8       u8       u8 per channel
//! ```
//!
//! The last three are there unless the family is 0, which is mono or stereo in one stream. Numbers are little-endian; in
//! MP4, where the version is 0, big-endian.

use anyhow::{Context, Result, anyhow, bail, ensure};
use ropus::OpusMSDecoder;
use symphonia::core::packet::Packet;

/// Opus decodes to this rate, whatever the rate of its input was.
const RATE_HZ: i32 = 48_000;
/// A packet holds at most 120 ms.
const MAX_PACKET_FRAMES: i32 = 5_760;

/// Where the channels of a WAV file (FL FR FC LFE BL BR SL SR) lie among those of Vorbis and of family 1, by their number.
const WAV_ORDER: [&[usize]; 9] = [
    &[],
    &[0],
    &[0, 1],
    &[0, 2, 1],
    &[0, 1, 2, 3],
    &[0, 2, 1, 3, 4],
    &[0, 2, 1, 5, 3, 4],
    &[0, 2, 1, 6, 5, 3, 4],
    &[0, 2, 1, 7, 5, 6, 3, 4],
];

/// Which places those are, as bits of WAV's channel mask.
const WAV_MASKS: [u32; 9] = [0, 0x4, 0x3, 0x7, 0x33, 0x37, 0x3F, 0x70F, 0x63F];

/// Frames of Opus packets.
pub(super) struct OpusDecoder {
    decoder: OpusMSDecoder,
    channels: usize,
    channel_mask: Option<u32>,
    gain: f32,
    /// What the encoder added before the recording and is still to be cut off, in frames.
    pre_skip: usize,
    interleaved: Vec<i16>,
}

impl OpusDecoder {
    /// A decoder of the stream with this header.
    ///
    /// # Errors
    /// A header that is missing or damaged.
    pub(super) fn new(header: Option<&[u8]>) -> Result<OpusDecoder> {
        let header = header
            .and_then(|header| header.strip_prefix(b"OpusHead"))
            .context("the header of the Opus stream is missing")?;
        let (
            [
                version,
                channels,
                skip_0,
                skip_1,
                _,
                _,
                _,
                _,
                gain_0,
                gain_1,
                family,
            ],
            mappings,
        ) = header
            .split_first_chunk::<11>()
            .context("the header of the Opus stream is cut short")?;
        ensure!(
            version >> 4 == 0,
            "version {version} of Opus is not supported"
        );
        let channels = usize::from(*channels);
        let (streams, coupled, mapping) = match (family, mappings) {
            (0, _) => (1, u8::from(channels == 2), &[0, 1][..]),
            (_, [streams, coupled, mapping @ ..]) => (*streams, *coupled, mapping),
            _ => bail!("the header of the Opus stream is cut short"),
        };
        let mapping: Option<Vec<u8>> = match (family, WAV_ORDER.get(channels)) {
            (1, Some(order)) => order.iter().map(|&at| mapping.get(at).copied()).collect(),
            _ => mapping.get(..channels).map(<[u8]>::to_vec),
        };
        let decoder = mapping
            .and_then(|mapping| {
                let [streams, coupled] = [streams, coupled].map(i32::from);
                OpusMSDecoder::new(RATE_HZ, channels as i32, streams, coupled, &mapping).ok()
            })
            .context("the header of the Opus stream is damaged")?;
        let number = if *version == 0 {
            u16::from_be_bytes
        } else {
            u16::from_le_bytes
        };
        let gain_db = f32::from(number([*gain_0, *gain_1]) as i16) / 256.0;
        Ok(OpusDecoder {
            decoder,
            channels,
            // The other families have no places, or none that WAV knows.
            channel_mask: (*family <= 1)
                .then(|| WAV_MASKS.get(channels).copied())
                .flatten(),
            gain: 10f32.powf(gain_db / 20.0) / 32768.0,
            pre_skip: usize::from(number([*skip_0, *skip_1])),
            interleaved: vec![0; MAX_PACKET_FRAMES as usize * channels],
        })
    }

    /// Where the channels belong, as WAV says it.
    pub(super) fn channel_mask(&self) -> Option<u32> {
        self.channel_mask
    }

    /// Replaces the content of `planar` by the frames of the packet, one vector per channel, and returns their rate in Hz.
    ///
    /// # Errors
    /// A packet that is damaged.
    pub(super) fn decode(&mut self, packet: &Packet, planar: &mut Vec<Vec<f32>>) -> Result<u32> {
        let data = &packet.data;
        let frames = self
            .decoder
            .decode(
                Some(data),
                data.len() as i32,
                &mut self.interleaved,
                MAX_PACKET_FRAMES,
                false,
            )
            .map_err(|code| anyhow!("Opus error {code}"))? as usize;
        let end = frames.saturating_sub(packet.trim_end.get() as usize);
        let start = self.pre_skip.min(end);
        self.pre_skip -= start;
        planar.resize_with(self.channels, Vec::new);
        for (channel, samples) in planar.iter_mut().enumerate() {
            let all = self.interleaved.chunks_exact(self.channels);
            samples.clear();
            samples.extend(
                all.take(end)
                    .skip(start)
                    .map(|frame| f32::from(frame[channel]) * self.gain),
            );
        }
        Ok(RATE_HZ as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use ropus::{OPUS_APPLICATION_AUDIO, OpusMSEncoder};
    use symphonia::core::units::{Duration, Timestamp};

    use super::*;

    const HEADER: [u8; 19] = *b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";

    #[test]
    fn surround_comes_in_the_order_of_wav_without_pre_skip_and_with_the_gain() {
        // Five sines in the order of family 1: left, centre, right, rear left, rear right.
        let tones_hz = [300.0, 500.0, 700.0, 1100.0, 1300.0];
        let frame = |n: usize| tones_hz.map(|hz| (TAU * hz * n as f32 / 48_000.0).sin() * 8192.0);
        let mapping = [0, 4, 1, 2, 3];
        let mut encoder =
            OpusMSEncoder::new(48_000, 5, 3, 2, &mapping, OPUS_APPLICATION_AUDIO).unwrap();
        encoder.set_bitrate(400_000);
        let mut header = HEADER.to_vec();
        header[9] = 5;
        header[16..18].copy_from_slice(&(-6i16 * 256).to_le_bytes());
        header[18] = 1;
        header.extend([3, 2]);
        header.extend(mapping);
        let mut decoder = OpusDecoder::new(Some(&header)).unwrap();
        // Front left, right and centre, rear left and right.
        assert_eq!(decoder.channel_mask(), Some(0b11_0111));

        let mut decoded = vec![Vec::new(); 5];
        let mut planar = Vec::new();
        for packet in 0..50 {
            let pcm: Vec<i16> = (0..960)
                .flat_map(|n| frame(packet * 960 + n).map(|sample| sample as i16))
                .collect();
            let mut data = vec![0; 8000];
            let bytes = encoder.encode(&pcm, 960, &mut data, 8000).unwrap();
            data.truncate(bytes as usize);
            let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, data);
            assert_eq!(decoder.decode(&packet, &mut planar).unwrap(), 48_000);
            for (all, new) in decoded.iter_mut().zip(&planar) {
                all.extend_from_slice(new);
            }
        }
        let in_wav_order = [0, 2, 1, 3, 4];
        for (channel, tone) in decoded.iter().zip(in_wav_order) {
            assert_eq!(channel.len(), 50 * 960 - 0x138);
            // What is cut off is what the encoder is late by, so the tone begins at phase 0.
            let error: f32 = (4800..channel.len())
                .map(|n| (channel[n] - frame(n)[tone] / 32768.0 * 0.5012).powi(2))
                .sum();
            let level: f32 = channel[4800..].iter().map(|sample| sample * sample).sum();
            assert!(
                error < 0.01 * level,
                "channel of tone {tone}: {error} of {level}"
            );
        }
    }

    #[test]
    fn any_packet_is_decoded_or_refused() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for channels in [1, 2] {
            let mut header = HEADER;
            header[9] = channels;
            let mut decoder = OpusDecoder::new(Some(&header)).unwrap();
            let (mut planar, mut decoded) = (Vec::new(), 0);
            for _ in 0..2000 {
                let mut data = vec![0; random.random_range(0..300)];
                random.fill_bytes(&mut data);
                let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, data);
                decoded += usize::from(decoder.decode(&packet, &mut planar).is_ok());
            }
            assert!((200..2000).contains(&decoded), "{decoded}");
        }
    }

    #[test]
    fn damaged_headers_are_refused() {
        let header = |change: fn(&mut Vec<u8>)| {
            let mut header = HEADER.to_vec();
            change(&mut header);
            OpusDecoder::new(Some(&header)).map(|decoder| decoder.pre_skip)
        };
        assert_eq!(header(|_| ()).unwrap(), 312);
        assert_eq!(
            header(|header| header[8..12].copy_from_slice(b"\0\x02\x01\x38")).unwrap(),
            312
        );
        assert!(header(|header| header[0] = b'o').is_err());
        assert!(header(|header| header.truncate(18)).is_err());
        assert!(header(|header| header[8] = 0x10).is_err());
        assert!(header(|header| header[9] = 0).is_err());
        assert!(header(|header| header[9] = 3).is_err());
        assert!(header(|header| header[18] = 1).is_err());
        assert!(OpusDecoder::new(None).is_err());
    }
}
