//! `denoised config`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::pending_file::PendingFile;
use crate::service::config::{self, Flags, file};

/// Write, check or show the daemon's configuration.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Write a file with every key, its meaning and its default
    Init {
        /// Where [default: denoised/config.toml in $XDG_CONFIG_HOME]
        #[arg(long, value_name = "FILE", env = "DENOISED_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Look for mistakes; the exit code is 2 if there are any
    Check(Flags),
    /// Print every value that `denoised run` would use, and where it comes from
    Show(Flags),
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::Init { config } => {
            let path = file_of(config)?;
            if path.exists() {
                bail!("{}: exists already, and is left as it is", path.display());
            }
            let file = PendingFile::new(&path)?;
            std::fs::write(file.path(), config::template())
                .with_context(|| format!("{}: cannot write", path.display()))?;
            file.commit(false)?;
            println!("{}", path.display());
        }
        Action::Check(flags) => {
            config::resolve(&flags)?;
            let path = file_of(flags.config)?;
            let found = if path.exists() {
                "no mistakes"
            } else {
                "there is no such file: defaults apply"
            };
            println!("{}: {found}", path.display());
        }
        Action::Show(flags) => {
            for key in config::resolve(&flags)?.keys {
                println!("{key}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn file_of(named: Option<PathBuf>) -> Result<PathBuf> {
    named
        .or_else(file::default_path)
        .context("HOME is not set: name a file with --config")
}
