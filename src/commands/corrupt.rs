//! `denoised corrupt`.

use std::process::ExitCode;

use anyhow::Result;

/// Add noise, reverberation and distortion to clean speech.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
