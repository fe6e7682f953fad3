//! Opens cpal streams that move samples between a device and a queue.
//!
//! The callbacks convert in place or through a buffer made beforehand and use the queue's own
//! lock-free ends: they never block, lock, allocate or log. Only where a server [asks early](Found::asks_early), on a
//! thread of ours, playback waits for samples that are late.

use std::sync::Arc;
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, SampleFormat, StreamConfig, SupportedBufferSize};
use cpal::{SupportedStreamConfig, SupportedStreamConfigRange};
use crossbeam_channel::Sender;

use super::callback_thread::CallbackThread;
use super::sample::DeviceSample;
use crate::SAMPLE_RATE_HZ;
use crate::pipeline::{
    CaptureSide, DeviceError, DeviceErrorKind, Direction, PlaybackSide, StreamEvent,
    StreamEventKind, StreamWish,
};

/// Length of a callback where the user has no wish, in ms.
const PERIOD_MS: f32 = 10.0;
/// Callbacks outside of these lengths, in ms, are not asked for.
const PERIOD_LIMITS_MS: (f32, f32) = (2.5, 100.0);
/// Formats that callbacks convert, the best first.
const FORMATS: [SampleFormat; 3] = [SampleFormat::F32, SampleFormat::I32, SampleFormat::I16];
/// Frames that are converted at once.
const CONVERTED_FRAMES: usize = 1024;

/// The end of a queue that a stream serves.
pub enum Side {
    Capture(CaptureSide),
    Playback(PlaybackSide),
}

impl Side {
    pub fn direction(&self) -> Direction {
        match self {
            Self::Capture(_) => Direction::Input,
            Self::Playback(_) => Direction::Output,
        }
    }
}

/// What a stream was opened with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    pub rate_hz: u32,
    pub channels: u16,
    pub sample: SampleFormat,
    pub period_frames: usize,
}

/// A device, and how it calls back.
pub struct Found {
    pub device: cpal::Device,
    /// Whether a device that plays still has samples for another period when it asks for one, on a thread that may
    /// wait so long.
    pub asks_early: bool,
}

/// Opens the device as near to the wish as it allows, and starts it. May wait for the server for ever.
pub fn open(
    Found { device, asks_early }: &Found,
    wish: &StreamWish,
    side: Side,
    events: Sender<StreamEvent>,
) -> Result<(cpal::Stream, Format), DeviceError> {
    let format = settle(device, side.direction(), wish)?;
    let playing = match &side {
        Side::Playback(side) if *asks_early => Some(Arc::clone(side.state())),
        _ => None,
    };
    let stream = match format.sample {
        SampleFormat::F32 => build::<f32>(device, format, side, events),
        SampleFormat::I32 => build::<i32>(device, format, side, events),
        SampleFormat::I16 => build::<i16>(device, format, side, events),
        other => unreachable!("{other} is none of FORMATS"),
    }?;
    stream.play()?;
    // Not every host knows; then the device does what it was asked.
    let period_frames = stream
        .buffer_size()
        .map_or(format.period_frames, |frames| frames as usize);
    if let Some(playing) = playing {
        let period_s = period_frames as f64 / f64::from(format.rate_hz);
        playing.set_patience(Duration::from_secs_f64(period_s));
    }
    Ok((
        stream,
        Format {
            period_frames,
            ..format
        },
    ))
}

/// Chooses rate, channels, sample format and period.
fn settle(
    device: &cpal::Device,
    direction: Direction,
    wish: &StreamWish,
) -> Result<Format, DeviceError> {
    match direction {
        Direction::Input => choose(
            wish,
            &device.default_input_config()?,
            &device.supported_input_configs()?.collect::<Vec<_>>(),
        ),
        Direction::Output => choose(
            wish,
            &device.default_output_config()?,
            &device.supported_output_configs()?.collect::<Vec<_>>(),
        ),
    }
}

fn choose(
    wish: &StreamWish,
    default: &SupportedStreamConfig,
    supported: &[SupportedStreamConfigRange],
) -> Result<Format, DeviceError> {
    let usable = |range: &&SupportedStreamConfigRange| FORMATS.contains(&range.sample_format());
    let own_channels = default.channels();
    let channels = wish
        .channels
        .filter(|wished| supported.iter().any(|range| range.channels() == *wished))
        .unwrap_or(own_channels);
    let ranges: Vec<_> = supported
        .iter()
        .filter(usable)
        .filter(|range| range.channels() == channels)
        .collect();
    let takes = |rate_hz: u32, range: &SupportedStreamConfigRange| {
        (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate_hz)
    };
    let best = |rate_hz: u32| {
        FORMATS.into_iter().find_map(|format| {
            ranges
                .iter()
                .find(|range| range.sample_format() == format && takes(rate_hz, range))
                .map(|range| (rate_hz, *range))
        })
    };
    let wished = [
        wish.rate_hz,
        Some(SAMPLE_RATE_HZ),
        Some(default.sample_rate()),
    ];
    let (rate_hz, range) = wished.into_iter().flatten().find_map(best).ok_or_else(|| {
        let offered: Vec<_> = supported.iter().map(|range| format!("{range:?}")).collect();
        DeviceError::new(
            DeviceErrorKind::Unsupported,
            format!(
                "the device takes neither f32 nor i32 nor i16 samples; it offers: {}",
                offered.join(", ")
            ),
        )
    })?;
    let (shortest, longest) = PERIOD_LIMITS_MS;
    let period_ms = wish.period_ms.unwrap_or(PERIOD_MS).clamp(shortest, longest);
    let frames = (rate_hz as f32 * period_ms / 1000.0).round() as u32;
    let frames = match range.buffer_size() {
        SupportedBufferSize::Range { min, max } => frames.clamp(*min, (*max).max(*min)),
        SupportedBufferSize::Unknown => frames,
    };
    Ok(Format {
        rate_hz,
        channels,
        sample: range.sample_format(),
        period_frames: frames as usize,
    })
}

fn build<T: DeviceSample>(
    device: &cpal::Device,
    format: Format,
    side: Side,
    events: Sender<StreamEvent>,
) -> Result<cpal::Stream, DeviceError> {
    let config = StreamConfig {
        channels: format.channels,
        sample_rate: format.rate_hz,
        buffer_size: BufferSize::Fixed(format.period_frames as u32),
    };
    let direction = side.direction();
    let mut last = None;
    let report = move |error: cpal::Error| {
        // Each of a stream's threads tells of its end.
        if last.replace(error.kind()) == Some(error.kind()) && error.kind() != ErrorKind::Xrun {
            return;
        }
        let kind = StreamEventKind::Error(error.into());
        // A full channel already holds enough reasons to act.
        let _ = events.try_send(StreamEvent { direction, kind });
    };
    let channels = usize::from(format.channels);
    let mut converted = vec![0.0; CONVERTED_FRAMES * channels];
    let mut thread = CallbackThread::new()
        .map_err(|error| DeviceError::new(DeviceErrorKind::Busy, error.to_string()))?;
    let stream = match side {
        Side::Capture(mut side) => device.build_input_stream(
            config,
            move |samples: &[T], _| {
                thread.promote();
                capture(samples, &mut side, channels, &mut converted);
            },
            report,
            None,
        ),
        Side::Playback(mut side) => device.build_output_stream(
            config,
            move |samples: &mut [T], _| {
                thread.promote();
                play(samples, &mut side, channels, &mut converted);
            },
            report,
            None,
        ),
    };
    Ok(stream?)
}

fn capture<T: DeviceSample>(
    samples: &[T],
    side: &mut CaptureSide,
    channels: usize,
    converted: &mut [f32],
) {
    for part in samples.chunks(converted.len()) {
        let converted = &mut converted[..part.len()];
        for (converted, sample) in converted.iter_mut().zip(part) {
            *converted = sample.to_f32();
        }
        side.push(converted, channels);
    }
}

fn play<T: DeviceSample>(
    samples: &mut [T],
    side: &mut PlaybackSide,
    channels: usize,
    converted: &mut [f32],
) {
    for part in samples.chunks_mut(converted.len()) {
        let converted = &mut converted[..part.len()];
        side.pull(converted, channels);
        for (sample, converted) in part.iter_mut().zip(converted) {
            *sample = T::from_f32(*converted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(channels: u16, rates: (u32, u32), format: SampleFormat) -> SupportedStreamConfigRange {
        let buffer = SupportedBufferSize::Range { min: 64, max: 2048 };
        SupportedStreamConfigRange::new(channels, rates.0, rates.1, buffer, format)
    }

    fn chosen(wish: StreamWish, supported: &[SupportedStreamConfigRange]) -> Format {
        let own = supported[0];
        let default = own.with_sample_rate(own.min_sample_rate());
        choose(&wish, &default, supported).unwrap()
    }

    #[test]
    fn prefers_48_khz_and_f32_in_ten_milliseconds() {
        let supported = [
            range(2, (44_100, 44_100), SampleFormat::I16),
            range(2, (44_100, 96_000), SampleFormat::I16),
            range(2, (44_100, 96_000), SampleFormat::F32),
            range(2, (8_000, 192_000), SampleFormat::F64),
        ];
        let format = chosen(StreamWish::default(), &supported);
        let expected = Format {
            rate_hz: 48_000,
            channels: 2,
            sample: SampleFormat::F32,
            period_frames: 480,
        };
        assert_eq!(format, expected);
    }

    #[test]
    fn takes_what_the_device_has_when_the_wish_cannot_be() {
        let supported = [range(2, (44_100, 44_100), SampleFormat::I16)];
        let wish = StreamWish {
            rate_hz: Some(96_000),
            channels: Some(1),
            period_ms: Some(1000.0),
        };
        let expected = Format {
            rate_hz: 44_100,
            channels: 2,
            sample: SampleFormat::I16,
            period_frames: 2048,
        };
        assert_eq!(chosen(wish, &supported), expected);
    }

    #[test]
    fn refuses_a_device_without_a_format_that_is_converted() {
        let only = range(1, (48_000, 48_000), SampleFormat::U8);
        let error = choose(
            &StreamWish::default(),
            &only.with_max_sample_rate(),
            &[only],
        );
        assert_eq!(error.unwrap_err().kind, DeviceErrorKind::Unsupported);
    }
}
