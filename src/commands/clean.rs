//! `denoised clean`: what to clean is planned first, then worker threads clean file after file.

mod file;
mod plan;
mod report;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use indicatif::MultiProgress;
use tch::Device;

use self::plan::{Plan, Task};
use self::report::Outcome;
use super::train::parse_device;
use super::workers;
use crate::arguments;
use crate::model::{Model, locate};
use crate::terminal;

/// Clean recordings: noisy files in, clean files out.
///
/// Reads WAV, FLAC, MP3, Ogg (Vorbis, Opus), WebM, M4A and AIFF; writes WAV with the input's sample rate,
/// channels, length and, where it has one, sample format. The output is aligned with the input to
/// the sample. Sound above 24 kHz, which the model does not hear, is removed.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Files, folders (with all audio files in them), or - for WAV on standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// WAV file to write, folder for several inputs (a folder's tree is kept), or - for standard
    /// output [default: NAME.denoised.wav beside the input]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,

    /// Weights to clean with: a file, or what `denoised models` lists [default: denoised]
    #[arg(long, value_name = "NAME|FILE", env = "DENOISED_MODEL")]
    model: Option<PathBuf>,

    /// Where to run the model: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = parse_device)]
    device: Device,

    /// Lower noise by this much at most, in dB, or off for no limit
    #[arg(long, value_name = "DB", default_value = arguments::ATTEN_LIMIT_DB, value_parser = arguments::attenuation_db)]
    atten_limit_db: f32,

    /// Share of cleaned sound in the output: 0 is the input, 1 the cleaned sound
    #[arg(long, value_name = "0..1", default_value_t = 1.0, value_parser = arguments::share)]
    mix: f32,

    /// Files to clean at the same time [default: one per processor core]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Write a spectrogram of input and output, NAME.png, beside each output
    #[arg(long)]
    plot: bool,

    /// Print one JSON object per file and line instead of text
    #[arg(long)]
    json: bool,

    /// Overwrite existing outputs; inputs are never overwritten
    #[arg(long)]
    force: bool,

    /// Clean recording, or folder of them with the inputs' names, to measure SI-SDR against
    #[arg(long, value_name = "FILE|DIR")]
    reference: Option<PathBuf>,
}

/// What all workers share.
struct Shared<'a> {
    args: &'a Args,
    bars: MultiProgress,
    /// Set by Ctrl-C: files under way are given up, which removes their temporary files.
    interrupted: Arc<AtomicBool>,
}

/// Runs the command; the exit code is 1 if any file could not be cleaned, 130 after Ctrl-C.
pub fn run(args: Args) -> Result<ExitCode> {
    let Plan { tasks, refused } = plan::plan(&args)?;
    let to_stdout = tasks.iter().any(|task| task.output.is_none());
    ensure!(
        !(to_stdout && args.json),
        "--json and the audio would both go to standard output"
    );
    let mut failed = !refused.is_empty();
    refused
        .iter()
        .for_each(|outcome| report::print(outcome, args.json, to_stdout));
    if tasks.is_empty() {
        return Ok(ExitCode::FAILURE);
    }

    let model = locate::chosen(args.model.as_deref())?;
    let shared = Shared {
        args: &args,
        bars: terminal::lines().clone(),
        interrupted: Arc::new(AtomicBool::new(false)),
    };
    if !to_stdout {
        stop_on_ctrl_c(Arc::clone(&shared.interrupted))?;
    }
    clean_all(&tasks, &model, &shared, |outcome| {
        failed |= outcome.result.is_err();
        let print = || report::print(&outcome, args.json, to_stdout);
        shared.bars.suspend(print);
    })?;
    Ok(if shared.interrupted.load(Ordering::Relaxed) {
        ExitCode::from(130)
    } else if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The first Ctrl-C sets the flag; a second one, if reading hangs, ends the process.
fn stop_on_ctrl_c(interrupted: Arc<AtomicBool>) -> Result<()> {
    ctrlc::set_handler(move || {
        if interrupted.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("cannot catch Ctrl-C")
}

/// Hands the tasks to worker threads and their outcomes, as they come, to `done`.
fn clean_all(
    tasks: &[Task],
    model: &Path,
    shared: &Shared,
    done: impl FnMut(Outcome),
) -> Result<()> {
    let load = || Model::load(model, shared.args.device);
    let clean = |model: &mut Model, task: &Task| file::clean(task, model, shared);
    workers::for_each(
        tasks,
        shared.args.jobs,
        &shared.interrupted,
        load,
        clean,
        done,
    )
}
