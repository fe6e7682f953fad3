//! `denoised reload`.

use std::process::ExitCode;

use anyhow::Result;

use crate::service::control::{Client, Request, folder};

/// Let the running daemon read its configuration file again, without a gap in the sound.
///
/// A file with mistakes changes nothing.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> Result<ExitCode> {
    let said = Client::connect(&folder::socket_to_ask())?.demand(&Request::Reload)?;
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}
