//! The pipeline from outside: start, change, look, stop.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use crossbeam_channel::{Receiver, Sender, bounded};

use super::backend::Backend;
use super::denoise::{Denoiser, ModelLoader, Models};
use super::gauges::Gauges;
use super::keeper::{DeviceBoard, Keeper, Order};
use super::recording::{Recording, Reel};
use super::settings::{Settings, Sound};
use super::stats::{Snapshot, State};
use super::worker::{Command, Tuning, Worker};
use super::{Corruption, RealtimeHook};
use crate::model::denormals::flush_denormals;

/// How long the last audio may take to be played.
const DRAIN: Duration = Duration::from_millis(500);
/// Commands and orders that may wait: then whoever gives one waits, too.
const WAITING: usize = 64;

/// The running pipeline; dropping it ends it without playing the rest.
pub struct PipelineHandle {
    worker: WorkerLink,
    worker_thread: Option<JoinHandle<()>>,
    orders: Sender<Order>,
    keeper_thread: Option<JoinHandle<()>>,
    gauges: Arc<Gauges>,
    board: Arc<DeviceBoard>,
    control: Mutex<Control>,
    started_at: Instant,
}

/// What calls of the handle change; one call at a time.
struct Control {
    settings: Settings,
    record: Recording,
    record_raw: Recording,
}

/// The way to the worker's ear.
#[derive(Clone)]
pub struct WorkerLink {
    commands: Sender<Command>,
    pub thread: Thread,
}

impl WorkerLink {
    /// Queues a command and wakes the worker.
    pub fn send(&self, command: Command) {
        // A worker that has ended needs no commands.
        let _ = self.commands.send(command);
        self.thread.unpark();
    }
}

impl PipelineHandle {
    /// Starts all threads and waits until the model is warm. Devices may still be missing then:
    /// they never stop the pipeline.
    ///
    /// # Errors
    /// When the model cannot be loaded or a recording cannot be started.
    pub fn start(
        settings: Settings,
        backend: Box<dyn Backend>,
        load: ModelLoader,
        realtime: RealtimeHook,
    ) -> Result<Self> {
        let gauges = Arc::new(Gauges::default());
        let board = Arc::new(DeviceBoard::default());
        let (commands, receiver) = bounded(WAITING);
        let (ready, warm) = bounded(1);
        let (tuning, shared) = (tuning(&settings), Arc::clone(&gauges));
        let worker_thread = thread::Builder::new()
            .name("worker".into())
            .spawn(move || work(receiver, shared, tuning, load, realtime, &ready))
            .context("cannot start the worker's thread")?;
        let worker = WorkerLink {
            commands,
            thread: worker_thread.thread().clone(),
        };
        warm.recv()
            .unwrap_or_else(|_| Err(anyhow!("the worker's thread panicked")))?;

        let (orders, receiver) = bounded(WAITING);
        let (link, shared, shown) = (worker.clone(), Arc::clone(&gauges), Arc::clone(&board));
        // Streams live on the thread that opens them.
        let keep = move || Keeper::new(backend, link, shared, shown).run(&receiver);
        let keeper_thread = thread::Builder::new()
            .name("devices".into())
            .spawn(keep)
            .context("cannot start the devices' thread")?;
        let mut control = Control {
            settings: settings.clone(),
            record: Recording::new(Command::Record),
            record_raw: Recording::new(Command::RecordRaw),
        };
        control.want_recordings(&worker)?;
        control.start_recordings(&worker)?;
        let _ = orders.send(Order::Devices(Box::new(settings)));
        Ok(Self {
            worker,
            worker_thread: Some(worker_thread),
            orders,
            keeper_thread: Some(keeper_thread),
            gauges,
            board,
            control: Mutex::new(control),
            started_at: Instant::now(),
        })
    }

    /// What is set now.
    pub fn settings(&self) -> Settings {
        self.control().settings.clone()
    }

    /// Changes everything that differs: sound fades, a recording starts or ends, only a changed
    /// device is opened again. A recording that has failed is tried again.
    ///
    /// # Errors
    /// When a recording cannot be started or could not be finished; all the rest is changed then.
    pub fn apply(&self, settings: Settings) -> Result<()> {
        let mut control = self.control();
        control.settings = settings.clone();
        let finished = control.want_recordings(&self.worker);
        self.worker.send(Command::Tuning(tuning(&settings)));
        let _ = self.orders.send(Order::Devices(Box::new(settings)));
        control.start_recordings(&self.worker).and(finished)
    }

    /// Fades to another mode, limit, mix or gain: [`PipelineHandle::apply`] for sound alone.
    pub fn set_sound(&self, sound: Sound) {
        let mut control = self.control();
        control.settings.sound = sound;
        self.worker.send(Command::Tuning(tuning(&control.settings)));
    }

    /// The noise of the corrupting modes, one for each of up to two channels. Without it they add
    /// nothing.
    pub fn set_corruption(&self, corruption: Vec<Corruption>) {
        self.worker.send(Command::Corruption(corruption));
    }

    /// How it goes.
    pub fn snapshot(&self) -> Snapshot {
        let control = self.control();
        let sound = control.settings.sound;
        let [input, output] = self.board.statuses();
        let states = [&input, &output].into_iter().flatten();
        let state = states.map(|device| device.state).max();
        let gauges = &self.gauges;
        Snapshot {
            state: state.unwrap_or(State::Starting),
            mode: sound.mode,
            atten_limit_db: sound.atten_limit_db,
            mix: sound.mix,
            input_gain_db: sound.input_gain_db,
            input,
            output,
            input_dbfs: gauges.input_dbfs.get(),
            output_dbfs: gauges.output_dbfs.get(),
            reduction_db: gauges.reduction_db.get(),
            latency_ms: gauges.latency_ms.get(),
            worker_p50_ms: gauges.worker_time.quantile_ms(0.5),
            worker_p99_ms: gauges.worker_time.quantile_ms(0.99),
            frame_ms: gauges.frame_ms.get(),
            frames: gauges.frames.load(Relaxed),
            deadline_misses: gauges.deadline_misses.load(Relaxed),
            load: gauges.level.get(),
            idle: gauges.idle.load(Relaxed),
            dropped_ms: gauges.dropped_us.load(Relaxed) / 1000,
            xruns: gauges.xruns.load(Relaxed),
            underruns: gauges.underruns.load(Relaxed),
            reopens: gauges.reopens.load(Relaxed),
            drift_ppm: gauges.drift_ppm.get(),
            recording: control.record.status(),
            recording_raw: control.record_raw.status(),
            uptime_s: self.started_at.elapsed().as_secs_f64(),
        }
    }

    /// Plays what is queued, finishes the recordings and ends all threads.
    ///
    /// # Errors
    /// When a recording could not be finished.
    pub fn stop(mut self) -> Result<()> {
        let (done, closed) = bounded(1);
        if self.orders.send(Order::CloseInput(done)).is_ok() {
            let _ = closed.recv();
        }
        self.end(DRAIN)?;
        let mut control = self.control();
        let finished = control.record.finish();
        control.record_raw.finish().and(finished)
    }

    /// Ends the worker, which finishes what it has, then the devices.
    fn end(&mut self, drain: Duration) -> Result<()> {
        self.worker.send(Command::Finish(drain));
        let worker = self.worker_thread.take().map_or(Ok(()), JoinHandle::join);
        let _ = self.orders.send(Order::Stop);
        let keeper = self.keeper_thread.take().map_or(Ok(()), JoinHandle::join);
        ensure!(worker.is_ok(), "the worker's thread panicked");
        ensure!(keeper.is_ok(), "the devices' thread panicked");
        Ok(())
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PipelineHandle {
    fn drop(&mut self) {
        if let Err(error) = self.end(Duration::ZERO) {
            log::error!("{error:#}");
        }
    }
}

impl Control {
    /// Ends the recordings that the settings do not want as they are. New ones start once the worker knows the
    /// settings, too.
    fn want_recordings(&mut self, worker: &WorkerLink) -> Result<()> {
        let settings = &self.settings;
        let reel = |path: &Option<PathBuf>| {
            path.clone().map(|path| Reel {
                path,
                channels: 1 + u16::from(settings.stereo),
                max_bytes: settings.record_max_bytes,
            })
        };
        let finished = self.record.want(reel(&settings.record), worker);
        self.record_raw
            .want(reel(&settings.record_raw), worker)
            .and(finished)
    }

    /// Starts what is wanted: one that cannot be started does not keep the other from it.
    fn start_recordings(&mut self, worker: &WorkerLink) -> Result<()> {
        let started = self.record.start(worker);
        self.record_raw.start(worker).and(started)
    }
}

fn tuning(settings: &Settings) -> Tuning {
    Tuning {
        sound: settings.sound,
        lanes: 1 + usize::from(settings.stereo),
        queue_s: f64::from(settings.queue_ms) * 1e-3,
        idle_after: settings.idle_after,
    }
}

/// The worker's thread.
fn work(
    commands: Receiver<Command>,
    gauges: Arc<Gauges>,
    tuning: Tuning,
    load: ModelLoader,
    realtime: RealtimeHook,
    ready: &Sender<Result<()>>,
) {
    flush_denormals();
    tch::set_num_threads(1);
    let models = match load().and_then(checked) {
        Ok(models) => models,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let worker = Worker::new(commands, gauges, models, tuning);
    if let Err(error) = realtime() {
        log::warn!("no real-time priority for the worker: {error:#}");
    }
    let _ = ready.send(Ok(()));
    worker.run();
}

/// Models whose frames and delays fit each other.
fn checked(models: Models) -> Result<Models> {
    if let Some(light) = &models.light {
        let timing = |make: &Denoiser| {
            let stream = make();
            (stream.frame_samples(), stream.delay_samples())
        };
        ensure!(
            timing(light) == timing(&models.full),
            "the light model's frames are longer or shorter than those of the full one"
        );
    }
    Ok(models)
}
