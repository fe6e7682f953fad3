//! `denoised mode`.

use std::process::ExitCode;

use anyhow::Result;

use crate::pipeline::Mode;
use crate::service::control::{Client, Request, folder};

/// Change what the running daemon does to the sound, until the next reload.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(value_name = "clean|bypass|corrupt|corrupt+clean")]
    mode: Mode,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let request = Request::Mode { mode: args.mode };
    let said = Client::connect(&folder::socket_to_ask())?.demand(&request)?;
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}
