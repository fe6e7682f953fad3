//! What `train` and `adapt` have in common: where to compute, and a run that Ctrl-C ends cleanly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tch::Device;

use super::train::parse_device;
use crate::training::batch::Material;
use crate::training::listing::{self, Listed};
use crate::training::opinion::Opinion;
use crate::training::start::{Run, Start};
use crate::training::{Outcome, TrainingConfig, outputs, train};

/// Flags of every training run.
#[derive(clap::Args, Debug)]
pub struct RunFlags {
    /// Weights file to write: the best so far, or what `keep` in the recipe says
    #[arg(
        long,
        short,
        value_name = "FILE",
        required_unless_present = "print_config"
    )]
    pub out: Option<PathBuf>,
    /// Recipe in TOML: sizes, schedule, loss, corruption; anything not in it keeps its default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the whole recipe that would be used, with every default, and end
    #[arg(long)]
    pub print_config: bool,
    /// Seed of every random choice, instead of the recipe's: the same seed gives the same run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = parse_device)]
    pub device: Device,
    /// Processor cores to use [default: all]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Folder for decoded audio [default: $XDG_CACHE_HOME/denoised or ~/.cache/denoised]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Overwrite the weights of an earlier run, and its log, picture and state
    #[arg(long)]
    pub force: bool,
}

impl RunFlags {
    /// The weights file to write, which can be written.
    ///
    /// # Errors
    /// As [`outputs::check`].
    pub fn out(&self) -> Result<PathBuf> {
        let out = self.out.clone().context("--out is missing")?;
        outputs::check(&out)?;
        Ok(out)
    }

    /// Sees to it that only --force replaces something: `out`, or what a run writes beside it.
    ///
    /// # Errors
    /// Names what is there, with the `advice`.
    pub fn refuse_existing(&self, out: &Path, advice: &str) -> Result<()> {
        for file in outputs::files(out) {
            ensure!(
                self.force || !file.exists(),
                "{} exists: {advice}",
                file.display()
            );
        }
        Ok(())
    }
}

/// One run as its command has prepared it.
pub struct Prepared {
    pub out: PathBuf,
    pub start: Start,
    /// For training and for validation.
    pub material: (Material, Material),
    pub validation_interval: Duration,
    pub resumable: bool,
    pub opinion: Option<Opinion>,
}

/// Trains; Ctrl-C ends it with the best weights on disk.
///
/// # Errors
/// As [`train`].
pub fn launch(flags: &RunFlags, prepared: Prepared) -> Result<Outcome> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = flags.threads.unwrap_or(cores).max(1);
    let on_cpu = flags.device == Device::Cpu;
    let (training, validation) = prepared.material;
    let run = Run {
        out: prepared.out,
        device: flags.device,
        replicas: if on_cpu { threads } else { 1 },
        loader_threads: if on_cpu { threads.div_ceil(4) } else { threads },
        validation_interval: prepared.validation_interval,
        resumable: prepared.resumable,
        training,
        validation,
        opinion: prepared.opinion,
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C")?;
    train(run, prepared.start, &interrupted)
}

/// The exit code after Ctrl-C.
pub fn interrupted(advice: &str) -> ExitCode {
    eprintln!("interrupted; {advice}");
    ExitCode::from(130)
}

/// A recipe file, or without one the recipe `default`.
///
/// # Errors
/// Names the file and what is wrong in it.
pub fn recipe(file: Option<&Path>, default: &str) -> Result<TrainingConfig> {
    let Some(path) = file else {
        return toml::from_str(default).context("the built-in recipe is damaged");
    };
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a training recipe", path.display()))
}

/// Files to train on and files to validate on: those of `valid`, or else some of `sources`.
///
/// # Errors
/// As [`listing::read`].
pub fn split(sources: &[PathBuf], valid: &[PathBuf]) -> Result<(Vec<Listed>, Vec<Listed>)> {
    let all = listing::read(sources)?;
    if valid.is_empty() {
        Ok(listing::hold_out(all))
    } else {
        Ok((all, listing::read(valid)?))
    }
}
