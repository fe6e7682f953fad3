//! A training run as data: the TOML file of a recipe, with defaults for all of it.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

pub use super::precision::Precision;
use crate::corruption::Recipe;
use crate::corruption::draw::Span;
use crate::model::ModelConfig;

/// Two years.
const MAX_MINUTES: f64 = 1e6;

/// Everything that decides what a training run computes, given its audio.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Seed of every random choice.
    pub seed: u64,
    /// Optimiser steps until the learning rate has come down.
    pub updates: u64,
    /// Time limit in minutes, from which the schedule follows instead of from `updates`; 0 for none.
    pub minutes: f64,
    /// Validations without a better one after which the run ends; 0 for never.
    pub patience: u64,
    /// Clips per update, shared out to the replicas.
    pub batch_clips: usize,
    /// Length of a clip in seconds.
    pub clip_seconds: f64,
    /// Peak of the learning rate, reached after `warmup_updates`.
    pub learning_rate: f64,
    pub warmup_updates: u64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this norm.
    pub gradient_norm: f64,
    /// Share of the old value in the moving average of the weights.
    pub average_decay: f64,
    /// How far the result goes from the weights that the run began with, 0, to the trained ones, 1: on the way little is
    /// forgotten and most is learned (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
    pub way: f64,
    pub keep: Keep,
    /// What the network computes in; weights and loss are always 32-bit.
    pub precision: Precision,
    /// Fixed validation mixtures.
    pub validation_clips: usize,
    pub loss: LossConfig,
    pub voices: VoicesConfig,
    pub pairs: PairsConfig,
    pub adaptation: AdaptationConfig,
    pub model: ModelConfig,
    pub corruption: Recipe,
}

/// Which weights a run leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the lowest validation loss.
    #[default]
    Best,
    /// Those of the last validation: a few voices cannot tell differences of a per cent apart.
    Last,
}

/// Weights of the parts of the loss.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Compressed magnitudes.
    pub magnitude: f64,
    /// Compressed complex spectra.
    pub complex: f64,
    /// How many times more speech removed costs than noise left.
    pub speech_removed: f64,
    /// The spectral terms again at another resolution, drawn per update from `resolutions_samples`.
    pub other_resolution: f64,
    pub resolutions_samples: Vec<i64>,
    /// Noise-to-signal ratio of the waveform, per dB.
    pub waveform_per_db: f64,
    /// The same after pre-emphasis, where hiss of a voice (s, f, t) counts as much as its vowels, per dB.
    pub emphasised_per_db: f64,
    /// What is missing to the best of listeners' opinions, per point of their five; 0 asks for none.
    pub opinion: f64,
    /// What is missing to the best PESQ score, per point; 0 asks for none.
    pub pesq: f64,
    /// What is missing to a STOI of 1, per 1; 0 asks for none.
    pub stoi: f64,
}

/// How voices are varied.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VoicesConfig {
    /// Share of utterances played at another speed (pitch and formants move along).
    pub speed_probability: f64,
    pub speed_min: f64,
    pub speed_max: f64,
    /// Share of utterances whose formants are moved without the pitch.
    pub formant_probability: f64,
    pub formant_min: f64,
    pub formant_max: f64,
    /// Speakers are drawn in proportion to their minutes to this power: 0 all alike, 1 by minutes.
    pub balance_exponent: f64,
}

/// How recorded pairs are used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairsConfig {
    /// Share of the clips that are pairs, where there are voices to mix, too.
    pub share: f64,
    /// Share of the pairs whose level changes, both sides alike.
    pub level_probability: f64,
    pub level_db: Span,
}

/// How a model is adapted to one environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptationConfig {
    /// Share of the clips with the environment's noise; the rest replays what the model knew.
    pub share: f64,
    /// Ratio of active speech to the environment's noise, in dB.
    pub snr_db: Span,
}

impl Default for PairsConfig {
    fn default() -> Self {
        Self {
            share: 0.5,
            level_probability: 0.5,
            level_db: Span::new(-20.0, 10.0),
        }
    }
}

impl Default for AdaptationConfig {
    fn default() -> Self {
        Self {
            share: 0.5,
            snr_db: Span::new(-5.0, 20.0),
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            updates: 15_000,
            minutes: 0.0,
            patience: 0,
            batch_clips: 4,
            clip_seconds: 4.0,
            learning_rate: 7e-4,
            warmup_updates: 300,
            weight_decay: 0.02,
            gradient_norm: 1.0,
            average_decay: 0.999,
            way: 1.0,
            keep: Keep::default(),
            precision: Precision::default(),
            validation_clips: 48,
            loss: LossConfig::default(),
            voices: VoicesConfig::default(),
            pairs: PairsConfig::default(),
            adaptation: AdaptationConfig::default(),
            model: ModelConfig::default(),
            corruption: Recipe::default(),
        }
    }
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            magnitude: 1.0,
            complex: 0.1,
            speech_removed: 2.0,
            other_resolution: 0.5,
            resolutions_samples: vec![256, 512, 2048],
            waveform_per_db: 0.001,
            emphasised_per_db: 0.0,
            opinion: 0.0,
            pesq: 0.0,
            stoi: 0.0,
        }
    }
}

impl Default for VoicesConfig {
    fn default() -> Self {
        Self {
            speed_probability: 0.8,
            speed_min: 0.78,
            speed_max: 1.28,
            formant_probability: 0.25,
            formant_min: 0.85,
            formant_max: 1.18,
            balance_exponent: 0.5,
        }
    }
}

impl TrainingConfig {
    /// Samples per clip, in whole frames.
    pub fn clip_samples(&self) -> usize {
        let hop = self.model.hop_samples as usize;
        let samples = self.clip_seconds * f64::from(self.model.sample_rate_hz);
        (samples / hop as f64).round() as usize * hop
    }

    /// Plans the run by a number of `updates` or by `minutes`, whichever is given, instead of what it had.
    pub fn plan(&mut self, updates: Option<u64>, minutes: Option<f64>) {
        if let Some(updates) = updates {
            (self.updates, self.minutes) = (updates, 0.0);
        }
        self.minutes = minutes.unwrap_or(self.minutes);
    }

    /// Checks that a run with these values can start.
    ///
    /// # Errors
    /// Names the key that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        let voices = &self.voices;
        ensure!(self.batch_clips >= 1, "batch_clips must be at least 1");
        ensure!(
            (0.5..=60.0).contains(&self.clip_seconds),
            "clip_seconds must be 0.5 to 60"
        );
        ensure!(self.updates >= 1, "updates must be at least 1");
        ensure!(
            (0.0..=MAX_MINUTES).contains(&self.minutes),
            "minutes must be 0 (no limit) to {MAX_MINUTES}"
        );
        for (name, share) in [
            ("pairs: share", self.pairs.share),
            ("pairs: level_probability", self.pairs.level_probability),
            ("adaptation: share", self.adaptation.share),
            ("way", self.way),
            ("voices: speed_probability", voices.speed_probability),
            ("voices: formant_probability", voices.formant_probability),
        ] {
            ensure!((0.0..=1.0).contains(&share), "{name} must be 0 to 1");
        }
        ensure!(self.learning_rate > 0.0, "learning_rate must be positive");
        ensure!(
            (0.0..1.0).contains(&self.average_decay),
            "average_decay must be 0 or more, below 1"
        );
        ensure!(
            self.validation_clips >= 1,
            "validation_clips must be at least 1"
        );
        let ordered = |low: f64, high: f64| 0.25 <= low && low <= high && high <= 4.0;
        ensure!(
            ordered(voices.speed_min, voices.speed_max),
            "voices: speeds must be 0.25 to 4, min before max"
        );
        ensure!(
            ordered(voices.formant_min, voices.formant_max),
            "voices: formants must be 0.25 to 4, min before max"
        );
        for &window in &self.loss.resolutions_samples {
            ensure!(
                window % 2 == 0 && (32..=8192).contains(&window),
                "loss: resolutions_samples must be even, 32 to 8192, not {window}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_run_can_use_is_refused_by_name() {
        for (recipe, key) in [
            ("minutes = 1e300", "minutes"),
            ("[voices]\nspeed_probability = 1.5", "speed_probability"),
            (
                "[voices]\nformant_probability = -0.1",
                "formant_probability",
            ),
        ] {
            let config: TrainingConfig = toml::from_str(recipe).unwrap();
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
