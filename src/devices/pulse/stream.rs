//! The samples of one device, over a connection of their own.
//!
//! A recording arrives in messages of one period. For playback the server asks for what it has room for,
//! and is given that much at once. A thread per stream waits for the server and calls back.

use std::convert::Infallible;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use cpal::traits::StreamTrait;
use cpal::{Data, ErrorKind, FrameCount, InputCallbackInfo, OutputCallbackInfo, StreamInstant};
use pulseaudio::protocol::stream::{BufferAttr, CorkStreamParams, StreamFlags};
use pulseaudio::protocol::{
    self, ChannelMap, Command, CreatePlaybackStreamReply, CreateRecordStreamReply,
    PlaybackStreamParams, ProtocolError, RecordStreamParams, SampleSpec,
};

use super::super::callback::{data, instant, played, recorded};
use super::Connection;
use crate::pipeline::DeviceError;

/// Periods of a recording that the server keeps for a reader that is late.
const RECORDED_PERIODS: u32 = 8;
/// The server asks for halves of a period, so that what it holds to play may be short: two of them and half of
/// one for the device. With less it ran dry when other streams joined the device. PipeWire's holds two and a cycle of the
/// graph. So when one is asked for, the server still has another to play, and the answer may be late by that.
const REQUESTS_PER_PERIOD: u32 = 2;
const BYTES_PER_SAMPLE: usize = size_of::<f32>();

/// What a stream of `f32` samples looks like.
#[derive(Clone, Copy)]
pub struct Shape {
    pub rate_hz: u32,
    pub channels: ChannelMap,
    /// Frames per callback.
    pub period_frames: FrameCount,
}

impl Shape {
    fn sample_spec(&self) -> SampleSpec {
        SampleSpec {
            format: protocol::SampleFormat::Float32Le,
            channels: self.channels.num_channels(),
            sample_rate: self.rate_hz,
        }
    }

    fn bytes_per_frame(&self) -> u32 {
        BYTES_PER_SAMPLE as u32 * u32::from(self.channels.num_channels())
    }
}

/// A stream, paused until it is played; ends when it is dropped.
pub struct Stream {
    period_frames: FrameCount,
    start: Instant,
    close: Box<dyn Fn() + Send + Sync>,
    closing: Arc<AtomicBool>,
    thread: Mutex<Thread>,
}

enum Thread {
    Waiting(Box<dyn FnOnce() + Send>),
    Running(JoinHandle<()>),
    Ended,
}

/// Records the source of this name.
///
/// # Errors
/// When no server answers, or it has no such source.
pub fn record(
    source: &CStr,
    shape: Shape,
    mut callback: impl FnMut(&Data, &InputCallbackInfo) + Send + 'static,
    report: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error> {
    let mut connection = Connection::open()?;
    let period = shape.period_frames * shape.bytes_per_frame();
    let created: CreateRecordStreamReply = connection
        .ask(&Command::CreateRecordStream(RecordStreamParams {
            sample_spec: shape.sample_spec(),
            channel_map: shape.channels,
            source_name: Some(source.into()),
            buffer_attr: BufferAttr {
                max_length: RECORDED_PERIODS * period,
                fragment_size: period,
                ..BufferAttr::default()
            },
            flags: flags(),
            ..RecordStreamParams::default()
        }))
        .map_err(DeviceError::from)?;
    let channel = created.channel;
    let period_frames = created.buffer_attr.fragment_size / shape.bytes_per_frame();
    Stream::new(connection, period_frames, report, move |wire, start| {
        let mut samples = Vec::new();
        wire.start(&Command::CorkRecordStream(uncork(channel)))?;
        loop {
            if wire.next()? != channel {
                wire.read_command()?;
                continue;
            }
            let bytes = wire.samples().chunks_exact(BYTES_PER_SAMPLE);
            samples.clear();
            samples.extend(bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            callback(&data(&mut samples), &recorded(start));
        }
    })
}

/// Plays to the sink of this name.
///
/// # Errors
/// When no server answers, or it has no such sink.
pub fn play(
    sink: &CStr,
    shape: Shape,
    mut callback: impl FnMut(&mut Data, &OutputCallbackInfo) + Send + 'static,
    report: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error> {
    let mut connection = Connection::open()?;
    let request = (shape.period_frames / REQUESTS_PER_PERIOD).max(1) * shape.bytes_per_frame();
    let held = request * 5 / 2;
    let created: CreatePlaybackStreamReply = connection
        .ask(&Command::CreatePlaybackStream(PlaybackStreamParams {
            sample_spec: shape.sample_spec(),
            channel_map: shape.channels,
            sink_name: Some(sink.into()),
            buffer_attr: BufferAttr {
                max_length: held,
                target_length: held,
                minimum_request_length: request,
                ..BufferAttr::default()
            },
            flags: flags(),
            ..PlaybackStreamParams::default()
        }))
        .map_err(DeviceError::from)?;
    let channel = created.channel;
    let period_frames = created.buffer_attr.minimum_request_length / shape.bytes_per_frame();
    Stream::new(connection, period_frames, report, move |wire, start| {
        let mut samples: Vec<f32> = Vec::new();
        let mut message = Vec::new();
        let mut wanted = created.requested_bytes as usize;
        wire.start(&Command::CorkPlaybackStream(uncork(channel)))?;
        loop {
            if wanted > 0 {
                samples.resize(wanted / BYTES_PER_SAMPLE, 0.0);
                callback(&mut data(&mut samples), &played(start));
                let samples = samples.iter().copied();
                wire.connection
                    .send_samples(channel, samples, &mut message)?;
            }
            wire.next()?;
            wanted = wire.read_command()?;
        }
    })
}

/// Paused at first; what the device itself keeps is part of the latency asked for.
fn flags() -> StreamFlags {
    StreamFlags {
        start_corked: true,
        adjust_latency: true,
        ..StreamFlags::default()
    }
}

fn uncork(channel: u32) -> CorkStreamParams {
    CorkStreamParams {
        channel,
        cork: false,
    }
}

/// A connection and the message that came last.
struct Wire<E> {
    connection: Connection,
    message: Vec<u8>,
    report: E,
}

impl<E: FnMut(cpal::Error)> Wire<E> {
    /// From now on the server may take its time.
    fn start(&mut self, command: &Command) -> Result<(), ProtocolError> {
        self.connection.limit_waiting(None)?;
        self.connection.send(command)
    }

    /// Waits for a message; gives the channel it belongs to.
    fn next(&mut self) -> Result<u32, ProtocolError> {
        self.connection.receive(&mut self.message)
    }

    fn samples(&self) -> &[u8] {
        &self.message[protocol::DESCRIPTOR_SIZE..]
    }

    /// What the server says instead of samples; gives the bytes that it asks for.
    fn read_command(&mut self) -> Result<usize, ProtocolError> {
        let (_, command) = self.connection.read_command(&self.message)?;
        match command {
            Command::Request(request) => return Ok(request.length as usize),
            Command::Underflow(_) | Command::Overflow(_) => (self.report)(ErrorKind::Xrun.into()),
            Command::PlaybackStreamKilled(_) | Command::RecordStreamKilled(_) => {
                return Err(ProtocolError::ServerError(protocol::PulseError::NoEntity));
            }
            Command::Error(refusal) => return Err(ProtocolError::ServerError(refusal)),
            _ => {}
        }
        Ok(0)
    }
}

impl Stream {
    fn new<E: FnMut(cpal::Error) + Send + 'static>(
        connection: Connection,
        period_frames: FrameCount,
        report: E,
        run: impl FnOnce(&mut Wire<E>, Instant) -> Result<Infallible, ProtocolError> + Send + 'static,
    ) -> Result<Self, cpal::Error> {
        let close = Box::new(connection.closer()?);
        let start = Instant::now();
        let closing = Arc::new(AtomicBool::new(false));
        let is_closing = Arc::clone(&closing);
        let thread = Thread::Waiting(Box::new(move || {
            let mut wire = Wire {
                connection,
                message: Vec::new(),
                report,
            };
            let Err(error) = run(&mut wire, start);
            if !is_closing.load(Ordering::Relaxed) {
                (wire.report)(DeviceError::from(error).into());
            }
        }));
        Ok(Self {
            period_frames,
            start,
            close,
            closing,
            thread: Mutex::new(thread),
        })
    }
}

impl StreamTrait for Stream {
    fn play(&self) -> Result<(), cpal::Error> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        *thread = match std::mem::replace(&mut *thread, Thread::Ended) {
            Thread::Waiting(run) => {
                let named = thread::Builder::new().name("pulse stream".into());
                Thread::Running(named.spawn(run).map_err(|error| {
                    cpal::Error::with_message(ErrorKind::ResourceExhausted, error.to_string())
                })?)
            }
            other => other,
        };
        Ok(())
    }

    /// Not offered: the pipeline closes streams that it does not want.
    fn pause(&self) -> Result<(), cpal::Error> {
        Err(ErrorKind::UnsupportedOperation.into())
    }

    fn now(&self) -> StreamInstant {
        instant(self.start)
    }

    fn buffer_size(&self) -> Result<FrameCount, cpal::Error> {
        Ok(self.period_frames)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        (self.close)();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Thread::Running(thread) = std::mem::replace(thread, Thread::Ended)
            // A callback may drop its own stream.
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the callback has been shown.
            let _ = thread.join();
        }
    }
}
