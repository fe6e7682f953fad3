//! The worker: the one thread that touches the model.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};

use super::capture::Capture;
use super::denoise::Models;
use super::gauges::Gauges;
use super::ladder::Ladder;
use super::lane::{Lane, Powers};
use super::playback::Playback;
use super::queue::{CaptureDrain, PlaybackFeed, QueueState};
use super::recorder::RecorderFeed;
use super::settings::Sound;
use super::stats::Level;
use super::{Corruption, DeviceFormat, Step};
use crate::dsp::level::FLOOR_DB;

/// Looks for commands at least this often; captured audio and commands wake it.
const NAP: Duration = Duration::from_millis(200);
/// How often the queue is looked at while its rest is played.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Frames in one go after which the gauges are updated.
const REPORT_FRAMES: usize = 10;
/// How long the levels are averaged.
const LEVEL_S: f64 = 0.3;

/// What the worker is told, between two frames.
pub enum Command {
    /// The microphone is open, or gone.
    Capture(Option<(CaptureDrain, DeviceFormat)>),
    /// The speaker is open, or gone.
    Playback(Option<(PlaybackFeed, DeviceFormat)>),
    Tuning(Tuning),
    Corruption(Vec<Corruption>),
    /// Records what was captured.
    RecordRaw(Option<RecorderFeed>),
    /// Records what is played.
    Record(Option<RecorderFeed>),
    /// Whether anyone hears what is played.
    Listeners(bool),
    /// Finish what is in the model, wait at most this long until it is played, and end.
    Finish(Duration),
}

/// The part of the settings that the worker follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    pub sound: Sound,
    pub lanes: usize,
    pub queue_s: f64,
    pub idle_after: Duration,
}

/// State of the worker's thread.
pub struct Worker {
    commands: Receiver<Command>,
    gauges: Arc<Gauges>,
    models: Models,
    tuning: Tuning,
    step: Step,
    lanes: Vec<Lane>,
    /// For lanes that there may be later.
    spare_corruption: Vec<Corruption>,
    frames: Vec<Vec<f32>>,
    capture: Option<Capture>,
    playback: Option<Playback>,
    record_raw: Option<RecorderFeed>,
    record: Option<RecorderFeed>,
    listeners: bool,
    ladder: Ladder,
    level: Level,
    powers: Powers,
    followed_at: Instant,
    capture_losses: Losses,
    playback_losses: Losses,
}

impl Worker {
    /// Makes the streams of the model and runs each once, since the first call is slow.
    pub fn new(
        commands: Receiver<Command>,
        gauges: Arc<Gauges>,
        models: Models,
        tuning: Tuning,
    ) -> Self {
        let lanes = lanes(&models, &tuning);
        let step = Step {
            lanes: tuning.lanes,
            frame_samples: lanes[0].frame_samples(),
        };
        let frames_per_s = (1.0 / step.seconds()) as u32;
        gauges.frame_ms.set(step.seconds() as f32 * 1e3);
        Self {
            ladder: Ladder::new(models.light.is_some(), frames_per_s),
            commands,
            gauges,
            models,
            tuning,
            step,
            lanes,
            spare_corruption: Vec::new(),
            frames: frames(step),
            capture: None,
            playback: None,
            record_raw: None,
            record: None,
            listeners: true,
            level: Level::Full,
            powers: Powers::default(),
            followed_at: Instant::now(),
            capture_losses: Losses::default(),
            playback_losses: Losses::default(),
        }
    }

    /// Works until it is told to finish.
    pub fn run(mut self) {
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Finish(drain)) => return self.finish(drain),
                    Err(TryRecvError::Disconnected) => return,
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                }
            }
            let mut frames = 0;
            while let Some(capture) = &mut self.capture
                && capture.next_frame(&mut self.frames)
            {
                self.process();
                frames += 1;
                if frames % REPORT_FRAMES == 0 {
                    // A worker that cannot keep up never finishes, and must show it.
                    self.report();
                }
            }
            if frames > 0 {
                self.follow_clock();
                self.report();
            }
            // A callback since then has left its wake-up call.
            std::thread::park_timeout(NAP);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Capture(capture) => {
                self.capture =
                    capture.map(|(drain, format)| Capture::new(drain, format, self.step));
                self.capture_losses = Losses::default();
                self.set_queue();
            }
            Command::Playback(playback) => {
                self.playback =
                    playback.map(|(feed, format)| Playback::new(feed, format, self.step));
                self.playback_losses = Losses::default();
                self.set_queue();
            }
            Command::Tuning(tuning) => self.tune(tuning),
            Command::Corruption(corruption) => self.set_corruption(corruption),
            Command::RecordRaw(feed) => self.record_raw = feed,
            Command::Record(feed) => self.record = feed,
            Command::Listeners(listeners) => self.listeners = listeners,
            Command::Finish(_) => {}
        }
    }

    fn tune(&mut self, tuning: Tuning) {
        let lanes_change = tuning.lanes != self.tuning.lanes;
        self.tuning = tuning;
        if lanes_change {
            self.step.lanes = tuning.lanes;
            let step = self.step;
            let old = std::mem::replace(&mut self.lanes, lanes(&self.models, &tuning));
            let spare = std::mem::take(&mut self.spare_corruption);
            let used = old.into_iter().filter_map(Lane::into_corruption);
            self.set_corruption(used.chain(spare).collect());
            self.frames = frames(step);
            self.capture = self.capture.take().map(|capture| capture.with_step(step));
            self.playback = self
                .playback
                .take()
                .map(|playback| playback.with_step(step));
        }
        for lane in &mut self.lanes {
            lane.set_idle_after(tuning.idle_after);
        }
        self.set_queue();
    }

    fn set_corruption(&mut self, corruption: Vec<Corruption>) {
        let mut corruption = corruption.into_iter();
        for lane in &mut self.lanes {
            lane.set_corruption(corruption.next());
        }
        self.spare_corruption = corruption.collect();
    }

    fn set_queue(&mut self) {
        let period_s = self
            .capture
            .as_ref()
            .map_or(0.0, |capture| capture.period_s);
        if let Some(playback) = &mut self.playback {
            playback.set_queue(self.tuning.queue_s, period_s);
        }
    }

    /// One frame of each lane: from microphone to speaker and recordings.
    fn process(&mut self) {
        let start = Instant::now();
        if let Some(raw) = &mut self.record_raw {
            raw.write(&self.frames);
        }
        let unheard = !self.listeners && self.record.is_none();
        let level = if unheard { Level::Bypass } else { self.level };
        let mut powers = Powers::default();
        for (lane, frame) in self.lanes.iter_mut().zip(&mut self.frames) {
            powers.add(lane.process(frame, &self.tuning.sound, level));
        }
        let share = self.step.seconds() / LEVEL_S;
        self.powers.approach(powers, share as f32);
        if let Some(record) = &mut self.record {
            record.write(&self.frames);
        }
        if let Some(playback) = &mut self.playback {
            playback.push(&self.frames);
        }
        let taken = start.elapsed();
        // It must be done before the next one is complete.
        let missed = (taken.as_secs_f64() / self.step.seconds()) as u32;
        self.level = self.ladder.observe(missed);
        let gauges = &self.gauges;
        gauges.worker_time.add(taken.as_secs_f32() * 1e6);
        gauges
            .deadline_misses
            .fetch_add(u64::from(missed > 0), Relaxed);
        gauges.frames.fetch_add(1, Relaxed);
    }

    /// After all that was captured is processed.
    fn follow_clock(&mut self) {
        let elapsed_s = self.followed_at.elapsed().as_secs_f64();
        self.followed_at = Instant::now();
        if let (Some(capture), Some(playback)) = (&self.capture, &mut self.playback) {
            playback.follow_clock(capture.waiting_s(), elapsed_s.min(0.2));
        }
    }

    /// Updates the gauges.
    fn report(&mut self) {
        let (gauges, mut latency_s) = (&self.gauges, 0.0);
        if let Some(capture) = &self.capture {
            latency_s += capture.delay_s() + capture.waiting_s() + capture.backlog_s();
            self.capture_losses
                .count(capture.state(), capture.samples_per_s(), gauges);
            if let Some(playback) = &self.playback {
                latency_s += playback.delay_s() + playback.level_s();
                self.playback_losses
                    .count(playback.state(), playback.samples_per_s(), gauges);
                gauges.drift_ppm.set(playback.drift_ppm() as f32);
            }
        }
        latency_s += self.lanes[0].delay_s();
        gauges.latency_ms.set(latency_s as f32 * 1e3);
        gauges.level.set(self.level);
        let idle = self.lanes.iter().all(Lane::idle) || !self.listeners;
        gauges.idle.store(idle, Relaxed);
        let scale = 1.0 / self.lanes.len() as f32;
        let db = |power: f32| (10.0 * (power * scale).log10()).max(FLOOR_DB as f32);
        gauges.input_dbfs.set(db(self.powers.captured));
        gauges.output_dbfs.set(db(self.powers.played));
        gauges
            .reduction_db
            .set(db(self.powers.dry) - db(self.powers.played));
    }

    /// Gets what the models still hold into the recordings and the playback queue.
    fn finish(mut self, drain: Duration) {
        self.record_raw = None;
        for _ in 0..(self.lanes[0].delay_s() / self.step.seconds()).ceil() as usize {
            for frame in &mut self.frames {
                frame.fill(0.0);
            }
            self.process();
        }
        let until = Instant::now() + drain;
        while let Some(playback) = &self.playback
            && playback.state().queued_samples() > 0
            && Instant::now() < until
        {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// New lanes, whose streams have run once.
fn lanes(models: &Models, tuning: &Tuning) -> Vec<Lane> {
    let lane = || {
        let makers = std::iter::once(&models.full).chain(&models.light);
        let mut streams: Vec<_> = makers.map(|make| make()).collect();
        for stream in &mut streams {
            let frame = vec![0.0; stream.frame_samples()];
            stream.process(&frame, &mut frame.clone());
            stream.reset();
        }
        Lane::new(streams, &tuning.sound, tuning.idle_after)
    };
    std::iter::repeat_with(lane).take(tuning.lanes).collect()
}

/// Room for one frame of each lane.
fn frames(step: Step) -> Vec<Vec<f32>> {
    vec![vec![0.0; step.frame_samples]; step.lanes]
}

/// What a queue has lost so far, to count only what is new.
#[derive(Debug, Default)]
struct Losses {
    dropped_samples: u64,
    underruns: u64,
}

impl Losses {
    fn count(&mut self, queue: &QueueState, samples_per_s: f64, gauges: &Gauges) {
        let dropped = queue.dropped_samples();
        let new = (dropped - self.dropped_samples) as f64 / samples_per_s;
        gauges.dropped_us.fetch_add((new * 1e6) as u64, Relaxed);
        self.dropped_samples = dropped;
        let underruns = queue.underruns();
        gauges
            .underruns
            .fetch_add(underruns - self.underruns, Relaxed);
        self.underruns = underruns;
    }
}
