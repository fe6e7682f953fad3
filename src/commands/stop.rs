//! `denoised stop`.

use std::process::ExitCode;

use anyhow::Result;

use crate::service::control::{Client, Request, folder};

/// End the running daemon; recordings are complete afterwards.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> Result<ExitCode> {
    let mut client = Client::connect(&folder::socket_to_ask())?;
    let said = client.demand(&Request::Stop);
    client.wait_for_end()?;
    println!("{}", said?);
    Ok(ExitCode::SUCCESS)
}
