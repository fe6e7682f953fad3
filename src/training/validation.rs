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
        let (mut loss, mut output, mut input) = (0.0, Vec::new(), Vec::new());
        let (mut stoi, mut input_stoi) = (Vec::new(), Vec::new());
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
                    let (clean, noisy, audio) =
                        (row(&batch.target), row(&batch.noisy), row(&audio));
                    let late = audio.len() - self.loss.hop_samples();
                    let before = si_sdr_db(&clean, &noisy);
                    let after = si_sdr_db(&clean[..late], &audio[audio.len() - late..]);
                    // Untouched clips have no finite ratio to improve.
                    if before < 60.0 {
                        input.push(before);
                        output.push(after);
                        stoi.extend(understood(&clean[..late], &audio[audio.len() - late..]));
                        input_stoi.extend(understood(&clean, &noisy));
                    }
                }
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        Score {
            loss: loss / self.batches.len() as f64,
            si_sdr_db: mean(&output),
            input_si_sdr_db: mean(&input),
            stoi: mean(&stoi),
            input_stoi: mean(&input_stoi),
        }
    }
}

/// STOI, where there is enough speech for it.
fn understood(clean: &[f32], heard: &[f32]) -> Option<f64> {
    intelligibility(clean, heard, SAMPLE_RATE_HZ).map(|found| found.stoi)
}
