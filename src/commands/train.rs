//! `denoised train`: clean speech and noise in, weights out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use tch::Device;

use crate::SAMPLE_RATE_HZ;
use crate::audio::decode;
use crate::audio::resample::resample;
use crate::corruption::Rooms;
use crate::model::checkpoint::Checkpoint;
use crate::training::batch::Material;
use crate::training::listing::{self, Listed};
use crate::training::pack::Pack;
use crate::training::pool::Pool;
use crate::training::trainer::{Run, Start, state_path};
use crate::training::voices::Voices;
use crate::training::{Outcome, TrainingConfig, state, train};

/// Train or fine-tune a model on your own sounds.
///
/// Clean speech is corrupted with noise, rooms and distortion while training; the network learns to
/// undo it. Beside the weights FILE appear FILE.log.csv, FILE.png (curves) and the state for --resume.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Clean speech: folders (one per speaker), or lists `path<TAB>speaker[<TAB>bandwidth_hz[<TAB>weight]]`
    #[arg(long, required = true, value_name = "DIR|LIST")]
    speech: Vec<PathBuf>,
    /// Noise recordings: folders (one per kind), or lists `path<TAB>kind`; synthetic noise is always added
    #[arg(long, value_name = "DIR|LIST")]
    noise: Vec<PathBuf>,
    /// Folder of measured room impulse responses; simulated rooms are always used
    #[arg(long, value_name = "DIR")]
    rir: Option<PathBuf>,
    /// Speech of other speakers to validate on; without it some labels of --speech are kept back
    #[arg(long, value_name = "DIR|LIST")]
    valid_speech: Vec<PathBuf>,
    /// Noise to validate on
    #[arg(long, value_name = "DIR|LIST")]
    valid_noise: Vec<PathBuf>,
    /// Weights file to write: the best so far, replaced when validation improves
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Recipe in TOML: sizes, schedule, loss, corruption; anything not in it keeps its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start from these weights (fine-tuning) instead of random ones
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    init: Option<PathBuf>,
    /// Go on with the interrupted run that wrote --out
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// Updates to train for, instead of the recipe's
    #[arg(long, value_name = "N")]
    updates: Option<u64>,
    /// Minutes between validations; the state is saved at each
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0)]
    validate_every: f64,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = parse_device)]
    device: Device,
    /// Processor cores to use [default: all]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Folder for decoded audio [default: $XDG_CACHE_HOME/denoised or ~/.cache/denoised]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Overwrite the weights of an earlier run
    #[arg(long)]
    force: bool,
}

pub(super) fn parse_device(text: &str) -> Result<Device, String> {
    let number = text.strip_prefix("cuda:").map(str::parse::<usize>);
    let device = match (text, number) {
        ("cpu", _) => return Ok(Device::Cpu),
        ("cuda", _) => Device::Cuda(0),
        (_, Some(Ok(number))) => Device::Cuda(number),
        _ => return Err("expected cpu, cuda or cuda:N".to_owned()),
    };
    if tch::Cuda::is_available() {
        Ok(device)
    } else {
        Err(
            "this libtorch finds no CUDA device: build with LIBTORCH pointing to a CUDA libtorch"
                .to_owned(),
        )
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    ensure!(
        args.validate_every > 0.0,
        "--validate-every must be positive"
    );
    ensure!(
        args.resume || args.force || !args.out.exists(),
        "{} exists: choose another --out, or --resume to go on, or --force to replace it",
        args.out.display()
    );
    let start = start(&args)?;
    let config = match &start {
        Start::Fresh(config) | Start::FineTune(config, _) => (**config).clone(),
        Start::Resume { .. } => state::load(&state_path(&args.out), Device::Cpu)?.0.config,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(cores).max(1);
    let on_cpu = args.device == Device::Cpu;
    let (training, validation) = material(&args, &config)?;
    let run = Run {
        out: args.out.clone(),
        device: args.device,
        replicas: if on_cpu { threads } else { 1 },
        loader_threads: if on_cpu { threads.div_ceil(4) } else { threads },
        validation_interval: Duration::from_secs_f64(args.validate_every * 60.0),
        training,
        validation,
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C")?;
    match train(run, start, &interrupted)? {
        Outcome::Finished => Ok(ExitCode::SUCCESS),
        Outcome::Interrupted => {
            eprintln!("interrupted; go on with the same command and --resume");
            Ok(ExitCode::from(130))
        }
    }
}

fn start(args: &Args) -> Result<Start> {
    if args.resume {
        return Ok(Start::Resume {
            updates: args.updates,
        });
    }
    let mut config = match &args.config {
        None => TrainingConfig::default(),
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            toml::from_str(&text)
                .with_context(|| format!("{} is not a training recipe", path.display()))?
        }
    };
    config.updates = args.updates.unwrap_or(config.updates);
    config.validate()?;
    Ok(match &args.init {
        None => Start::Fresh(Box::new(config)),
        Some(path) => Start::FineTune(Box::new(config), Checkpoint::load(path, args.device)?),
    })
}

fn material(args: &Args, config: &TrainingConfig) -> Result<(Material, Material)> {
    let cache = match &args.cache {
        Some(folder) => folder.clone(),
        None => default_cache()?,
    };
    let split = |sources: &[PathBuf], valid: &[PathBuf]| -> Result<(Vec<Listed>, Vec<Listed>)> {
        let all = listing::read(sources)?;
        if valid.is_empty() {
            Ok(listing::hold_out(all))
        } else {
            Ok((all, listing::read(valid)?))
        }
    };
    let (speech, valid_speech) = split(&args.speech, &args.valid_speech)?;
    let (noise, valid_noise) = split(&args.noise, &args.valid_noise)?;
    let build = |speech: &[Listed], noise: &[Listed]| -> Result<Material> {
        let voices = Voices::new(Arc::new(open(speech, &cache)?), config.voices.clone());
        let noise = match noise {
            [] => None,
            noise => Some(Pool::new(
                Arc::new(open(noise, &cache)?),
                config.voices.balance_exponent,
            )),
        };
        let rooms = args.rir.as_deref().map(rooms).transpose()?;
        Ok(Material {
            voices,
            noise,
            rooms,
            recipe: config.corruption.clone(),
        })
    };
    Ok((build(&speech, &noise)?, build(&valid_speech, &valid_noise)?))
}

fn open(listed: &[Listed], cache: &Path) -> Result<Pack> {
    let bar = ProgressBar::new(0);
    let pack = Pack::open(listed, cache, &bar)?;
    bar.finish_and_clear();
    let minutes = pack.clips().iter().map(|clip| clip.seconds()).sum::<f64>() / 60.0;
    log::info!("{} files, {minutes:.0} minutes", pack.clips().len());
    Ok(pack)
}

fn rooms(folder: &Path) -> Result<Rooms> {
    let mut responses = Vec::new();
    for entry in listing::read(&[folder.to_owned()])? {
        let (samples, rate_hz) = decode::read_mono(&entry.path)?;
        responses.push(resample(&samples, rate_hz, SAMPLE_RATE_HZ)?);
    }
    Ok(Rooms::new(responses))
}

fn default_cache() -> Result<PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    match from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache"))) {
        Some(folder) => Ok(folder.join("denoised")),
        None => bail!("neither XDG_CACHE_HOME nor HOME is set: give --cache DIR"),
    }
}
