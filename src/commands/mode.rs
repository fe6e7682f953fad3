//! `denoised mode`.

use std::process::ExitCode;

use anyhow::Result;

use super::demand;
use crate::pipeline::Mode;
use crate::service::control::Request;

/// Change what the running daemon does to the sound, until the next reload.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(value_name = "clean|bypass|corrupt|corrupt+clean")]
    mode: Mode,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let request = Request::Mode { mode: args.mode };
    demand(&request)
}
