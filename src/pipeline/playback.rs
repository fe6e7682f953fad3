//! The worker's outlet: from frames at 48 kHz to the playback device's samples and clock.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::capture::RESERVE_S;
use super::cushion::Cushion;
use super::drift::DriftControl;
use super::queue::{PlaybackFeed, QueueState};
use super::rate::ToDevice;
use super::{DeviceFormat, Step};

/// Audio kept beyond what the callbacks take at once: their jitter.
const MARGIN_S: f64 = 0.005;
/// What is kept beside a frame that may come late: what a bent ratio may leave out.
const BENT_S: f64 = 0.001;
/// Audio above the target that is not yet worth a cut, beside one step of the worker.
const SLACK_S: f64 = 0.02;

/// An open speaker as the worker sees it.
pub struct Playback {
    feed: PlaybackFeed,
    resampler: ToDevice,
    drift: DriftControl,
    cushion: Cushion,
    bend: f64,
    /// Underruns and dropped samples when the level was last known to be undisturbed.
    disturbances: u64,
    interleaved: Vec<f32>,
    step: Step,
    rate_hz: u32,
    channels: usize,
    period_s: f64,
    /// What playback is asked to start with, and the length of a capture callback, in seconds.
    asked_s: [f64; 2],
    /// See [`DriftControl::update`].
    enough_s: RangeInclusive<f64>,
}

impl Playback {
    /// Takes the worker's end of a queue that the device has begun to empty.
    pub fn new(feed: PlaybackFeed, format: DeviceFormat, step: Step) -> Self {
        let DeviceFormat {
            rate_hz,
            channels,
            period_frames,
        } = format;
        Self {
            feed,
            resampler: ToDevice::new(rate_hz, step),
            drift: DriftControl::default(),
            cushion: Cushion::default(),
            bend: 1.0,
            disturbances: 0,
            interleaved: Vec::new(),
            step,
            rate_hz,
            channels: channels.max(1).into(),
            period_s: period_frames.max(1) as f64 / f64::from(rate_hz),
            asked_s: [0.0; 2],
            enough_s: 0.0..=0.0,
        }
    }

    /// The same speaker for other steps.
    pub fn with_step(mut self, step: Step) -> Self {
        self.resampler = ToDevice::new(self.rate_hz, step);
        self.step = step;
        self
    }

    /// Sets how much audio playback starts with: `wanted_s`, or as much as the callbacks of both
    /// devices demand.
    pub fn set_queue(&mut self, wanted_s: f64, capture_period_s: f64) {
        let asked_s = [wanted_s, capture_period_s];
        if asked_s != self.asked_s {
            self.asked_s = asked_s;
            // The level that was held so far is not the one to hold any more.
            self.drift.restart();
        }
        self.set_bounds();
    }

    fn set_bounds(&mut self) {
        let [wanted_s, capture_period_s] = self.asked_s;
        let frame_s = self.step.seconds();
        let step_s = capture_period_s.max(frame_s);
        // Between two steps of the worker the device takes so much.
        let taken = (step_s / self.period_s - 1e-6).ceil().max(1.0) * self.period_s;
        let cushion_s = f64::from(self.cushion.frames()) * frame_s;
        // What the device waits for need not be there in time.
        let patience_s = self.state().patience().as_secs_f64();
        let [late_s, margin_s] = [frame_s, MARGIN_S].map(|spare| (spare - patience_s).max(0.0));
        // One frame may come late.
        let target = wanted_s.max(taken + late_s + BENT_S) + cushion_s;
        let ceiling = target + step_s + SLACK_S;
        let always = target.max(step_s + self.period_s + margin_s + cushion_s);
        self.enough_s = target + RESERVE_S..=always + RESERVE_S;
        let samples = |seconds: f64| (seconds * f64::from(self.rate_hz)) as usize * self.channels;
        self.feed
            .state()
            .set_bounds(samples(target), samples(ceiling));
    }

    /// Queues one frame per lane.
    pub fn push(&mut self, frames: &[Vec<f32>]) {
        let (samples, count) = self.resampler.process(frames, self.bend);
        self.interleaved.clear();
        for n in 0..count {
            for channel in 0..self.channels {
                self.interleaved
                    .push(match (self.step.lanes, self.channels) {
                        (1, _) if channel < 2 => samples[n],
                        (2, 1) => 0.5 * (samples[n] + samples[count + n]),
                        (2, _) if channel < 2 => samples[channel * count + n],
                        // Centre, bass and rear speakers stay silent.
                        _ => 0.0,
                    });
            }
        }
        self.feed.push(&self.interleaved, self.channels);
    }

    /// Watches the level of the queue, right after the worker has pushed all it had.
    /// `waiting_s` is what waits for its frame to be complete.
    pub fn follow_clock(&mut self, waiting_s: f64, elapsed_s: f64) {
        if self.cushion.update(self.state().underruns(), elapsed_s) {
            self.set_bounds();
            self.drift.restart();
        }
        let state = self.feed.state();
        let disturbances = state.underruns() + state.dropped_samples();
        // Before the device begins to play, whatever gathers says nothing.
        if disturbances != self.disturbances || state.callbacks() == 0 {
            self.disturbances = disturbances;
            self.drift.restart();
        }
        let level_s = self.level_s() + waiting_s;
        self.bend = self.drift.update(level_s, &self.enough_s, elapsed_s);
    }

    /// Audio ahead of a sample queued now, in seconds. The device takes a whole period at once but
    /// plays it evenly, so the level falls evenly too.
    pub fn level_s(&self) -> f64 {
        let state = self.feed.state();
        let queued = state.queued_samples() as f64 / self.channels as f64;
        let played = state.since_callback().as_secs_f64().min(self.period_s);
        queued / f64::from(self.rate_hz) - played + self.period_s
    }

    /// What the resampler adds to the latency, in seconds.
    pub fn delay_s(&self) -> f64 {
        self.resampler.delay_s()
    }

    /// See [`DriftControl::drift_ppm`].
    pub fn drift_ppm(&self) -> f64 {
        self.drift.drift_ppm()
    }

    /// Interleaved samples per second.
    pub fn samples_per_s(&self) -> f64 {
        f64::from(self.rate_hz) * self.channels as f64
    }

    /// The counters of the queue.
    pub fn state(&self) -> &Arc<QueueState> {
        self.feed.state()
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::playback_queue;
    use super::super::testing::{FRAME_SAMPLES, step};
    use super::*;

    #[test]
    fn a_longer_queue_is_reached_while_audio_runs() {
        let (feed, mut side) = playback_queue();
        let format = DeviceFormat {
            rate_hz: 48_000,
            channels: 1,
            period_frames: FRAME_SAMPLES,
        };
        let mut playback = Playback::new(feed, format, step(1));
        let frames = vec![vec![0.0; FRAME_SAMPLES]];
        let mut period = [0.0; FRAME_SAMPLES];
        let mut queued_ms = |wanted_s: f64, seconds: usize| {
            playback.set_queue(wanted_s, 0.01);
            for _ in 0..seconds * 100 {
                playback.push(&frames);
                side.pull(&mut period, 1);
                playback.follow_clock(RESERVE_S, 0.01);
            }
            // As before the device took a period.
            playback.state().queued_samples() as f64 / 48.0 + 10.0
        };
        let short_ms = queued_ms(0.03, 5);
        assert!((short_ms - 30.0).abs() < 3.0, "{short_ms} ms");
        let long_ms = queued_ms(0.06, 15);
        assert!((long_ms - 60.0).abs() < 3.0, "{long_ms} ms");
    }
}
