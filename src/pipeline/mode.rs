//! What is done to the sound, and how one way of doing it fades into another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the worker does to the captured sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The model cleans it.
    #[default]
    Clean,
    /// It passes unchanged.
    Bypass,
    /// Noise is added.
    Corrupt,
    /// Noise is added, then the model cleans it: the autoencoder's principle made audible.
    #[serde(rename = "corrupt+clean")]
    CorruptClean,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Clean, Mode::Bypass, Mode::Corrupt, Mode::CorruptClean];

    /// Whether noise is added.
    pub fn corrupts(self) -> bool {
        matches!(self, Self::Corrupt | Self::CorruptClean)
    }

    /// Whether the model runs.
    pub fn cleans(self) -> bool {
        matches!(self, Self::Clean | Self::CorruptClean)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Clean => "clean",
            Self::Bypass => "bypass",
            Self::Corrupt => "corrupt",
            Self::CorruptClean => "corrupt+clean",
        })
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| {
                format!("{text:?} is no mode: use clean, bypass, corrupt or corrupt+clean")
            })
    }
}
