//! `denoised corrupt`: flags become a recipe, and every input goes through it with its own
//! random stream.

mod files;
mod flags;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::files::Task;
use crate::SAMPLE_RATE_HZ;
use crate::audio::decode::{Reader, Spec, read_mono};
use crate::audio::files::recordings;
use crate::audio::resample::resample;
use crate::audio::wav_write::WavWriter;
use crate::corruption::folder::{FolderClips, read_at_48k};
use crate::corruption::{Clips, Recipe, Rooms, Sources};
use crate::pending_file::PendingFile;

/// Add noise, reverberation and distortion to clean speech.
///
/// Each flag adds just that corruption; --recipe draws everything at random, as the training does.
/// Outputs are mono WAV with the input's sample rate and length; the same seed gives the same bytes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Clean recordings, or folders with them
    #[arg(required = true, value_name = "CLEAN")]
    inputs: Vec<PathBuf>,

    /// Where the noisy recording goes: a WAV file for one input, a folder for more
    #[arg(short, long, value_name = "FILE|DIR")]
    output: PathBuf,

    /// Where the matching target goes: clean speech, but with the early reflections, colour and
    /// level of the noisy one
    #[arg(long, value_name = "FILE|DIR")]
    target: Option<PathBuf>,

    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Replace existing outputs; inputs are never replaced
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    corruption: flags::Flags,
}

/// Runs the command; the exit code is 1 if any file could not be corrupted.
pub fn run(args: Args) -> Result<ExitCode> {
    let recipe = args.corruption.recipe()?;
    let material = Material::load(&args.corruption)?;
    let tasks = files::plan(&args)?;
    let mut failed = false;
    for (index, task) in tasks.iter().enumerate() {
        // A stream per file: what one file draws does not depend on the lengths of the others.
        let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
        rng.set_stream(index as u64);
        let done = corrupt_file(task, &args, &recipe, &material.sources(), &mut rng)
            .with_context(|| task.input.display().to_string());
        if let Err(error) = done {
            log::error!("{error:#}");
            failed = true;
        }
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What the flags give to mix from.
struct Material {
    noise: Option<FolderClips>,
    speech: Option<FolderClips>,
    rooms: Option<Rooms>,
}

impl Material {
    fn load(flags: &flags::Flags) -> Result<Self> {
        let given = |paths: &[PathBuf]| (!paths.is_empty()).then(|| paths.to_vec());
        let rooms = given(&flags.rir)
            .map(|paths| load_rooms(&paths))
            .transpose()?;
        Ok(Self {
            noise: given(&flags.noise)
                .map(|paths| FolderClips::noise(&paths))
                .transpose()
                .context("--noise")?,
            speech: given(&flags.speech)
                .map(|paths| FolderClips::voices(&paths))
                .transpose()
                .context("--speech")?,
            rooms,
        })
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            noise: self.noise.as_ref().map(|clips| clips as &dyn Clips),
            speech: self.speech.as_ref().map(|clips| clips as &dyn Clips),
            rooms: self.rooms.as_ref(),
        }
    }
}

fn load_rooms(paths: &[PathBuf]) -> Result<Rooms> {
    let files = recordings(paths)?;
    let responses: Vec<_> = files
        .iter()
        .map(|file| read_at_48k(file))
        .collect::<Result<_>>()?;
    let rooms = Rooms::new(responses);
    ensure!(!rooms.is_empty(), "--rir: all impulse responses are silent");
    Ok(rooms)
}

fn corrupt_file(
    task: &Task,
    args: &Args,
    recipe: &Recipe,
    sources: &Sources,
    rng: &mut ChaCha8Rng,
) -> Result<()> {
    task.refuse_existing(args.force)?;
    let sample_format = Reader::open(&task.input)?.spec().sample_format;
    let (clean, rate_hz) = read_mono(&task.input)?;
    let spec = Spec {
        rate_hz,
        channels: 1,
        sample_format,
        frames: Some(clean.len() as u64),
        channel_mask: None,
    };
    let inside = resample(&clean, rate_hz, SAMPLE_RATE_HZ)?;

    let corrupted = flags::within_band(recipe, rate_hz, rng).corrupt(&inside, sources, rng);
    let noise_folders = args.corruption.noise_folders();
    ensure!(
        corrupted.snr_db < f32::INFINITY || noise_folders.is_empty(),
        "no noise was added: what was drawn from {} is silent; another --seed draws another part",
        noise_folders.join(", ")
    );
    if corrupted.headroom_gain < 1.0 {
        log::warn!(
            "{}: speech and noise together exceed full scale; both and the target are lowered by {:.1} dB",
            task.input.display(),
            -20.0 * corrupted.headroom_gain.log10()
        );
    }
    let outputs = [
        (Some(&task.noisy), corrupted.noisy),
        (task.target.as_ref(), corrupted.target),
    ];
    let mut pending = Vec::new();
    for (path, samples) in outputs {
        if let Some(path) = path {
            let mut samples = resample(&samples, SAMPLE_RATE_HZ, rate_hz)?;
            samples.resize(clean.len(), 0.0);
            pending.push(write(path, &spec, samples)?);
        }
    }
    // Both or, where the first fails, none.
    for file in pending.into_iter().flatten() {
        file.commit(args.force)?;
    }
    log::info!(
        "{} -> {}, {}",
        task.input.display(),
        task.noisy.display(),
        ratio(corrupted.snr_db)
    );
    Ok(())
}

fn write(path: &Path, spec: &Spec, samples: Vec<f32>) -> Result<Option<PendingFile>> {
    let mut writer = WavWriter::create(path, spec)?;
    writer.write(&[samples])?;
    writer.finish()
}

fn ratio(snr_db: f32) -> String {
    match snr_db {
        f32::INFINITY => "no noise".into(),
        f32::NEG_INFINITY => "no speech".into(),
        snr_db => format!("SNR {snr_db:.1} dB"),
    }
}
