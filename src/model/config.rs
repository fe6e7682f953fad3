//! The architecture as data: everything needed to rebuild the network, stored with the weights.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::SAMPLE_RATE_HZ;

/// Sizes of the autoencoder. Stored as JSON in the weights file and read from training configurations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Sample rate of the audio inside the model, in Hz; this version knows 48000 only.
    pub sample_rate_hz: u32,
    /// STFT analysis window in samples: how far a frame looks back.
    pub window_samples: i64,
    /// STFT hop in samples, one frame per step; the algorithmic latency is two hops.
    pub hop_samples: i64,
    /// Bands on the ERB-rate scale for features and gains.
    pub bands: i64,
    /// Channels of the layers that look for patterns along the bands.
    pub pattern_channels: i64,
    /// Neighbouring bands that are summed up for, and steered by, the layers along time.
    pub pattern_group_bands: i64,
    /// Neighbouring bands that are one place of the scene.
    pub scene_span_bands: i64,
    /// Channels of the scene at each place.
    pub scene_channels: i64,
    /// Layers of the scene, each a convolution along the places and a recurrence at each place.
    pub scene_layers: usize,
    /// Groups of places that are summed up for, and steered by, the layers along time.
    pub scene_groups: i64,
    /// Lowest STFT bins whose phase the network sees and which the deep filter rebuilds.
    pub filter_bins: i64,
    /// Frames the deep filter combines: the current one and the ones before it.
    pub filter_taps: i64,
    /// Channels of every hidden layer.
    pub channels: i64,
    /// Size of the latent vector, one per frame.
    pub latent: i64,
    /// Dilations, in frames, of the residual context layers between latent and decoder.
    pub context_dilations: Vec<i64>,
    /// How many of these layers, from the first on, are followed by a recurrence.
    pub recurrences: usize,
    /// Whether the gates of these recurrences see what they remember.
    pub state_gates: bool,
    /// The same for the recurrences of the scene.
    pub scene_state_gates: bool,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            sample_rate_hz: SAMPLE_RATE_HZ,
            window_samples: 1920,
            hop_samples: 480,
            bands: 192,
            pattern_channels: 16,
            pattern_group_bands: 16,
            scene_span_bands: 4,
            scene_channels: 32,
            scene_layers: 4,
            scene_groups: 6,
            filter_bins: 96,
            filter_taps: 3,
            channels: 192,
            latent: 96,
            context_dilations: vec![1, 2, 4, 8],
            recurrences: 3,
            state_gates: false,
            scene_state_gates: false,
        }
    }
}

impl ModelConfig {
    /// STFT bins from 0 Hz to the Nyquist frequency.
    pub fn bins(&self) -> i64 {
        self.window_samples / 2 + 1
    }

    /// Distance of two STFT bins in Hz.
    pub fn bin_hz(&self) -> f64 {
        f64::from(self.sample_rate_hz) / self.window_samples as f64
    }

    /// How much later than its input a sample can be heard: two hops, the one to fill and the one to overlap.
    pub fn latency_samples(&self) -> i64 {
        2 * self.hop_samples
    }

    /// Checks that the sizes describe a network this program can build.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            self.sample_rate_hz == SAMPLE_RATE_HZ,
            "sample_rate_hz is {}, this program works at {SAMPLE_RATE_HZ}",
            self.sample_rate_hz
        );
        let in_range = |name: &str, value: i64, low: i64, high: i64| {
            ensure!(
                (low..=high).contains(&value),
                "{name} must be {low} to {high}, not {value}"
            );
            Ok(())
        };
        in_range("hop_samples", self.hop_samples, 64, 2048)?;
        in_range(
            "window_samples",
            self.window_samples,
            2 * self.hop_samples,
            8 * self.hop_samples,
        )?;
        ensure!(
            self.window_samples % 2 == 0,
            "window_samples must be even, not {}",
            self.window_samples
        );
        in_range("bands", self.bands, 8, self.bins())?;
        in_range("pattern_channels", self.pattern_channels, 1, 256)?;
        in_range(
            "pattern_group_bands",
            self.pattern_group_bands,
            1,
            self.bands,
        )?;
        ensure!(
            self.bands % self.pattern_group_bands == 0,
            "pattern_group_bands must divide bands, {}",
            self.bands
        );
        in_range("scene_span_bands", self.scene_span_bands, 1, self.bands)?;
        in_range("scene_channels", self.scene_channels, 1, 256)?;
        in_range("scene_groups", self.scene_groups, 1, self.bands)?;
        ensure!(
            self.bands % (self.scene_span_bands * self.scene_groups) == 0,
            "scene_span_bands times scene_groups must divide bands, {}",
            self.bands
        );
        ensure!(self.scene_layers <= 16, "scene_layers must be at most 16");
        in_range("filter_bins", self.filter_bins, 1, self.bins())?;
        in_range("filter_taps", self.filter_taps, 1, 16)?;
        in_range("channels", self.channels, 8, 1024)?;
        in_range("latent", self.latent, 1, 1024)?;
        ensure!(
            self.context_dilations.len() <= 32,
            "context_dilations has more than 32 entries"
        );
        for &dilation in &self.context_dilations {
            in_range("context_dilations", dilation, 1, 1024)?;
        }
        ensure!(
            self.recurrences <= self.context_dilations.len(),
            "recurrences must be at most {}, one for each of context_dilations, not {}",
            self.context_dilations.len(),
            self.recurrences
        );
        Ok(())
    }
}
