//! `denoised adapt`: a model for one room.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tch::Device;

use super::training_run::{self, Prepared, RunFlags, split};
use crate::audio::decode::read_mono;
use crate::dataset::room::Room;
use crate::model::checkpoint::Checkpoint;
use crate::model::{Model, locate};
use crate::training::adaptation::Rehearsal;
use crate::training::corpus::Corpus;
use crate::training::listing::Listed;
use crate::training::start::Start;
use crate::training::voices::Voices;
use crate::training::{Outcome, TrainingConfig, adaptation, listing};

/// Adapt the model to the noise of one environment, in minutes.
///
/// Fine-tunes the shipped weights on clean speech in that noise, and rehearses other noise meanwhile, so
/// that they get better there and not worse elsewhere. Use the result with --model FILE. `denoised
/// capture-noise` records the noise.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The environment without speech: recordings, or folders of them; a minute is enough
    #[arg(
        long,
        required_unless_present = "print_config",
        value_name = "FILE|DIR"
    )]
    noise: Vec<PathBuf>,
    /// Clean speech to put into the noise, best yours: folders (one per speaker), or lists as for train; ten
    /// minutes are enough [default: the voices that come with the program]
    #[arg(long, value_name = "DIR|LIST")]
    speech: Vec<PathBuf>,
    /// Minutes to train for; the longer, the better
    #[arg(long, value_name = "MINUTES", default_value_t = 15.0)]
    minutes: f64,
    /// Weights to start from: a file, or what `denoised models` lists [default: denoised]
    #[arg(long, value_name = "NAME|FILE")]
    init: Option<PathBuf>,
    #[command(flatten)]
    run: RunFlags,
}

/// Validations per run: the best weights are chosen among so many.
const VALIDATIONS: f64 = 12.0;
/// The beginning of each noise file is judged.
const LISTENED_SECONDS: usize = 60;

/// Warns of noise that is not good to adapt to. What cannot be decoded is told when it is packed.
fn listen_to(path: &Path, model: &Model) {
    let examined = read_mono(path).and_then(|(samples, rate_hz)| {
        let first = (LISTENED_SECONDS * rate_hz as usize).min(samples.len());
        Room::examine(&samples[..first], rate_hz, model)
    });
    for problem in examined.map(|room| room.problems()).unwrap_or_default() {
        log::warn!("{}: {problem}", path.display());
    }
}

/// Files to train on, and files to validate on.
type Files = (Vec<Listed>, Vec<Listed>);

fn voices(corpus: &Corpus, files: &Files, config: &TrainingConfig) -> Result<[Voices; 2]> {
    Ok([
        corpus.voices(&files.0, &config.voices)?,
        corpus.voices(&files.1, &config.voices)?,
    ])
}

/// The voices to put into the environment, those `given` if there are any, and what is rehearsed: these and what comes
/// with the program.
fn voices_and_rehearsal(
    given: &[PathBuf],
    corpus: &Corpus,
    config: &TrainingConfig,
) -> Result<([Voices; 2], Rehearsal)> {
    let given = match given {
        [] => None,
        sources => Some(split(sources, &[])?),
    };
    let adapted = match &given {
        Some(files) => Some(voices(corpus, files, config)?),
        None => None,
    };
    let Some(folder) = locate::rehearsal()? else {
        let voices = adapted.context(
            "adapting needs clean speech to mix with the noise, and none is installed beside the weights \
             (models/rehearsal): give --speech DIR with ten minutes of anybody's, such as recordings of your own \
             voice in a quiet room",
        )?;
        log::warn!(
            "nothing to rehearse is installed beside the weights (models/rehearsal): more may be forgotten of other \
             noises"
        );
        let rehearsal = Rehearsal {
            voices: voices.clone(),
            noise: None,
        };
        return Ok((voices, rehearsal));
    };
    let list = |name: &str| [folder.join(name)];
    let (mut training, mut validation) = split(&list("speech.tsv"), &list("valid_speech.tsv"))?;
    if let Some(given) = given {
        training.extend(given.0);
        validation.extend(given.1);
    }
    let rehearsed = voices(corpus, &(training, validation), config)?;
    let noise = corpus.open(&listing::read(&list("noise.tsv"))?)?;
    let rehearsal = Rehearsal {
        voices: rehearsed.clone(),
        noise: Some(Arc::new(noise)),
    };
    Ok((adapted.unwrap_or(rehearsed), rehearsal))
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let mut config = training_run::recipe(args.run.config.as_deref(), adaptation::RECIPE)?;
    ensure!(args.minutes > 0.0, "--minutes must be positive");
    config.minutes = args.minutes;
    config.seed = args.run.seed.unwrap_or(config.seed);
    config.validate()?;
    if args.run.print_config {
        print!("{}", toml::to_string(&config)?);
        return Ok(ExitCode::SUCCESS);
    }
    let out = args.run.out()?;
    let advice = "choose another --out, or --force to replace it";
    args.run.refuse_existing(&out, advice)?;
    let init = locate::chosen(args.init.as_deref())?;
    let checkpoint = Checkpoint::load(&init, args.run.device)?;
    let way = config.way;

    let noise = listing::read(&args.noise)?;
    let model = Model::from_checkpoint(&checkpoint, args.run.device)?;
    noise.iter().for_each(|file| listen_to(&file.path, &model));
    let corpus = Corpus::new(args.run.cache.clone())?;
    let noise = corpus.open(&noise)?;
    let (voices, rehearsal) = voices_and_rehearsal(&args.speech, &corpus, &config)?;
    let prepared = Prepared {
        out: out.clone(),
        material: adaptation::material(&noise, voices, rehearsal, &config)?,
        start: Start::Adapt(Box::new(config), Box::new(checkpoint)),
        validation_interval: Duration::from_secs_f64(args.minutes * 60.0 / VALIDATIONS),
        resumable: false,
        opinion: None,
    };
    let outcome = training_run::launch(&args.run, prepared)?;
    match Checkpoint::load(&out, Device::Cpu)?.summary.updates {
        0 => println!(
            "{}: nothing better was found, it holds the weights of before",
            out.display()
        ),
        updates => println!(
            "{}: {:.0} % of the way from the weights of before to those of {updates} updates; use it with --model",
            out.display(),
            100.0 * way
        ),
    }
    Ok(match outcome {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Interrupted => training_run::interrupted("the best weights so far are kept"),
    })
}
