//! `denoised reload`.

use std::process::ExitCode;

use anyhow::Result;

use super::demand;
use crate::service::control::Request;

/// Let the running daemon read its configuration file again, without a gap in the sound.
///
/// A file with mistakes changes nothing.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> Result<ExitCode> {
    demand(&Request::Reload)
}
