//! The worker's intake: from blocks of device samples to frames at 48 kHz.

use std::sync::Arc;

use super::declick::Declick;
use super::queue::{CaptureDrain, QueueState};
use super::rate::ToInternal;
use super::{DeviceFormat, Step};

/// Longest backlog before the oldest audio goes, beside two callbacks of the device.
const BACKLOG_S: f64 = 0.2;

/// Silence that is put before the first sample. Audio servers deliver a millisecond less at one time and more at
/// the next: at the edge of a frame each such delivery would delay a whole one.
pub const RESERVE_S: f64 = 0.002;

/// An open microphone as the worker sees it.
pub struct Capture {
    drain: CaptureDrain,
    resampler: ToInternal,
    declick: Declick,
    /// One block, mixed down to the lanes, interleaved.
    mixed: Vec<f32>,
    step: Step,
    rate_hz: u32,
    channels: u16,
    /// Length of a callback.
    pub period_s: f64,
}

impl Capture {
    /// Takes the worker's end of a queue that the device has begun to fill.
    pub fn new(drain: CaptureDrain, format: DeviceFormat, step: Step) -> Self {
        let DeviceFormat {
            rate_hz,
            channels,
            period_frames,
        } = format;
        let period_s = period_frames as f64 / f64::from(rate_hz);
        let ceiling = (BACKLOG_S + 2.0 * period_s) * f64::from(rate_hz) * f64::from(channels);
        drain.state().set_bounds(0, ceiling as usize);
        // Fades in, whatever the first sample is.
        let mut declick = Declick::default();
        declick.start();
        Self {
            drain,
            resampler: intake(rate_hz, step),
            declick,
            mixed: Vec::with_capacity(1024),
            step,
            rate_hz,
            channels,
            period_s,
        }
    }

    /// The same microphone for other steps.
    pub fn with_step(mut self, step: Step) -> Self {
        self.resampler = intake(self.rate_hz, step);
        self.step = step;
        self
    }

    /// Fills the next frame of each lane, if so much has been captured.
    pub fn next_frame(&mut self, frames: &mut [Vec<f32>]) -> bool {
        loop {
            if self.resampler.next_frame(frames) {
                return true;
            }
            let (lanes, mixed, declick) = (self.step.lanes, &mut self.mixed, &mut self.declick);
            let popped = self.drain.pop(|samples, channels, gap| {
                if gap {
                    declick.start();
                }
                mixed.clear();
                for frame in samples.chunks_exact(channels) {
                    mix_down(frame, lanes, mixed);
                }
            });
            if !popped {
                return false;
            }
            self.declick.process(&mut self.mixed, lanes);
            for (lane, pending) in self.resampler.pending_mut().iter_mut().enumerate() {
                pending.extend(self.mixed.iter().skip(lane).step_by(lanes));
            }
        }
    }

    /// Audio that waits here, in seconds: less than a frame after all frames were taken.
    pub fn waiting_s(&self) -> f64 {
        self.resampler.pending_s()
    }

    /// Audio that was captured and not yet taken, in seconds.
    pub fn backlog_s(&self) -> f64 {
        self.state().queued_samples() as f64 / self.samples_per_s()
    }

    /// What the resampler adds to the latency, in seconds.
    pub fn delay_s(&self) -> f64 {
        self.resampler.delay_s()
    }

    /// Interleaved samples per second.
    pub fn samples_per_s(&self) -> f64 {
        f64::from(self.rate_hz) * f64::from(self.channels)
    }

    /// The counters of the queue.
    pub fn state(&self) -> &Arc<QueueState> {
        self.drain.state()
    }
}

fn intake(rate_hz: u32, step: Step) -> ToInternal {
    let mut resampler = ToInternal::new(rate_hz, step);
    let reserve = (RESERVE_S * f64::from(rate_hz)) as usize;
    for pending in resampler.pending_mut() {
        pending.resize(reserve, 0.0);
    }
    resampler
}

/// Appends one frame for the lanes: the mean of all channels, or the first two.
fn mix_down(frame: &[f32], lanes: usize, mixed: &mut Vec<f32>) {
    if lanes == 1 {
        mixed.push(frame.iter().sum::<f32>() / frame.len() as f32);
    } else {
        mixed.extend((0..lanes).map(|lane| frame[lane.min(frame.len() - 1)]));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::queue::capture_queue;
    use super::super::testing::{FRAME_SAMPLES, step};
    use super::*;

    #[test]
    fn uneven_deliveries_give_a_frame_each() {
        let (mut device, drain) = capture_queue(thread::current());
        let format = DeviceFormat {
            rate_hz: 48_000,
            channels: 2,
            period_frames: 480,
        };
        let mut capture = Capture::new(drain, format, step(1));
        let mut frame = [vec![0.0; FRAME_SAMPLES]];
        for samples in [419, 541, 480].repeat(5) {
            device.push(&vec![0.1; 2 * samples], 2);
            assert!(capture.next_frame(&mut frame), "none for {samples}");
            assert!(!capture.next_frame(&mut frame), "two for {samples}");
        }
    }
}
