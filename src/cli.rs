//! The command line: one subcommand per job. Each command's flags live beside its code.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands;

/// Cleans noisy speech: files, folders and live microphones; trains on your own noise.
#[derive(Parser, Debug)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Clean(commands::clean::Args),
    Corrupt(commands::corrupt::Args),
    Train(commands::train::Args),
    Devices(commands::devices::Args),
    Mic(commands::mic::Args),
    Bench(commands::bench::Args),
}

impl Cli {
    /// Runs the chosen command and says which exit code the process ends with.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Clean(args) => commands::clean::run(args),
            Command::Corrupt(args) => commands::corrupt::run(args),
            Command::Train(args) => commands::train::run(args),
            Command::Devices(args) => commands::devices::run(args),
            Command::Mic(args) => commands::mic::run(args),
            Command::Bench(args) => commands::bench::run(args),
        }
    }
}
