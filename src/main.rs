use std::process::ExitCode;

use clap::Parser;
use denoised::cli::Cli;

fn main() -> ExitCode {
    env_logger::Builder::from_env(
        env_logger::Env::default().default_filter_or("warn,denoised=info,symphonia=off"),
    )
    .init();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("denoised: {error:#}");
            ExitCode::FAILURE
        }
    }
}
