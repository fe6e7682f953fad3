//! Audio in, clean audio out, any number of frames at a time.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use tch::{Device, Tensor, nn};

use super::autoencoder::{Autoencoder, State};
use super::checkpoint::{Checkpoint, TrainingSummary};
use super::config::ModelConfig;
use super::stft::Stft;

/// A loaded model, shared by all its streams. Tensors stay on their thread: each worker loads its own.
#[derive(Debug, Clone)]
pub struct Model {
    weights: Rc<Weights>,
}

#[derive(Debug)]
struct Weights {
    config: ModelConfig,
    summary: TrainingSummary,
    device: Device,
    stft: Stft,
    autoencoder: Autoencoder,
    weight_count: usize,
}

impl Model {
    /// Reads a weights file and makes it ready for streaming on `device`.
    ///
    /// # Errors
    /// Says what is wrong with the file, see [`Checkpoint::load`].
    pub fn load(path: &Path, device: Device) -> Result<Self> {
        let checkpoint = Checkpoint::load(path, device)?;
        Self::from_checkpoint(&checkpoint, device)
            .with_context(|| format!("cannot use the model {}", path.display()))
    }

    /// The model of weights already in memory.
    ///
    /// # Errors
    /// Names a tensor that does not fit the architecture.
    pub fn from_checkpoint(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let variables = nn::VarStore::new(device);
        let mut autoencoder = Autoencoder::new(variables.root(), &checkpoint.config);
        checkpoint.copy_into(variables.variables())?;
        autoencoder.flatten();
        let weights = Weights {
            config: checkpoint.config.clone(),
            summary: checkpoint.summary.clone(),
            device,
            stft: Stft::new(
                checkpoint.config.window_samples,
                checkpoint.config.hop_samples,
                device,
            ),
            autoencoder,
            weight_count: variables
                .trainable_variables()
                .iter()
                .map(Tensor::numel)
                .sum(),
        };
        Ok(Self {
            weights: Rc::new(weights),
        })
    }

    /// Sizes of the network.
    pub fn config(&self) -> &ModelConfig {
        &self.weights.config
    }

    /// How the weights came to be.
    pub fn summary(&self) -> &TrainingSummary {
        &self.weights.summary
    }

    /// Trained values in the network.
    pub fn weight_count(&self) -> usize {
        self.weights.weight_count
    }

    /// A new stream of one channel.
    pub fn stream(&self) -> Stream {
        Stream {
            past: self.weights.stft.past(1),
            overlap: self.weights.stft.overlap(1),
            state: self.weights.autoencoder.state(),
            weights: Rc::clone(&self.weights),
        }
    }
}

/// One channel being cleaned: the model and what it remembers.
#[derive(Debug)]
pub struct Stream {
    weights: Rc<Weights>,
    past: Tensor,
    overlap: Tensor,
    state: State,
}

impl Stream {
    /// Samples per frame; every call takes a multiple of it.
    pub fn frame_samples(&self) -> usize {
        self.weights.config.hop_samples as usize
    }

    /// How much later than the input the output is. A frame must be complete before it is
    /// processed, which makes the algorithmic latency one frame more.
    pub fn delay_samples(&self) -> usize {
        self.frame_samples()
    }

    /// Silence before the next frame.
    pub fn reset(&mut self) {
        self.past = self.weights.stft.past(1);
        self.overlap = self.weights.stft.overlap(1);
        self.state.reset();
    }

    /// Cleans the next frames; one frame or many at a time give the same samples.
    ///
    /// # Panics
    /// When the slices differ in length or hold a broken frame.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        assert_eq!(
            input.len(),
            output.len(),
            "output must be as long as the input"
        );
        assert_eq!(
            input.len() % self.frame_samples(),
            0,
            "input must consist of whole frames"
        );
        if input.is_empty() {
            return;
        }
        let _guard = tch::no_grad_guard();
        let weights = &self.weights;
        let samples = Tensor::from_slice(input)
            .unsqueeze(0)
            .to_device(weights.device);
        let noisy = weights.stft.analyse(&samples, &mut self.past);
        let clean = weights.autoencoder.step(&noisy, &mut self.state);
        let samples = weights.stft.synthesise(&clean, &mut self.overlap);
        samples
            .to_device(Device::Cpu)
            .contiguous()
            .copy_data(output, input.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::model::denormals::flush_denormals;
    use crate::model::tensor_file::Named;

    /// Random weights.
    fn untrained() -> Model {
        tch::manual_seed(7);
        let config = ModelConfig {
            channels: 32,
            latent: 16,
            ..ModelConfig::default()
        };
        let variables = nn::VarStore::new(Device::Cpu);
        Autoencoder::new(variables.root(), &config);
        let tensors: Named = variables.variables().into_iter().collect();
        let checkpoint = Checkpoint {
            config,
            summary: TrainingSummary::default(),
            tensors,
        };
        Model::from_checkpoint(&checkpoint, Device::Cpu).unwrap()
    }

    fn noise(frames: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..frames * 480)
            .map(|_| rng.random_range(-0.3..0.3))
            .collect()
    }

    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn any_chunking_gives_the_batch_result(chunks in prop::collection::vec(1usize..40, 1..12), seed in 0u64..100) {
            let model = untrained();
            let input = noise(chunks.iter().sum(), seed);
            let mut whole = vec![0.0; input.len()];
            model.stream().process(&input, &mut whole);
            let mut chunked = vec![0.0; input.len()];
            let mut stream = model.stream();
            let mut start = 0;
            for chunk in chunks {
                let range = start..start + chunk * 480;
                stream.process(&input[range.clone()], &mut chunked[range.clone()]);
                start = range.end;
            }
            prop_assert!(largest_difference(&whole, &chunked) <= 1e-4);
        }
    }

    #[test]
    fn reset_forgets_the_past() {
        let mut stream = untrained().stream();
        let input = noise(30, 1);
        let (mut first, mut again) = (vec![0.0; input.len()], vec![0.0; input.len()]);
        stream.process(&input, &mut first);
        stream.reset();
        stream.process(&input, &mut again);
        assert_eq!(largest_difference(&first, &again), 0.0);
    }

    #[test]
    fn an_hour_later_the_same_sound_gives_the_same_result() {
        flush_denormals();
        tch::set_num_threads(1);
        let mut stream = untrained().stream();
        let second = noise(100, 2);
        let ten_seconds = second.repeat(10);
        let mut output = vec![0.0; ten_seconds.len()];
        for _ in 0..12 {
            stream.process(&ten_seconds, &mut output);
        }
        let after_two_minutes = output[..second.len()].to_vec();
        for _ in 0..348 {
            stream.process(&ten_seconds, &mut output);
        }
        assert!(largest_difference(&output, &after_two_minutes) <= 1e-4);
        let mut frame_by_frame = vec![0.0; second.len()];
        for (input, output) in second.chunks(480).zip(frame_by_frame.chunks_mut(480)) {
            stream.process(input, output);
        }
        assert!(largest_difference(&frame_by_frame, &after_two_minutes) <= 1e-4);
    }

    #[test]
    fn silence_in_silence_out() {
        let mut stream = untrained().stream();
        let mut output = vec![1.0; 480 * 50];
        stream.process(&vec![0.0; 480 * 50], &mut output);
        assert_eq!(largest_difference(&output, &vec![0.0; 480 * 50]), 0.0);
    }
}
