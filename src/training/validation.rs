//! Judging the averaged weights on mixtures that never change.

use tch::{Device, Kind, nn};

use super::batch::{Batch, Material};
use super::config::TrainingConfig;
use super::loss::Loss;
use super::replica::load;
use crate::SAMPLE_RATE_HZ;
use crate::dsp::si_sdr::si_sdr_db;
use crate::metrics::stoi::intelligibility;
use crate::model::autoencoder::Autoencoder;
use crate::model::tape::Tape;
use crate::model::tensor_file::Named;

/// Clips per forward pass: bounds memory.
const CHUNK_CLIPS: usize = 8;
/// Stream of the random generator that no training batch reaches.
const FIRST_BATCH: u64 = 1 << 60;
/// Clips with less noise than this count as clean.
const UNTOUCHED_DB: f64 = 60.0;

/// Fixed mixtures and a network to try weights in.
pub struct Validation {
    batches: Vec<Batch>,
    network: Autoencoder,
    variables: Named,
    loss: Loss,
    device: Device,
}

/// Means over the validation mixtures.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    pub loss: f64,
    /// Of the mixtures with speech and noise.
    pub si_sdr_db: f64,
    /// The same of the noisy input.
    pub input_si_sdr_db: f64,
    pub stoi: f64,
    pub input_stoi: f64,
}

impl Validation {
    /// Draws the mixtures.
    pub fn new(material: &Material, config: &TrainingConfig, device: Device) -> Self {
        let store = nn::VarStore::new(device);
        let network = Autoencoder::new(store.root(), &config.model);
        let chunks = config.validation_clips.div_ceil(CHUNK_CLIPS) as u64;
        let clips = config.validation_clips.min(CHUNK_CLIPS);
        let batches = (0..chunks)
            .map(|chunk| {
                material.batch(
                    config.seed,
                    FIRST_BATCH + chunk,
                    clips,
                    config.clip_samples(),
                )
            })
            .collect();
        Self {
            batches,
            network,
            variables: store.variables().into_iter().collect(),
            loss: Loss::new(&config.loss, &config.model, None, device),
            device,
        }
    }

    /// Scores `weights`.
    pub fn score(&mut self, weights: &Named) -> Score {
        let _guard = tch::no_grad_guard();
        load(&mut self.variables, weights);
        let (mut loss, mut heard) = (0.0, Heard::default());
        for batch in &self.batches {
            let on_device = batch.to_device(self.device);
            let (noisy, target) = self.loss.analyse(&on_device);
            let estimate = self
                .network
                .forward(&noisy, Kind::Float, &mut Tape::default());
            // The other resolution must not depend on when the score is taken.
            loss += self
                .loss
                .compare(&estimate, &target, &on_device, 0)
                .total
                .double_value(&[]);
            let audio = self
                .loss
                .synthesise(&estimate, batch.clips())
                .to_device(Device::Cpu);
            for clip in 0..batch.clips() {
                if batch.speech.double_value(&[clip]) > 0.0 {
                    let row = |tensor: &tch::Tensor| -> Vec<f32> {
                        Vec::try_from(&tensor.select(0, clip).contiguous()).unwrap_or_default()
                    };
                    let [clean, noisy, audio] = [&batch.target, &batch.noisy, &audio].map(row);
                    heard.add(&clean, &noisy, &audio[self.loss.hop_samples()..]);
                }
            }
        }
        heard.score(loss / self.batches.len() as f64)
    }
}

/// Measures of the clips with speech.
#[derive(Debug, Default)]
struct Heard {
    output: Measures,
    input: Measures,
}

impl Heard {
    /// Compares both with `clean`, whose end the output lacks: it comes late.
    fn add(&mut self, clean: &[f32], noisy: &[f32], output: &[f32]) {
        let early = &clean[..output.len()];
        let (before, after) = (si_sdr_db(clean, noisy), si_sdr_db(early, output));
        // Untouched clips have no finite ratio to improve, and speech in the end alone leaves none of the output.
        if before < UNTOUCHED_DB && before.is_finite() && after.is_finite() {
            self.input.add(before, understood(clean, noisy));
            self.output.add(after, understood(early, output));
        }
    }

    /// The means, with the `loss`.
    fn score(&self, loss: f64) -> Score {
        Score {
            loss,
            si_sdr_db: mean(&self.output.si_sdr_db),
            input_si_sdr_db: mean(&self.input.si_sdr_db),
            stoi: mean(&self.output.stoi),
            input_stoi: mean(&self.input.stoi),
        }
    }
}

#[derive(Debug, Default)]
struct Measures {
    si_sdr_db: Vec<f64>,
    stoi: Vec<f64>,
}

impl Measures {
    fn add(&mut self, si_sdr_db: f64, stoi: Option<f64>) {
        self.si_sdr_db.push(si_sdr_db);
        self.stoi.extend(stoi);
    }
}

/// 0 of nothing.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// STOI, where there is enough speech for it.
fn understood(clean: &[f32], heard: &[f32]) -> Option<f64> {
    intelligibility(clean, heard, SAMPLE_RATE_HZ).map(|found| found.stoi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_that_speaks_only_at_its_end_does_not_count() {
        let clip = |at: usize| -> Vec<f32> { (0..400).map(|n| f32::from(n >= at)).collect() };
        let noisy: Vec<f32> = (0..400).map(|n| 1.0 + (n as f32 * 0.7).sin()).collect();
        let output = &noisy[..300];
        let mut heard = Heard::default();
        heard.add(&clip(100), &noisy, output);
        let before = heard.score(0.0);
        heard.add(&clip(350), &noisy, output);
        let after = heard.score(0.0);
        assert!(after.si_sdr_db.is_finite());
        assert_eq!(
            (after.si_sdr_db, after.input_si_sdr_db),
            (before.si_sdr_db, before.input_si_sdr_db)
        );
    }
}
