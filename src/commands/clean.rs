//! `denoised clean`.

use std::process::ExitCode;

use anyhow::Result;

/// Clean recordings: noisy files in, clean files out.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
