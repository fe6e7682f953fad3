use std::process::ExitCode;

use clap::Parser;
use denoised::cli::{self, Cli};
use denoised::devices::pulse::cookie;
use denoised::terminal;

fn main() -> ExitCode {
    // SAFETY: the first thing that the program does.
    unsafe { cookie::name_in_environment() };
    terminal::init_log();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("denoised: {error:#}");
            cli::exit_code(&error)
        }
    }
}
