//! `denoised train`.

use std::process::ExitCode;

use anyhow::Result;

/// Train or fine-tune a model on your own sounds.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
