//! Every format but plain WAV, by Symphonia: FLAC, MP3, Ogg (Vorbis, Opus), WebM and Matroska, M4A (AAC, ALAC), AIFF, WAV
//! of telephones and dictation machines (A-law, µ-law, ADPCM) or of 64-bit floats.
//!
//! Encoder delay and padding are cut off where the file tells them (MP3 with a LAME tag, Vorbis, Opus in Ogg).
//! M4A keeps its encoder's priming samples: Symphonia does not read edit lists.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use symphonia::core::audio::Channels;
use symphonia::core::audio::sample::SampleFormat as CodedFormat;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::SampleFormat;
use super::decode::{Source, Spec};
use super::opus::OpusDecoder;

/// Of this Symphonia tells no sample size.
const LONG_FLOATS: AudioCodecId = codec::CODEC_ID_PCM_F64LE;
/// Codecs of telephones: a byte per sample that stands for 13 or 14 bits (ITU-T G.711).
const COMPANDED: [AudioCodecId; 2] = [codec::CODEC_ID_PCM_ALAW, codec::CODEC_ID_PCM_MULAW];

/// What lies in Ogg. A file cut short tells its last page's position as well, and some programs write it a part of a
/// block too high.
const OF_UNSURE_LENGTH: [AudioCodecId; 2] = [codec::CODEC_ID_VORBIS, codec::CODEC_ID_OPUS];

/// How many places for a channel WAV knows.
const WAV_PLACES: u32 = 18;

/// Packets to frames.
enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<OpusDecoder>),
}

impl Decoder {
    fn new(parameters: &AudioCodecParameters) -> Result<Decoder> {
        if parameters.codec == codec::CODEC_ID_OPUS {
            let decoder = OpusDecoder::new(parameters.extra_data.as_deref())?;
            return Ok(Decoder::Opus(Box::new(decoder)));
        }
        symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map(Decoder::Symphonia)
            .context(
                "the codec of the audio track is not supported; convert it to WAV or FLAC first",
            )
    }

    /// Where the channels belong, as WAV says it; none where the file does not tell, or where WAV has no such place.
    fn channel_mask(&self) -> Option<u32> {
        match self {
            Decoder::Symphonia(decoder) => match decoder.codec_params().channels.as_ref()? {
                // Symphonia's first places are those of WAV, in the same order.
                Channels::Positioned(places) => u32::try_from(places.bits())
                    .ok()
                    .filter(|mask| mask >> WAV_PLACES == 0),
                _ => None,
            },
            Decoder::Opus(decoder) => decoder.channel_mask(),
        }
    }

    /// Replaces the content of `planar` by the frames of the packet, one vector per channel, and returns their rate in Hz.
    fn decode(&mut self, packet: &Packet, planar: &mut Vec<Vec<f32>>) -> Result<u32> {
        match self {
            Decoder::Symphonia(decoder) => {
                let decoded = decoder.decode(packet)?;
                decoded.copy_to_vecs_planar(planar);
                Ok(decoded.spec().rate())
            }
            Decoder::Opus(decoder) => decoder.decode(packet, planar),
        }
    }
}

/// Frames of a compressed file.
pub(super) struct CompressedSource {
    format: Box<dyn FormatReader>,
    decoder: Decoder,
    track_id: u32,
    spec: Spec,
    /// Whether `spec.frames` is a promise rather than an estimate.
    length_is_exact: bool,
    /// The last decoded packet, one vector per channel, and how much of it was handed out.
    packet: Vec<Vec<f32>>,
    packet_used: usize,
    frames_read: u64,
}

impl CompressedSource {
    /// Finds the format and the first audio track.
    pub(super) fn new(file: File, path: &Path) -> Result<CompressedSource> {
        let mut hint = Hint::new();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        let stream = MediaSourceStream::new(Box::new(file), Default::default());
        let format = symphonia::default::get_probe()
            .probe(
                &hint,
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
            .map_err(|error| {
                anyhow!(
                    "not audio in a known format (WAV, FLAC, MP3, Ogg, WebM, M4A, AIFF): {error}"
                )
            })?;
        let track = format
            .default_track(TrackType::Audio)
            .context("holds no audio track")?;
        let parameters = track
            .codec_params
            .as_ref()
            .and_then(|parameters| parameters.audio())
            .context("the codec of the audio track is not known")?;
        let decoder = Decoder::new(parameters)?;
        let track_id = track.id;
        let length_is_exact = lossless_bits(parameters).is_some()
            || COMPANDED.contains(&parameters.codec)
            || (track.delay.is_some() && !OF_UNSURE_LENGTH.contains(&parameters.codec));
        let frames = track.num_frames;
        let known = parameters
            .sample_rate
            .zip(parameters.channels.as_ref().map(|c| c.count()))
            .filter(|_| parameters.codec != codec::CODEC_ID_OPUS);
        let sample_format = match (parameters.sample_format, lossless_bits(parameters)) {
            (Some(CodedFormat::F32 | CodedFormat::F64), Some(_)) => SampleFormat::Float32,
            _ if parameters.codec == LONG_FLOATS => SampleFormat::Float32,
            (_, Some(bits)) => SampleFormat::Int { bits },
            (_, None) => SampleFormat::Int { bits: 16 },
        };
        let mut source = CompressedSource {
            format,
            decoder,
            track_id,
            spec: Spec {
                rate_hz: 0,
                channels: 0,
                sample_format,
                frames,
                channel_mask: None,
            },
            length_is_exact,
            packet: Vec::new(),
            packet_used: 0,
            frames_read: 0,
        };
        (source.spec.rate_hz, source.spec.channels) = match known {
            Some(known) => known,
            // AAC in MP4 tells its rate and channels only with the first packet; Matroska may name the rate that Opus was made from.
            None => {
                let rate_hz = source.decode_packet()?.context("holds no audio")?;
                (rate_hz, source.packet.len())
            }
        };
        source.spec.channel_mask = source
            .decoder
            .channel_mask()
            .filter(|mask| mask.count_ones() as usize == source.spec.channels);
        Ok(source)
    }

    /// Decodes the next packet of the track into `packet` and returns its rate in Hz; none at the end.
    fn decode_packet(&mut self) -> Result<Option<u32>> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(Error::ResetRequired) => bail!("the stream changes its format midway"),
                Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    bail!("truncated: ends in the middle of a packet")
                }
                Err(error) => return Err(error.into()),
            };
            if packet.track_id != self.track_id {
                continue;
            }
            let rate_hz = self
                .decoder
                .decode(&packet, &mut self.packet)
                .context("a packet cannot be decoded")?;
            self.packet_used = 0;
            return Ok(Some(rate_hz));
        }
    }
}

impl Source for CompressedSource {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn read(&mut self, planar: &mut [Vec<f32>], max_frames: usize) -> Result<usize> {
        while self
            .packet
            .first()
            .is_none_or(|channel| channel.len() == self.packet_used)
        {
            if self.decode_packet()?.is_none() {
                let promised = self
                    .spec
                    .frames
                    .filter(|_| self.length_is_exact)
                    .unwrap_or(0);
                ensure!(
                    self.frames_read >= promised,
                    "truncated: the header promises {promised} frames, the file holds {}",
                    self.frames_read
                );
                return Ok(0);
            }
        }
        ensure!(
            self.packet.len() == planar.len(),
            "the number of channels changes midway"
        );
        let used = self.packet_used;
        let frames = max_frames.min(self.packet[0].len() - used);
        for (channel, packet) in planar.iter_mut().zip(&self.packet) {
            channel.extend_from_slice(&packet[used..used + frames]);
        }
        self.packet_used += frames;
        self.frames_read += frames as u64;
        Ok(frames)
    }
}

/// The sample size of a lossless codec, in whole bytes' bits.
fn lossless_bits(parameters: &AudioCodecParameters) -> Option<u16> {
    let lossy = [
        codec::CODEC_ID_MP1,
        codec::CODEC_ID_MP2,
        codec::CODEC_ID_MP3,
        codec::CODEC_ID_AAC,
        codec::CODEC_ID_VORBIS,
        codec::CODEC_ID_OPUS,
        codec::CODEC_ID_ADPCM_MS,
        codec::CODEC_ID_ADPCM_IMA_WAV,
    ];
    if lossy.contains(&parameters.codec) || COMPANDED.contains(&parameters.codec) {
        return None;
    }
    let long_floats = (parameters.codec == LONG_FLOATS).then_some(64);
    parameters
        .bits_per_sample
        .or(long_floats)
        .map(|bits| (bits.clamp(1, 32).div_ceil(8) * 8) as u16)
}
