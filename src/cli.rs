//! The command line: one subcommand per job. Each command's flags live beside its code.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands;
use crate::service::config::Invalid;
use crate::service::control::client::NotRunning;
use crate::service::control::folder::AlreadyRunning;

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
    Eval(commands::eval::Args),
    Models(commands::models::Args),
    Info(commands::info::Args),
    Adapt(commands::adapt::Args),
    CaptureNoise(commands::capture_noise::Args),
    Data(commands::data::Args),
    Bench(commands::bench::Args),
    Run(commands::run::Args),
    Status(commands::status::Args),
    Mode(commands::mode::Args),
    Set(commands::set::Args),
    Stop(commands::stop::Args),
    Reload(commands::reload::Args),
    Config(commands::config::Args),
    Service(commands::service::Args),
    Devices(commands::devices::Args),
    Doctor(commands::doctor::Args),
    Latency(commands::latency::Args),
    Mic(commands::mic::Args),
}

impl Cli {
    /// Runs the chosen command and says which exit code the process ends with.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Clean(args) => commands::clean::run(args),
            Command::Corrupt(args) => commands::corrupt::run(args),
            Command::Train(args) => commands::train::run(args),
            Command::Eval(args) => commands::eval::run(args),
            Command::Models(args) => commands::models::run(args),
            Command::Info(args) => commands::info::run(args),
            Command::Adapt(args) => commands::adapt::run(args),
            Command::CaptureNoise(args) => commands::capture_noise::run(args),
            Command::Data(args) => commands::data::run(args),
            Command::Bench(args) => commands::bench::run(args),
            Command::Run(args) => commands::run::run(args),
            Command::Status(args) => commands::status::run(args),
            Command::Mode(args) => commands::mode::run(args),
            Command::Set(args) => commands::set::run(args),
            Command::Stop(args) => commands::stop::run(args),
            Command::Reload(args) => commands::reload::run(args),
            Command::Config(args) => commands::config::run(args),
            Command::Service(args) => commands::service::run(args),
            Command::Devices(args) => commands::devices::run(args),
            Command::Doctor(args) => commands::doctor::run(args),
            Command::Latency(args) => commands::latency::run(args),
            Command::Mic(args) => commands::mic::run(args),
        }
    }
}

/// What the process ends with after an error: 2 for a bad configuration (as for a bad command
/// line), 3 if a daemon runs already, 4 if one should and none does, 1 for all else.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let code = if error.is::<Invalid>() {
        2
    } else if error.is::<AlreadyRunning>() {
        3
    } else if error.is::<NotRunning>() {
        4
    } else {
        1
    };
    ExitCode::from(code)
}
