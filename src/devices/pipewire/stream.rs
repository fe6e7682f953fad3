//! The samples of one device, as a node of PipeWire's graph.
//!
//! The callback is a part of the graph's cycle, on the thread that PipeWire keeps for it; another thread serves the
//! connection and sleeps otherwise. cpal's own streams are called back on that other thread, which costs a second
//! wake-up in every cycle.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cpal::traits::StreamTrait;
use cpal::{Data, ErrorKind, FrameCount, InputCallbackInfo, OutputCallbackInfo, StreamInstant};
use crossbeam_channel::{Receiver, Sender, bounded};
use pipewire::buffer::Buffer;
use pipewire::channel;
use pipewire::context::ContextRc;
use pipewire::core::{CoreRc, PW_ID_CORE};
use pipewire::main_loop::MainLoopRc;
use pipewire::spa::pod::Pod;
use pipewire::spa::utils;
use pipewire::stream::{StreamFlags, StreamRc, StreamState};

use super::super::callback::{data, instant, played, recorded};
use super::super::pulse::Shape;
use super::clock::Clock;
use super::format;
use crate::pipeline::Direction;

const BYTES_PER_SAMPLE: usize = size_of::<f32>();
/// How long the server may take to accept a stream.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the first cycle may take, which tells how long cycles are.
const FIRST_CYCLE: Duration = Duration::from_secs(1);

/// A stream, paused until it is played; ends when it is dropped.
pub struct Stream {
    start: Instant,
    messages: channel::Sender<Message>,
    /// Frames of the first callback.
    first: Receiver<FrameCount>,
    period_frames: AtomicU32,
    thread: Option<JoinHandle<()>>,
}

/// What the thread that serves the connection is told.
enum Message {
    Play,
    Close,
}

/// Whether PipeWire itself can be reached, not only its PulseAudio server.
pub fn answers() -> bool {
    pipewire::init();
    MainLoopRc::new(None).is_ok_and(|main_loop| connect(&main_loop).is_ok())
}

fn connect(main_loop: &MainLoopRc) -> Result<CoreRc, pipewire::Error> {
    ContextRc::new(main_loop, None)?.connect_rc(None)
}

/// Records the source, or what the sink plays, of this name for a PulseAudio server.
///
/// # Errors
/// When PipeWire does not answer or refuses.
pub fn record(
    source: &CStr,
    shape: Shape,
    mut callback: impl FnMut(&Data, &InputCallbackInfo) + Send + 'static,
    report: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error> {
    let node = Node {
        direction: Direction::Input,
        device: source.to_string_lossy().into_owned(),
        shape,
    };
    Stream::new(node, report, move |buffer, start| {
        let recording = buffer.datas_mut().first_mut()?;
        let begin = recording.chunk().offset() as usize;
        let end = begin + recording.chunk().size() as usize;
        let samples = samples(recording.data()?.get_mut(begin..end)?)?;
        callback(&data(samples), &recorded(start));
        Some(samples.len())
    })
}

/// Plays to the sink of this name.
///
/// # Errors
/// When PipeWire does not answer or refuses.
pub fn play(
    sink: &CStr,
    shape: Shape,
    mut callback: impl FnMut(&mut Data, &OutputCallbackInfo) + Send + 'static,
    report: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error> {
    let node = Node {
        direction: Direction::Output,
        device: sink.to_string_lossy().into_owned(),
        shape,
    };
    let channels = usize::from(shape.channels.num_channels());
    let frame_bytes = BYTES_PER_SAMPLE * channels;
    Stream::new(node, report, move |buffer, start| {
        let wanted = buffer.requested() as usize * frame_bytes;
        let playing = buffer.datas_mut().first_mut()?;
        let room = playing.data()?;
        let filled = wanted.min(room.len() / frame_bytes * frame_bytes);
        let samples = samples(&mut room[..filled])?;
        callback(&mut data(samples), &played(start));
        let count = samples.len();
        let chunk = playing.chunk_mut();
        *chunk.offset_mut() = 0;
        *chunk.stride_mut() = frame_bytes as i32;
        *chunk.size_mut() = filled as u32;
        Some(count)
    })
}

/// The samples in a buffer, which lies on a page of its own.
fn samples(bytes: &mut [u8]) -> Option<&mut [f32]> {
    // SAFETY: any four bytes are an `f32`.
    let (before, samples, after) = unsafe { bytes.align_to_mut::<f32>() };
    (before.is_empty() && after.is_empty()).then_some(samples)
}

/// What a stream is to be.
struct Node {
    direction: Direction,
    device: String,
    shape: Shape,
}

impl Stream {
    /// `cycle` fills or empties the buffer of one cycle and gives its number of samples, if it had any.
    fn new(
        node: Node,
        report: impl FnMut(cpal::Error) + Send + 'static,
        cycle: impl FnMut(&mut Buffer, Instant) -> Option<usize> + Send + 'static,
    ) -> Result<Self, cpal::Error> {
        let (start, period_frames) = (Instant::now(), node.shape.period_frames);
        let (messages, inbox) = channel::channel();
        let (tell_first, first) = bounded(1);
        let (tell_ready, ready) = bounded(1);
        let named = thread::Builder::new().name("pipewire".into());
        let thread = named.spawn(move || {
            let mut clock = Clock::new(&node.shape, tell_first);
            let report = Arc::new(Mutex::new(report));
            let (late, mut cycle) = (Arc::clone(&report), cycle);
            let process = move |stream: &pipewire::stream::Stream| {
                let Some(mut buffer) = stream.dequeue_buffer() else {
                    return;
                };
                let Some(samples) = cycle(&mut buffer, start) else {
                    return;
                };
                if let Ok(time) = stream.time()
                    && let Some(fault) = clock.fault(time.ticks(), time.rate().denom, samples)
                    && let Ok(mut report) = late.try_lock()
                {
                    report(fault.into());
                }
            };
            let report = move |kind, message: &str| {
                let error = cpal::Error::with_message(kind, format!("PipeWire: {message}"));
                report.lock().unwrap_or_else(PoisonError::into_inner)(error);
            };
            pipewire::init();
            if let Err(error) = serve(&node, inbox, report, process, &tell_ready) {
                let _ = tell_ready.try_send(Err(error.to_string()));
            }
        });
        let thread = thread.map_err(|error| {
            cpal::Error::with_message(ErrorKind::ResourceExhausted, error.to_string())
        })?;
        let stream = Self {
            start,
            messages,
            first,
            period_frames: AtomicU32::new(period_frames),
            thread: Some(thread),
        };
        let unavailable = |why| cpal::Error::with_message(ErrorKind::HostUnavailable, why);
        match ready.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(why)) => Err(unavailable(format!("PipeWire refused: {why}"))),
            Err(_) => Err(unavailable("PipeWire does not answer".into())),
        }
    }
}

/// Makes the node and serves its connection until it is told to close.
fn serve(
    node: &Node,
    inbox: channel::Receiver<Message>,
    report: impl Fn(ErrorKind, &str) + Clone + 'static,
    mut process: impl FnMut(&pipewire::stream::Stream) + Send + 'static,
    ready: &Sender<Result<(), String>>,
) -> Result<(), pipewire::Error> {
    let main_loop = MainLoopRc::new(None)?;
    let core = connect(&main_loop)?;
    let properties = format::properties(node.direction, &node.device, &node.shape);
    let stream = StreamRc::new(core.clone(), "denoised", properties)?;

    let (told, looping) = (stream.clone(), main_loop.clone());
    let report_refusal = report.clone();
    let _inbox = inbox.attach(main_loop.loop_(), move |message| match message {
        Message::Play => {
            if let Err(error) = told.set_active(true) {
                report_refusal(ErrorKind::StreamInvalidated, &error.to_string());
            }
        }
        Message::Close => looping.quit(),
    });
    let report_state = report.clone();
    let end = core.add_listener_local();
    let _end = end
        .error(move |id, _, _, message| {
            if id == PW_ID_CORE {
                report(ErrorKind::HostUnavailable, message);
            }
        })
        .register();
    let states = stream.add_local_listener::<()>();
    let states = states
        .state_changed(move |_, (), _, state| match state {
            StreamState::Error(why) => report_state(ErrorKind::StreamInvalidated, &why),
            StreamState::Unconnected => report_state(ErrorKind::StreamInvalidated, "disconnected"),
            _ => {}
        })
        .register()?;
    // A listener of its own: it is called on another thread than the others.
    let cycles = stream.add_local_listener::<()>();
    let _cycles = cycles
        .process(move |stream, ()| process(stream))
        .register()?;

    let pod = format::pod(&node.shape).ok_or(pipewire::Error::CreationFailed)?;
    let mut formats = [Pod::from_bytes(&pod).ok_or(pipewire::Error::CreationFailed)?];
    let direction = match node.direction {
        Direction::Input => utils::Direction::Input,
        Direction::Output => utils::Direction::Output,
    };
    let flags = StreamFlags::AUTOCONNECT
        | StreamFlags::DONT_RECONNECT
        | StreamFlags::INACTIVE
        | StreamFlags::MAP_BUFFERS
        | StreamFlags::RT_PROCESS;
    stream.connect(direction, None, flags, &mut formats)?;
    let _ = ready.try_send(Ok(()));
    main_loop.run();
    states.unregister();
    // After this no cycle calls back any more.
    stream.disconnect()
}

impl StreamTrait for Stream {
    fn play(&self) -> Result<(), cpal::Error> {
        // An end of the thread has been reported.
        let _ = self.messages.send(Message::Play);
        if let Ok(frames) = self.first.recv_timeout(FIRST_CYCLE) {
            self.period_frames.store(frames, Relaxed);
        }
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
        Ok(self.period_frames.load(Relaxed))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Close);
        if let Some(thread) = self.thread.take() {
            // A panic of the callback has been shown.
            let _ = thread.join();
        }
    }
}
