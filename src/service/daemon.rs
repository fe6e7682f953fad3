//! The daemon: owns the pipeline and does, one after the other, what signals, clients and the
//! clock ask for. Audio runs on threads of its own and does not wait for any of this.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, bounded, select, tick};
use indicatif::MultiProgress;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tch::Device;

use super::config::{self, Flags, Settings};
use super::control::folder::Claim;
use super::control::{Key, Reply, Request, Server};
use super::hangup::Terminal;
use super::meter::Meter;
use super::metrics;
use super::notify::Notifier;
use super::status::Status;
use crate::arguments;
use crate::corruption::live::{LiveCorruption, LiveOptions};
use crate::model::{Model, locate};
use crate::pipeline::{
    Backend, Corruption, Denoiser, Mode, ModelLoader, Models, PipelineHandle, RealtimeHook, Sound,
};

/// How often a terminal's meter moves, and how often the state is looked at without one.
const METER_EVERY: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the daemon runs on.
pub struct Platform {
    pub backend: Box<dyn Backend>,
    pub realtime: RealtimeHook,
    /// Where the control socket goes, see [`super::control::folder::own`].
    pub folder: PathBuf,
    /// Where to draw a meter, if there is somebody to see it.
    pub terminal: Option<MultiProgress>,
}

/// Runs until a signal or a client ends it; recordings are complete then.
///
/// # Errors
/// [`config::Invalid`], [`super::control::folder::AlreadyRunning`], or the model, a recording, the
/// socket or the metrics cannot be had. Nothing about devices.
pub fn run(flags: Flags, platform: Platform) -> Result<()> {
    let settings = config::resolve(&flags)?.settings;
    let claim = Claim::new(&platform.folder)?;
    let terminal = Terminal::of_start();
    let signals = signals().context("cannot receive signals")?;
    let model = model_path(&settings)?;
    let mut notifier = Notifier::new();

    let pipeline = PipelineHandle::start(
        settings.pipeline(),
        platform.backend,
        loader(model.clone(), settings.light_model.clone()),
        platform.realtime,
    )?;
    let mut daemon = Daemon {
        flags,
        settings: settings.clone(),
        model,
        noise: None,
        pipeline,
    };
    daemon.prepare_noise(settings.mode, &settings.corrupt)?;
    let (sender, calls) = bounded(16);
    if let Some(address) = settings.metrics {
        metrics::serve(address, sender.clone())?;
    }
    let _server = Server::start(claim, sender)?;
    notifier.ready();

    let meter = platform.terminal.as_ref().map(Meter::new);
    let every = meter.as_ref().map_or(LOOK_EVERY, |_| METER_EVERY);
    let clock = tick(
        notifier
            .every()
            .map_or(every, |watchdog| every.min(watchdog)),
    );
    let stopped_by = loop {
        select! {
            recv(signals) -> signal => match signal {
                Ok(SIGHUP) if !terminal.is_closed() => match daemon.reload() {
                    Ok(said) => log::info!("{said}"),
                    Err(error) => log::error!("{error:#}"),
                },
                _ => break None,
            },
            recv(calls) -> call => if let Ok(call) = call {
                match daemon.answer(&call.request) {
                    Some(reply) => call.reply(reply),
                    None => break Some(call),
                }
            },
            recv(clock) -> _ => {
                let status = daemon.status();
                notifier.watch(&status.pipeline);
                if let Some(meter) = &meter {
                    meter.show(&status);
                }
            },
        }
    };
    drop(meter);
    notifier.stopping();
    log::info!("stopping");
    let stopped = daemon.pipeline.stop();
    let Some(client) = stopped_by else {
        return stopped;
    };
    if let Err(error) = &stopped {
        log::error!("{error:#}");
    }
    client.reply_and_wait(reply(stopped.map(|()| "stopped".into())));
    // The daemon has ended as asked: nothing is to restart it.
    Ok(())
}

fn reply(done: Result<String>) -> Reply {
    match done {
        Ok(said) => Reply::Done(said),
        Err(error) => Reply::Error(format!("{error:#}")),
    }
}

struct Daemon {
    flags: Flags,
    /// From the last configuration that was valid.
    settings: Settings,
    model: PathBuf,
    /// The noise that the pipeline has.
    noise: Option<LiveOptions>,
    pipeline: PipelineHandle,
}

impl Daemon {
    fn status(&self) -> Status {
        Status::new(self.model.clone(), self.pipeline.snapshot())
    }

    /// Does what is asked for; nothing to [`Request::Stop`], which is answered once it is done.
    fn answer(&mut self, request: &Request) -> Option<Reply> {
        Some(match request {
            Request::Status => Reply::Status(Box::new(self.status())),
            Request::Mode { mode } => reply(self.change_mode(*mode)),
            Request::Set { key, value } => reply(self.set(*key, value)),
            Request::Reload => reply(self.reload()),
            Request::Stop => return None,
        })
    }

    fn change_mode(&mut self, mode: Mode) -> Result<String> {
        self.prepare_noise(mode, &self.settings.corrupt.clone())?;
        let sound = self.pipeline.settings().sound;
        self.pipeline.set_sound(Sound { mode, ..sound });
        Ok(format!("mode is {mode}"))
    }

    fn set(&mut self, key: Key, value: &str) -> Result<String> {
        let mut sound = self.pipeline.settings().sound;
        let said = |name, parsed: Result<f32, String>| {
            parsed.map_err(|wrong| anyhow::anyhow!("{name} = {value}: {wrong}"))
        };
        match key {
            Key::AttenLimitDb => {
                sound.atten_limit_db = said("atten-limit-db", arguments::attenuation_db(value))?;
            }
            Key::Mix => sound.mix = said("mix", arguments::share(value))?,
            Key::InputGainDb => {
                sound.input_gain_db = said("input-gain-db", arguments::gain_db(value))?;
            }
        }
        self.pipeline.set_sound(sound);
        Ok(format!("set to {value} until the next reload"))
    }

    /// Reads the configuration again. With a mistake in it, everything stays as it is.
    fn reload(&mut self) -> Result<String> {
        let kept = "the configuration stays as it was";
        let new = config::resolve(&self.flags).context(kept)?.settings;
        self.prepare_noise(new.mode, &new.corrupt).context(kept)?;
        let applied = self.pipeline.apply(new.pipeline());
        let fixed = [
            ("model", new.model != self.settings.model),
            ("light-model", new.light_model != self.settings.light_model),
            ("metrics", new.metrics != self.settings.metrics),
        ];
        let waiting: Vec<_> = fixed
            .iter()
            .filter_map(|(key, changed)| changed.then_some(*key))
            .collect();
        // What needs a restart stays as the running process has it, to be reported again.
        self.settings = Settings {
            model: self.settings.model.take(),
            light_model: self.settings.light_model.take(),
            metrics: self.settings.metrics,
            ..new
        };
        applied.context("configuration applied, but for the recording")?;
        Ok(if waiting.is_empty() {
            "configuration applied".into()
        } else {
            format!(
                "configuration applied, but for {}: restart denoised for that",
                waiting.join(", ")
            )
        })
    }

    /// Makes the noise that `mode` needs, unless the pipeline has it.
    fn prepare_noise(&mut self, mode: Mode, options: &LiveOptions) -> Result<()> {
        if !mode.corrupts() || self.noise.as_ref() == Some(options) {
            return Ok(());
        }
        let channel = |seed| -> Result<Corruption> {
            let mut noise = LiveCorruption::new(options, seed).context("corrupt")?;
            Ok(Box::new(move |frame: &mut [f32]| noise.process(frame)))
        };
        self.pipeline.set_corruption(vec![channel(0)?, channel(1)?]);
        self.noise = Some(options.clone());
        Ok(())
    }
}

fn model_path(settings: &Settings) -> Result<PathBuf> {
    let path = locate::chosen(settings.model.as_deref())?;
    if !path.is_file() {
        bail!("model {}: there is no such file", path.display());
    }
    Ok(path)
}

/// Loads the models on the worker's thread, the only one that ever touches libtorch.
fn loader(full: PathBuf, light: Option<PathBuf>) -> ModelLoader {
    Box::new(move || {
        let load = |path: &Path| Model::load(path, Device::Cpu);
        let loaded = load(&full)?;
        let light = match light {
            Some(path) => Some(load(&locate::chosen(Some(&path))?)?),
            None => shipped_light(&full, &loaded),
        };
        let denoiser = |model: Model| -> Denoiser { Box::new(move || Box::new(model.stream())) };
        Ok(Models {
            full: denoiser(loaded),
            light: light.map(denoiser),
        })
    })
}

/// The light weights that ship, where they can stand in for the `full` ones. The daemon runs without them, too.
fn shipped_light(full: &Path, loaded: &Model) -> Option<Model> {
    let path = locate::light().ok().flatten().filter(|path| path != full)?;
    let light = Model::load(&path, Device::Cpu)
        .inspect_err(|error| log::warn!("no light model for times of overload: {error:#}"))
        .ok()?;
    let latency = |model: &Model| model.config().latency_samples();
    (latency(&light) == latency(loaded)).then_some(light)
}

/// Signals to act on. Asked to end a second time, the process ends at once.
fn signals() -> std::io::Result<Receiver<i32>> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 128 + signal, ending.clone())?;
        flag::register(signal, ending.clone())?;
    }
    let (sender, receiver) = bounded(4);
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                // An error means that nobody takes signals any more.
                if sender.send(signal).is_err() {
                    break;
                }
            }
        })?;
    Ok(receiver)
}
