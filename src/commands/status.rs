//! `denoised status`.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::service::control::{Client, folder};
use crate::service::meter::Meter;
use crate::terminal;

/// Show what the running daemon does.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// One JSON object, for programs
    #[arg(long)]
    json: bool,

    /// Go on showing it: a meter on a terminal, else one state after the other
    #[arg(long)]
    watch: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let mut client = Client::connect(&folder::socket_to_ask())?;
    // The meter goes to standard error: a file that standard output goes to would stay empty.
    let on_terminal = std::io::stdout().is_terminal() && terminal::is_there();
    let draw = args.watch && !args.json && on_terminal;
    let meter = draw.then(|| Meter::new(terminal::lines()));
    loop {
        let status = client.status()?;
        let shown = match &meter {
            Some(meter) => {
                meter.show(&status);
                Ok(())
            }
            None if args.json => {
                writeln!(std::io::stdout(), "{}", serde_json::to_string(&status)?)
            }
            None => writeln!(std::io::stdout(), "{status}"),
        };
        match shown {
            // Whoever was reading has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            shown => shown.context("cannot write to standard output")?,
        }
        if !args.watch {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(Duration::from_millis(if draw { 100 } else { 1000 }));
    }
}
