//! `denoised mic`: the virtual microphone.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::virtual_mic::{self, Removal};

/// Make the virtual microphone "Denoised Microphone", which other programs can pick.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Make it, now and at every login
    Install {
        /// Have programs record it unless told otherwise
        #[arg(long)]
        make_default: bool,
    },
    /// Undo `install`
    Remove,
    /// Say whether it is there; the exit code is 1 if it is not
    Status,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::Install { make_default } => {
            virtual_mic::install(make_default)?;
            println!(
                "\"{}\" is there: pick it in your programs. What is played into {} comes out of it.",
                virtual_mic::NAME,
                virtual_mic::sink_id()
            );
        }
        Action::Remove => {
            let name = virtual_mic::NAME;
            match virtual_mic::remove()? {
                Removal::Everything => println!("\"{name}\" is removed"),
                Removal::WasNotThere => println!("\"{name}\" was not installed"),
                Removal::FromNextLogin(error) => println!(
                    "\"{name}\" is removed from the next login on. No sound server could be asked ({error}): \
                     one that runs in another session keeps it until then"
                ),
            }
        }
        Action::Status => return status(),
    }
    Ok(ExitCode::SUCCESS)
}

fn status() -> Result<ExitCode> {
    let status = virtual_mic::status()?;
    let now = match &status.loaded {
        Ok(true) if status.is_default => "there, and the default microphone".into(),
        Ok(true) => "there".into(),
        Ok(false) => "not there".into(),
        Err(error) => format!("unknown: {error}"),
    };
    println!("now         {now}");
    match &status.files[..] {
        [] => println!("next login  not there"),
        files => {
            for file in files {
                println!("next login  there, by {}", file.display());
            }
        }
    }
    Ok(if status.loaded.unwrap_or(false) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
