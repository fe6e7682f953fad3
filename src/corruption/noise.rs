//! The noise mixture: one or more layers of different kinds, and the ratio of speech to noise.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::babble::Babble;
use super::coloured::{Coloured, shaped_noise};
use super::draw::{Probability, Span};
use super::drift::Drift;
use super::file_noise::FileNoise;
use super::level::{amplitude, rms};
use super::room::Room;
use super::{Sources, calls, clicks, fan, hum, struck};

/// A kind of noise.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Recordings.
    #[value(skip)]
    File,
    /// Noise of a random colour.
    Coloured,
    /// Equal power at every frequency.
    White,
    /// 3 dB less per octave.
    Pink,
    /// 6 dB less per octave.
    Brown,
    /// Mains hum with harmonics.
    Hum,
    /// Rush of air and blade tones.
    Fan,
    /// Several other voices.
    Babble,
    /// Keys, mice, knocks.
    Clicks,
    /// Glasses, bowls, pans, bells that are struck and ring on.
    Struck,
    /// Birds, whistles, squeaks.
    Calls,
}

/// Which noises are mixed, and how loud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// Ratio of active speech to noise, in dB.
    pub snr_db: Span,
    /// How often the ratio is drawn from `high_snr_db` instead.
    pub high_snr_probability: Probability,
    /// The ratio of nearly clean clips, in dB.
    pub high_snr_db: Span,
    /// How often each kind is drawn, relative to the others; kinds left out are not.
    pub weights: BTreeMap<Kind, f32>,
    /// How often one more layer of another kind joins.
    pub another: Probability,
    /// Level of a further layer against the first, in dB.
    pub another_db: Span,
    /// Variation of recordings.
    pub file: FileNoise,
    /// Colours of the coloured noise.
    pub coloured: Coloured,
    /// Voices of the babble.
    pub babble: Babble,
    /// Level drift of synthetic noise.
    pub drift: Drift,
    /// The room the noise sounds in.
    pub room: Room,
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            snr_db: Span::new(-5.0, 16.0),
            high_snr_probability: Probability::new(0.08),
            high_snr_db: Span::new(20.0, 40.0),
            weights: BTreeMap::from([
                (Kind::File, 0.7),
                (Kind::Coloured, 0.1),
                (Kind::Babble, 0.08),
                (Kind::Fan, 0.05),
                (Kind::Clicks, 0.04),
                (Kind::Hum, 0.03),
                (Kind::Struck, 0.06),
                (Kind::Calls, 0.05),
            ]),
            another: Probability::new(0.4),
            another_db: Span::new(-25.0, 0.0),
            file: FileNoise::default(),
            coloured: Coloured::default(),
            babble: Babble::default(),
            drift: Drift::default(),
            room: Room {
                probability: Probability::new(0.12),
                ..Room::default()
            },
        }
    }
}

impl Noise {
    /// No noise at all.
    pub fn off() -> Self {
        Self {
            weights: BTreeMap::new(),
            another: Probability::NEVER,
            file: FileNoise::plain(),
            drift: Drift::off(),
            room: Room::off(),
            ..Self::default()
        }
    }

    /// Each of the kinds once, equally loud and unvaried, at a ratio drawn from `snr_db`.
    pub fn exactly(kinds: impl IntoIterator<Item = Kind>, snr_db: Span) -> Self {
        Self {
            snr_db,
            high_snr_probability: Probability::NEVER,
            weights: kinds.into_iter().map(|kind| (kind, 1.0)).collect(),
            another: Probability::ALWAYS,
            another_db: Span::fixed(0.0),
            ..Self::off()
        }
    }

    /// A ratio of active speech to noise, in dB.
    pub fn draw_snr_db(&self, rng: &mut ChaCha8Rng) -> f32 {
        if self.high_snr_probability.hit(rng) {
            self.high_snr_db.draw(rng)
        } else {
            self.snr_db.draw(rng)
        }
    }

    /// `len` samples at an arbitrary level; None if no kind with a weight can be made from the
    /// sources, or all that came was silence.
    pub fn generate(
        &self,
        len: usize,
        sources: &Sources,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<f32>> {
        let mut kinds: Vec<(Kind, f32)> = self
            .weights
            .iter()
            .map(|(&kind, &weight)| (kind, weight))
            .collect();
        let mut mixture: Option<(Vec<f32>, f32)> = None;
        while let Some(kind) = take_weighted(&mut kinds, rng) {
            let Some(layer) = self.layer(kind, len, sources, rng) else {
                continue;
            };
            let layer_rms = rms(&layer);
            if layer_rms == 0.0 {
                continue;
            }
            match &mut mixture {
                None => mixture = Some((layer, layer_rms)),
                Some((sum, first_rms)) => {
                    let gain = amplitude(self.another_db.draw(rng)) * *first_rms / layer_rms;
                    sum.iter_mut()
                        .zip(&layer)
                        .for_each(|(sum, x)| *sum += gain * x);
                }
            }
            if !self.another.hit(rng) {
                break;
            }
        }
        let (mut noise, _) = mixture?;
        if let Some(response) = self.room.draw(sources.rooms, rng) {
            noise = response.reverberate(&noise);
        }
        Some(noise)
    }

    fn layer(
        &self,
        kind: Kind,
        len: usize,
        sources: &Sources,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<f32>> {
        let mut layer = match kind {
            // Recordings have a drift of their own.
            Kind::File => return self.file.generate(len, sources.noise?, rng),
            Kind::Babble => return self.babble.generate(len, sources.speech?, rng),
            Kind::Clicks => return Some(clicks::generate(len, rng)),
            Kind::Struck => return Some(struck::generate(len, rng)),
            Kind::Calls => return Some(calls::generate(len, rng)),
            Kind::Coloured => self.coloured.generate(len, rng),
            Kind::White => shaped_noise(len, 0.0, &[], rng),
            Kind::Pink => shaped_noise(len, -1.0, &[], rng),
            Kind::Brown => shaped_noise(len, -2.0, &[], rng),
            Kind::Hum => hum::generate(len, rng),
            Kind::Fan => fan::generate(len, rng),
        };
        self.drift.apply(&mut layer, rng);
        Some(layer)
    }
}

/// Draws a kind by its weight and takes it off the list; None when nothing with a weight is left.
fn take_weighted(kinds: &mut Vec<(Kind, f32)>, rng: &mut ChaCha8Rng) -> Option<Kind> {
    kinds.retain(|(_, weight)| *weight > 0.0);
    let total: f32 = kinds.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.random::<f32>() * total;
    let chosen = kinds.iter().position(|(_, weight)| {
        at -= weight;
        at < 0.0
    });
    // Rounding may step past the last.
    let chosen = chosen.or(kinds.len().checked_sub(1))?;
    Some(kinds.remove(chosen).0)
}
