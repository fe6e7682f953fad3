//! `denoised train`: clean speech and noise, or recorded pairs, in; weights out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use tch::Device;

use super::training_run::{self, Prepared, RunFlags, split};
use crate::model::checkpoint::Checkpoint;
use crate::model::locate;
use crate::training::batch::Material;
use crate::training::corpus::{self, Corpus};
use crate::training::mixtures::Mixtures;
use crate::training::opinion::Opinion;
use crate::training::outputs::state_path;
use crate::training::pairs::{Checked, Pairs};
use crate::training::start::Start;
use crate::training::{Outcome, TrainingConfig, state};

/// Train or fine-tune a model on your own sounds.
///
/// Clean speech is corrupted with noise, rooms and distortion while training; the network learns to
/// undo it. Recorded pairs are used as they are. Beside the weights FILE appear FILE.log.csv, FILE.png
/// (curves) and the state for --resume.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Clean speech: folders (one per speaker), or lists `path<TAB>speaker[<TAB>bandwidth_hz[<TAB>weight]]`
    #[arg(long, required_unless_present_any = ["pairs", "print_config"], value_name = "DIR|LIST")]
    speech: Vec<PathBuf>,
    /// Noise recordings: folders (one per kind), or lists `path<TAB>kind`; synthetic noise is always added
    #[arg(long, requires = "speech", value_name = "DIR|LIST")]
    noise: Vec<PathBuf>,
    /// Recordings of the same with noise and without, under the same names; alone or beside --speech
    #[arg(long, num_args = 2, value_names = ["NOISY_DIR", "CLEAN_DIR"])]
    pairs: Option<Vec<PathBuf>>,
    /// Folder of measured room impulse responses; simulated rooms are always used
    #[arg(long, requires = "speech", value_name = "DIR")]
    rir: Option<PathBuf>,
    /// Weights of the network that estimates listeners' opinions, for recipes with `[loss] opinion`
    #[arg(long, value_name = "FILE")]
    opinion: Option<PathBuf>,
    /// Speech of other speakers to validate on; without it some labels of --speech are kept back
    #[arg(long, requires = "speech", value_name = "DIR|LIST")]
    valid_speech: Vec<PathBuf>,
    /// Noise to validate on
    #[arg(long, requires = "speech", value_name = "DIR|LIST")]
    valid_noise: Vec<PathBuf>,
    /// Start from these weights (fine-tuning) instead of random ones
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume")]
    init: Option<PathBuf>,
    /// Go on with the interrupted run that wrote --out
    #[arg(long, conflicts_with_all = ["config", "seed"])]
    resume: bool,
    /// Updates to train for, instead of what the recipe or, with --resume, the run had planned
    #[arg(long, value_name = "N")]
    updates: Option<u64>,
    /// Minutes to train for, instead of a number of updates; with --resume in all, from the run's first start
    #[arg(long, value_name = "MINUTES", conflicts_with = "updates")]
    minutes: Option<f64>,
    /// Minutes between validations; the state is saved at each
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0)]
    validate_every: f64,
    #[command(flatten)]
    run: RunFlags,
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
        args.validate_every > 0.0 && args.validate_every < 1e9,
        "--validate-every must be a positive number of minutes"
    );
    if args.run.print_config {
        print!("{}", toml::to_string(&config(&args)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let out = args.run.out()?;
    if !args.resume {
        let advice = "choose another --out, or --resume to go on, or --force to replace it";
        args.run.refuse_existing(&out, advice)?;
    }
    let start = start(&args)?;
    let config = match &start {
        Start::Fresh(config) | Start::FineTune(config, _) | Start::Adapt(config, _) => {
            (**config).clone()
        }
        Start::Resume { updates, minutes } => {
            let mut progress = state::load(&state_path(&out), Device::Cpu)?.0;
            progress.replan(*updates, *minutes);
            progress.config.validate()?;
            progress.config
        }
    };
    let prepared = Prepared {
        out,
        start,
        material: material(&args, &config)?,
        validation_interval: Duration::from_secs_f64(args.validate_every * 60.0),
        resumable: true,
        opinion: opinion(&args, &config)?,
    };
    Ok(match training_run::launch(&args.run, prepared)? {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Interrupted => training_run::interrupted(
            "go on with the same command, with --resume in place of --init, --config and --seed",
        ),
    })
}

fn config(args: &Args) -> Result<TrainingConfig> {
    let mut config = training_run::recipe(args.run.config.as_deref(), "")?;
    config.plan(args.updates, args.minutes);
    config.seed = args.run.seed.unwrap_or(config.seed);
    config.validate()?;
    Ok(config)
}

fn start(args: &Args) -> Result<Start> {
    if args.resume {
        return Ok(Start::Resume {
            updates: args.updates,
            minutes: args.minutes,
        });
    }
    let config = Box::new(config(args)?);
    Ok(match &args.init {
        None => Start::Fresh(config),
        Some(path) => Start::FineTune(
            config,
            Box::new(Checkpoint::load(
                &locate::chosen(Some(path))?,
                args.run.device,
            )?),
        ),
    })
}

fn opinion(args: &Args, config: &TrainingConfig) -> Result<Option<Opinion>> {
    match &args.opinion {
        None if config.loss.opinion == 0.0 => Ok(None),
        Some(_) if config.loss.opinion == 0.0 => anyhow::bail!(
            "--opinion has nothing to do: the recipe's [loss] opinion is 0; set it to 0.01 or so"
        ),
        Some(path) => Opinion::load(path, config.precision.kind(), args.run.device).map(Some),
        None => anyhow::bail!(
            "the recipe's loss asks for opinions: give --opinion, or set [loss] opinion = 0"
        ),
    }
}

fn material(args: &Args, config: &TrainingConfig) -> Result<(Material, Material)> {
    let corpus = Corpus::new(args.run.cache.clone())?;
    let pairs = match args.pairs.as_deref() {
        Some([noisy, clean]) => Some(pairs(&Pairs::open(noisy, clean, &config.pairs, &corpus)?)),
        _ => None,
    };
    let mixtures = match args.speech.is_empty() {
        true => None,
        false => Some(mixtures(args, config, &corpus)?),
    };
    let share = config.pairs.share;
    match (mixtures, pairs) {
        (Some((training, validation)), None) => {
            Ok((Material::new(training), Material::new(validation)))
        }
        (None, Some((training, validation))) => {
            Ok((Material::new(training), Material::new(validation)))
        }
        (Some(mixtures), Some(pairs)) => Ok((
            Material::mixed(mixtures.0, share, pairs.0),
            Material::mixed(mixtures.1, share, pairs.1),
        )),
        (None, None) => anyhow::bail!("there is nothing to train on: give --speech or --pairs"),
    }
}

fn mixtures(args: &Args, config: &TrainingConfig, corpus: &Corpus) -> Result<(Mixtures, Mixtures)> {
    let (speech, valid_speech) = split(&args.speech, &args.valid_speech)?;
    let (noise, valid_noise) = split(&args.noise, &args.valid_noise)?;
    let build = |speech, noise| -> Result<Mixtures> {
        Ok(Mixtures {
            voices: corpus.voices(speech, &config.voices)?,
            noise: corpus.noise(noise, &config.voices)?,
            rooms: args.rir.as_deref().map(corpus::rooms).transpose()?,
            recipe: config.corruption.clone(),
        })
    };
    Ok((build(&speech, &noise)?, build(&valid_speech, &valid_noise)?))
}

fn pairs(checked: &Checked) -> (Pairs, Pairs) {
    for (name, reason) in &checked.left_out {
        log::warn!("left out: {name}: {reason}");
    }
    log::info!(
        "{} pairs, {:.0} minutes; {} left out",
        checked.pairs.count(),
        checked.pairs.seconds() / 60.0,
        checked.left_out.len()
    );
    checked.pairs.clone().hold_out()
}
