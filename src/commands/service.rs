//! `denoised service`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::service::units::{self, Scope};

/// Run the daemon in every session, as a systemd service.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// For the whole machine rather than this user: boxes without sessions, as root
    #[arg(long, global = true)]
    system: bool,

    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Start it now and in every session to come
    Install,
    /// Stop it and undo the installation
    Remove,
    /// Show what systemd knows about it
    Status,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let scope = if args.system {
        Scope::System
    } else {
        Scope::User
    };
    match args.action {
        Action::Install => {
            let path = units::install(scope)?;
            println!("{}: installed and running", path.display());
        }
        Action::Remove if units::remove(scope)? => println!("removed"),
        Action::Remove => println!("there was none"),
        Action::Status => return Ok(units::status(scope)?.into()),
    }
    Ok(ExitCode::SUCCESS)
}
