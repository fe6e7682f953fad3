//! `denoised set`.

use std::process::ExitCode;

use anyhow::Result;

use super::demand;
use crate::service::control::{Key, Request};

/// Change a setting of the running daemon, until the next reload.
#[derive(clap::Args, Debug)]
pub struct Args {
    key: Key,

    /// As in the configuration file; `off` for no limit
    #[arg(allow_hyphen_values = true)]
    value: String,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let request = Request::Set {
        key: args.key,
        value: args.value,
    };
    demand(&request)
}
