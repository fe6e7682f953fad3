use std::process::ExitCode;

use clap::Parser;
use denoised::cli::{self, Cli};
use denoised::terminal;

fn main() -> ExitCode {
    terminal::init_log();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("denoised: {error:#}");
            cli::exit_code(&error)
        }
    }
}
