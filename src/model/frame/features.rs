//! [`Features`](super::super::features::Features) of single frames.

use std::sync::Arc;

use realfft::num_complex::Complex32;

use super::super::background::{Rates, SILENCE_DB};
use super::super::features::{COMPRESSION, DB_SCALE, FLOOR_POWER};
use super::bands::FrameBands;

/// Turns spectra into network inputs; holds the background of the band levels.
#[derive(Debug, Clone)]
pub struct FrameFeatures {
    bands: Arc<FrameBands>,
    rates: Rates,
    filter_bins: usize,
    /// In dB; empty before the first frame.
    mean_db: Vec<f32>,
    /// In dB; as long as the mean.
    smoothed_db: Vec<f32>,
    /// In dB; as long as the mean.
    floor_db: Vec<f32>,
    /// Frames in the mean.
    frames: f32,
}

impl FrameFeatures {
    /// Over `bands`.
    pub fn new(bands: Arc<FrameBands>, rates: Rates, filter_bins: usize) -> Self {
        Self {
            bands,
            rates,
            filter_bins,
            mean_db: Vec::new(),
            smoothed_db: Vec::new(),
            floor_db: Vec::new(),
            frames: 0.0,
        }
    }

    /// Features of the next frame.
    pub fn extract(&mut self, spectrum: &[Complex32]) -> Vec<f32> {
        let power: Vec<f32> = spectrum.iter().map(|bin| bin.norm_sqr()).collect();
        let mut levels = self.bands.average(&power);
        for level in &mut levels {
            *level = (*level + FLOOR_POWER as f32).log10() * 10.0;
        }
        self.track(&levels);

        let scale = DB_SCALE as f32;
        let mean_of_means = self.mean_db.iter().sum::<f32>() / self.mean_db.len() as f32;
        let over = |(level, base): (&f32, &f32)| (level - base) * scale;
        let mut features: Vec<f32> = levels.iter().zip(&self.mean_db).map(over).collect();
        let colour = self
            .mean_db
            .iter()
            .map(|mean| (mean - mean_of_means) * scale);
        features.extend(colour);
        features.extend(levels.iter().zip(&self.floor_db).map(over));
        let references = self.bands.interpolate(&self.mean_db).take(self.filter_bins);
        for ((bin, power), reference_db) in spectrum.iter().zip(&power).zip(references) {
            let log_gain = (power + FLOOR_POWER as f32).ln() * ((COMPRESSION - 1.0) / 2.0) as f32
                - reference_db * (COMPRESSION * std::f64::consts::LN_10 / 20.0) as f32;
            let gain = log_gain.exp();
            features.extend([bin.re * gain, bin.im * gain]);
        }
        features
    }

    fn track(&mut self, levels: &[f32]) {
        let (smoothing, rise_db) = (self.rates.smoothing as f32, self.rates.rise_db as f32);
        if self.mean_db.is_empty() {
            self.mean_db = levels.to_vec();
            self.smoothed_db = levels.to_vec();
            self.floor_db = levels.to_vec();
        }
        if levels.iter().all(|&level| level <= SILENCE_DB as f32) {
            return;
        }
        self.frames = (self.frames + 1.0).min(self.rates.mean_frames as f32);
        for (mean, level) in self.mean_db.iter_mut().zip(levels) {
            *mean += (level - *mean) / self.frames;
        }
        let filling = self.frames <= self.rates.filling_frames as f32;
        let floors = self.floor_db.iter_mut().zip(&mut self.smoothed_db);
        for ((floor, smoothed), level) in floors.zip(levels) {
            if filling {
                *smoothed = *level;
                *floor = *level;
            } else {
                *smoothed += (level - *smoothed) * smoothing;
                *floor = (*floor + rise_db).min(*smoothed);
            }
        }
    }
}
