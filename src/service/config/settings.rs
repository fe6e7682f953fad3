//! Everything that can be set. A field here is a flag of `denoised run`, a `DENOISED_…` variable
//! and a key of the configuration file at once: one parser, one help text, one default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueHint::FilePath;

use crate::arguments;

/// The daemon's settings, all values checked.
#[derive(clap::Args, Clone, Debug, PartialEq)]
pub struct Settings {
    /// Microphone: an id or part of a name that `denoised devices` shows; `default` follows the
    /// system's choice
    #[arg(
        long,
        value_name = "DEVICE",
        env = "DENOISED_INPUT",
        default_value = "default"
    )]
    pub input: String,

    /// Where the result is played: as for input, or `none`
    #[arg(
        long,
        value_name = "DEVICE",
        env = "DENOISED_OUTPUT",
        default_value = "default"
    )]
    pub output: String,
}
