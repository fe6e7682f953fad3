//! The settings as flags of a command, kept as they were given until the file is known.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::settings::Settings;

const CONFIG: &str = "config";

/// What the command line says about [`Settings`]. Variables and the file have their say later, in
/// [`super::resolve`], which runs again for every reload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags {
    /// The configuration file, if the user named one.
    pub config: Option<PathBuf>,
    /// Key and value of each flag given.
    pub given: Vec<(String, OsString)>,
}

/// A parser for nothing but settings; its arguments are the list of all keys.
pub(super) fn parser() -> Command {
    Settings::augment_args(Command::new("settings").no_binary_name(true))
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        Settings::augment_args(command).arg(
            Arg::new(CONFIG)
                .long(CONFIG)
                .env("DENOISED_CONFIG")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Configuration file [default: denoised/config.toml in $XDG_CONFIG_HOME]"),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |argument: &Arg| {
            let id = argument.get_id().as_str();
            if matches.value_source(id) != Some(ValueSource::CommandLine) {
                return None;
            }
            let value = matches.get_raw(id)?.next_back()?;
            Some((argument.get_long()?.to_string(), value.to_os_string()))
        };
        Ok(Flags {
            config: matches.get_one::<PathBuf>(CONFIG).cloned(),
            given: parser().get_arguments().filter_map(given).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
