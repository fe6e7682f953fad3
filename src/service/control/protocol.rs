//! What is said over the socket. One line is one message, at most [`MAX_REQUEST_BYTES`] long in
//! the direction of the daemon:
//!
//! ```json
//! {"command":"set","key":"atten-limit-db","value":"20"}
//! {"done":"atten-limit-db is 20"}
//! ```

use serde::{Deserialize, Serialize};

use crate::pipeline::Mode;
use crate::service::status::Status;

/// Longest request, without its newline.
pub const MAX_REQUEST_BYTES: usize = 4096;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Request {
    /// The state of everything.
    Status,
    /// Change what happens to the sound.
    Mode { mode: Mode },
    /// Change one setting until the next reload; the value as on the command line.
    Set { key: Key, value: String },
    /// Read the configuration file again.
    Reload,
    /// Finish recordings and exit.
    Stop,
}

/// Settings that change while the daemon runs, without a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    AttenLimitDb,
    Mix,
    InputGainDb,
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The answer to [`Request::Status`].
    Status(Box<Status>),
    /// The request was carried out.
    Done(String),
    /// It was not; nothing has changed.
    Error(String),
}
