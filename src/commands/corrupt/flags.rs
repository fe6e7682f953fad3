//! The corruption that was asked for, as a recipe.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use rand_chacha::ChaCha8Rng;

use crate::SAMPLE_RATE_HZ;
use crate::audio::files::recordings;
use crate::corruption::Recipe;
use crate::corruption::band_limit::BandLimit;
use crate::corruption::clipping::Clipping;
use crate::corruption::draw::{Probability, Span};
use crate::corruption::level::Level;
use crate::corruption::noise::{Kind, Noise};
use crate::corruption::packet_loss::PacketLoss;
use crate::corruption::quantisation::Quantisation;
use crate::corruption::room::Room;

/// Which corruption, and what from.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Corruption")]
pub struct Flags {
    /// Add noise from the recordings in this folder (repeatable)
    #[arg(long, value_name = "DIR")]
    pub noise: Vec<PathBuf>,

    /// Add babble of voices from this folder (repeatable)
    #[arg(long, value_name = "DIR")]
    pub speech: Vec<PathBuf>,

    /// Reverberate with impulse responses from this folder (repeatable)
    #[arg(long, value_name = "DIR")]
    pub rir: Vec<PathBuf>,

    /// Level of the active speech over all noise, in dB [default: 5]
    #[arg(long, value_name = "DB|LO..HI", allow_hyphen_values = true)]
    snr: Option<Span>,

    /// Add synthetic noise (repeatable, or separated by commas)
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    synthetic: Vec<Kind>,

    /// Reverberate with simulated rooms of this reverberation time, in seconds
    #[arg(long, value_name = "RT60_S|LO..HI", conflicts_with = "rir")]
    reverb: Option<Span>,

    /// Clip this far below the peak, in dB
    #[arg(long, value_name = "DB|LO..HI")]
    clip: Option<Span>,

    /// Quantise to this many bits per sample
    #[arg(long, value_name = "BITS|LO..HI")]
    quantise: Option<Span>,

    /// Lose this share of the packets of 10 to 40 ms, 0 to 1
    #[arg(long, value_name = "P|LO..HI")]
    packet_loss: Option<Span>,

    /// Bring the active speech to this level, in dB below full scale
    #[arg(long, value_name = "DBFS|LO..HI", allow_hyphen_values = true)]
    level: Option<Span>,

    /// Remove everything above this frequency, from speech and noise
    #[arg(long, value_name = "HZ|LO..HI")]
    band_limit: Option<Span>,

    /// Draw everything from a recipe: a TOML file, or `training` for the built-in one
    #[arg(
        long,
        value_name = "FILE|training",
        conflicts_with_all = ["snr", "synthetic", "reverb", "clip", "quantise", "packet_loss", "level", "band_limit"]
    )]
    recipe: Option<PathBuf>,
}

impl Flags {
    /// The recipe that does what the flags say and nothing else.
    pub fn recipe(&self) -> Result<Recipe> {
        if let Some(path) = &self.recipe {
            return if path.as_os_str() == "training" {
                Ok(Recipe::default())
            } else {
                Recipe::load(path)
            };
        }
        let mut recipe = Recipe::nothing();
        self.add_noise(&mut recipe)?;
        let rt60_s = checked("--reverb", self.reverb, 0.05, 2.0)?;
        if rt60_s.is_some() || !self.rir.is_empty() {
            let measured = if rt60_s.is_some() {
                Probability::NEVER
            } else {
                Probability::ALWAYS
            };
            let room = Room {
                probability: Probability::ALWAYS,
                measured,
                ..Room::default()
            };
            recipe.room = Room {
                rt60_s: rt60_s.unwrap_or(room.rt60_s),
                ..room
            };
        }
        if let Some(depth_db) = checked("--clip", self.clip, 0.0, 60.0)? {
            let soft = Probability::NEVER;
            recipe.clipping = Clipping {
                probability: Probability::ALWAYS,
                depth_db,
                soft,
            };
        }
        if let Some(bits) = checked("--quantise", self.quantise, 2.0, 16.0)? {
            let mu_law = Probability::NEVER;
            recipe.quantisation = Quantisation {
                probability: Probability::ALWAYS,
                bits,
                mu_law,
            };
        }
        if let Some(share) = checked("--packet-loss", self.packet_loss, 0.0, 1.0)? {
            let probability = Probability::ALWAYS;
            recipe.packet_loss = PacketLoss {
                probability,
                share,
                ..PacketLoss::default()
            };
        }
        if let Some(speech_dbfs) = checked("--level", self.level, -90.0, 0.0)? {
            recipe.level = Level {
                probability: Probability::ALWAYS,
                speech_dbfs,
            };
        }
        if let Some(limit_hz) = checked("--band-limit", self.band_limit, 1000.0, 24_000.0)? {
            recipe.band_limit = BandLimit {
                probability: Probability::ALWAYS,
                limit_hz,
            };
        }
        if recipe == Recipe::nothing() {
            bail!(
                "choose a corruption: --noise DIR, --synthetic KIND, --speech DIR, --reverb SECONDS, \
                 --rir DIR, --clip DB, --quantise BITS, --packet-loss P, --level DBFS, \
                 --band-limit HZ, or --recipe training for all of them at random"
            );
        }
        Ok(recipe)
    }

    /// All files that are read but for the clean recordings.
    ///
    /// # Errors
    /// When a folder cannot be read or holds no recording.
    pub fn material(&self) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = self.recipe.iter().cloned().collect();
        for folders in [&self.noise, &self.speech, &self.rir] {
            files.extend(recordings(folders)?);
        }
        Ok(files)
    }

    /// Where every output must have noise from; a recipe may leave it out.
    pub fn noise_folders(&self) -> Vec<String> {
        let folders = self.noise.iter().chain(&self.speech);
        folders
            .filter(|_| self.recipe.is_none())
            .map(|folder| folder.display().to_string())
            .collect()
    }

    fn add_noise(&self, recipe: &mut Recipe) -> Result<()> {
        let mut kinds = self.synthetic.clone();
        if !self.noise.is_empty() {
            kinds.push(Kind::File);
        }
        if !self.speech.is_empty() {
            kinds.push(Kind::Babble);
        } else if kinds.contains(&Kind::Babble) {
            bail!("--synthetic babble needs voices: give a folder of them with --speech DIR");
        }
        if kinds.is_empty() {
            ensure!(
                self.snr.is_none(),
                "--snr needs noise: add --noise DIR, --synthetic KIND or --speech DIR"
            );
            return Ok(());
        }
        let snr_db = checked("--snr", self.snr, -60.0, 120.0)?.unwrap_or(Span::fixed(5.0));
        recipe.noise = Noise::exactly(kinds, snr_db);
        Ok(())
    }
}

fn checked(flag: &str, span: Option<Span>, lowest: f32, highest: f32) -> Result<Option<Span>> {
    if let Some(span) = span {
        ensure!(
            span.low() >= lowest && span.high() <= highest,
            "{flag} goes from {lowest} to {highest}"
        );
    }
    Ok(span)
}

/// The recipe with all sound kept to what a file of `rate_hz` can hold, so that the ratio of
/// speech to noise is that of the file; to less, as often as the recipe limits the band.
pub fn within_band(recipe: &Recipe, rate_hz: u32, rng: &mut ChaCha8Rng) -> Recipe {
    let mut recipe = recipe.clone();
    if rate_hz < SAMPLE_RATE_HZ {
        let highest = rate_hz as f32 / 2.0;
        let asked = &recipe.band_limit;
        let limit_hz = if asked.probability.hit(rng) {
            let span = asked.limit_hz;
            Span::new(span.low().min(highest), span.high().min(highest))
        } else {
            Span::fixed(highest)
        };
        recipe.band_limit = BandLimit {
            probability: Probability::ALWAYS,
            limit_hz,
        };
    }
    recipe
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_file_holds_no_more_than_its_rate_allows_whatever_is_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let recipe = Recipe::default();
        let limits: Vec<BandLimit> = (0..40)
            .map(|_| within_band(&recipe, 8000, &mut rng).band_limit)
            .collect();
        assert!(limits.iter().all(|limit| {
            limit.probability == Probability::ALWAYS && limit.limit_hz.high() == 4000.0
        }));
        // About a quarter may lose more, as the recipe says.
        let drawn = limits.iter().filter(|limit| limit.limit_hz.low() < 4000.0);
        assert!((1..25).contains(&drawn.count()));
        assert_eq!(within_band(&recipe, 48_000, &mut rng), recipe);
    }
}
