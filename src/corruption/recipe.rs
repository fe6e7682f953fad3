//! The recipe: every range and probability of the corruption process, kept as TOML.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::band_limit::BandLimit;
use super::clipping::Clipping;
use super::draw::Probability;
use super::equaliser::Equaliser;
use super::level::Level;
use super::mute::Mute;
use super::noise::Noise;
use super::packet_loss::PacketLoss;
use super::quantisation::Quantisation;
use super::room::Room;
use super::rumble::Rumble;

/// Ranges and probabilities of the corruption process. The default is the training recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// How often a clip keeps free of noise, room and damage: clean in, clean out must be learned.
    pub untouched: Probability,
    /// How often a clip has no speech: the target is silence.
    pub speech_free: Probability,
    /// Colour of speech and target.
    pub equaliser: Equaliser,
    /// Low-pass on everything.
    pub band_limit: BandLimit,
    /// Reverberation of the speech.
    pub room: Room,
    /// Level of speech and target.
    pub level: Level,
    /// Additive noise.
    pub noise: Noise,
    /// Rumble and offset on the noisy side.
    pub rumble: Rumble,
    /// Clipping of the noisy side.
    pub clipping: Clipping,
    /// Quantisation of the noisy side.
    pub quantisation: Quantisation,
    /// Gaps in the noisy side.
    pub packet_loss: PacketLoss,
    /// Stretches of both sides that a switch or a gate holds far down.
    pub mute: Mute,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            untouched: Probability::new(0.05),
            speech_free: Probability::new(0.03),
            equaliser: Equaliser::default(),
            band_limit: BandLimit::default(),
            room: Room::default(),
            level: Level::default(),
            noise: Noise::default(),
            rumble: Rumble::default(),
            clipping: Clipping::default(),
            quantisation: Quantisation::default(),
            packet_loss: PacketLoss::default(),
            mute: Mute::default(),
        }
    }
}

impl Recipe {
    /// Every stage off: the basis of a recipe that does one thing.
    pub fn nothing() -> Self {
        Self {
            untouched: Probability::NEVER,
            speech_free: Probability::NEVER,
            equaliser: Equaliser::off(),
            band_limit: BandLimit::off(),
            room: Room::off(),
            level: Level::off(),
            noise: Noise::off(),
            rumble: Rumble::off(),
            clipping: Clipping::off(),
            quantisation: Quantisation::off(),
            packet_loss: PacketLoss::off(),
            mute: Mute::default(),
        }
    }

    /// Reads a recipe; what it leaves out is as in the training recipe.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an unknown key, a reversed range or an impossible
    /// probability: the message names the file and the line.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: the recipe cannot be read", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{}: not a valid recipe", path.display()))
    }
}
