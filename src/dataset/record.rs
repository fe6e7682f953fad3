//! A recording of limited length from a microphone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crossbeam_channel::bounded;

use crate::pipeline::queue::capture_queue;
use crate::pipeline::{Backend, DeviceChoice, StreamEventKind, StreamWish};

/// A device that delivers nothing for so long has stalled.
const STALLED: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// What was recorded, all channels averaged.
#[derive(Debug)]
pub struct Recording {
    pub samples: Vec<f32>,
    pub rate_hz: u32,
    /// Id of the device.
    pub device: String,
}

/// Records `length`, or until `stop` or the device stalls; `progress` is told the time that is there.
///
/// # Errors
/// The device cannot be opened, or delivers nothing.
pub fn record(
    backend: &mut dyn Backend,
    choice: &DeviceChoice,
    length: Duration,
    stop: &AtomicBool,
    progress: impl Fn(Duration),
) -> Result<Recording> {
    let (send, events) = bounded(64);
    let (side, mut drain) = capture_queue(thread::current());
    let stream = backend.open_input(choice, &StreamWish::default(), side, send)?;
    let wanted = (length.as_secs_f64() * f64::from(stream.rate_hz)).ceil() as usize;
    let begun = Instant::now();
    let mut samples: Vec<f32> = Vec::with_capacity(wanted);
    while samples.len() < wanted && !stop.load(Ordering::Relaxed) {
        thread::park_timeout(POLL);
        while drain.pop(|block, channels, gap| {
            if gap {
                log::warn!("samples are missing: is the machine busy?");
            }
            let frames = block.chunks_exact(channels);
            samples.extend(frames.map(|frame| frame.iter().sum::<f32>() / channels as f32));
        }) {}
        for event in events.try_iter() {
            if let StreamEventKind::Error(error) = event.kind {
                log::warn!("{}: {error}", stream.device.id);
            }
        }
        if drain.state().since_callback().min(begun.elapsed()) >= STALLED {
            let stalled = "has stalled; check that it is plugged in and not suspended";
            ensure!(!samples.is_empty(), "{} {stalled}", stream.device.id);
            log::warn!(
                "{} {stalled}; what there is of the recording is kept",
                stream.device.id
            );
            break;
        }
        progress(Duration::from_secs_f64(
            samples.len() as f64 / f64::from(stream.rate_hz),
        ));
    }
    samples.truncate(wanted);
    Ok(Recording {
        samples,
        rate_hz: stream.rate_hz,
        device: stream.device.id,
    })
}
