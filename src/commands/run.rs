//! `denoised run`.

use std::process::ExitCode;

use anyhow::Result;

use crate::devices::{CpalBackend, callback_thread};
use crate::service::config::Flags;
use crate::service::control::folder;
use crate::service::daemon::{self, Platform};
use crate::terminal;

/// Clean the microphone, live, until told to stop.
///
/// The result is played, so that with `denoised mic install` other programs can pick it as their
/// microphone, and can be recorded. Each setting comes from the command line, else from its
/// DENOISED_… variable, else from the configuration file, else it is the default. `denoised status`
/// shows what happens, `denoised mode`, `set` and `reload` (or SIGHUP) change it, `denoised stop`,
/// SIGTERM, Ctrl-C or closing the terminal end it.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit codes: 0 stopped as asked, 1 error, 2 bad command line or \
                        configuration, 3 a daemon runs already"
)]
pub struct Args {
    #[command(flatten)]
    settings: Flags,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let platform = Platform {
        backend: Box::new(CpalBackend::new()),
        realtime: Box::new(callback_thread::keep_current_thread_promoted),
        folder: folder::own()?,
        terminal: terminal::is_there().then(|| terminal::lines().clone()),
    };
    daemon::run(args.settings, platform)?;
    Ok(ExitCode::SUCCESS)
}
