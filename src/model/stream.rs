//! Audio in, clean audio out, any number of frames at a time: by single frames on the processor, in chunks through
//! libtorch on a GPU.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use tch::{Device, Tensor, nn};

use super::autoencoder::{Autoencoder, State};
use super::checkpoint::{Checkpoint, TrainingSummary};
use super::config::ModelConfig;
use super::frame::FrameAutoencoder;
use super::quantised_matrix::round;
use super::stft::Stft;
use crate::SAMPLE_RATE_HZ;
use crate::dsp::level::is_digital_silence;

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
    /// Before the first frame of a stream.
    frames: FrameAutoencoder,
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

    /// The model of weights already in memory, rounded to 8 bits: see [`round`].
    ///
    /// # Errors
    /// Names a tensor that does not fit the architecture.
    pub fn from_checkpoint(checkpoint: &Checkpoint, device: Device) -> Result<Self> {
        let variables = nn::VarStore::new(device);
        let autoencoder = Autoencoder::new(variables.root(), &checkpoint.config);
        checkpoint.copy_into(variables.variables())?;
        for mut matrix in variables.variables().into_values().filter(|v| v.dim() > 1) {
            tch::no_grad(|| matrix.copy_(&round(&matrix)));
        }
        let weights = Weights {
            config: checkpoint.config.clone(),
            summary: checkpoint.summary.clone(),
            device,
            stft: Stft::new(
                checkpoint.config.window_samples,
                checkpoint.config.hop_samples,
                device,
            ),
            frames: autoencoder.frames(&checkpoint.config),
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

    /// A new stream of one channel for live sound, cleaned frame by frame on the processor.
    pub fn stream(&self) -> Stream {
        self.with_engine(Engine::Frames(Box::new(self.weights.frames.clone())))
    }

    /// A new stream of one channel for files: on the processor frame by frame, which costs half of what libtorch takes
    /// (`denoised bench` shows both), on a GPU in chunks.
    pub fn file_stream(&self) -> Stream {
        match self.weights.device {
            Device::Cpu => self.stream(),
            _ => self.chunk_stream(),
        }
    }

    /// A new stream of one channel, cleaned by libtorch on the model's device, many frames at a time.
    pub fn chunk_stream(&self) -> Stream {
        self.with_engine(Engine::Chunks(Chunks {
            past: self.weights.stft.past(1),
            overlap: self.weights.stft.overlap(1),
            state: self.weights.autoencoder.state(),
        }))
    }

    fn with_engine(&self, engine: Engine) -> Stream {
        Stream {
            weights: Rc::clone(&self.weights),
            engine,
            silent_frames: 0,
        }
    }
}

/// One channel being cleaned: the model and what it remembers.
#[derive(Debug)]
pub struct Stream {
    weights: Rc<Weights>,
    engine: Engine,
    /// Frames of digital silence that came last.
    silent_frames: usize,
}

#[derive(Debug)]
enum Engine {
    Frames(Box<FrameAutoencoder>),
    Chunks(Chunks),
}

#[derive(Debug)]
struct Chunks {
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
        self.silent_frames = 0;
        match &mut self.engine {
            Engine::Frames(frames) => frames.as_mut().clone_from(&self.weights.frames),
            Engine::Chunks(chunks) => {
                chunks.past = self.weights.stft.past(1);
                chunks.overlap = self.weights.stft.overlap(1);
                chunks.state.reset();
            }
        }
    }

    /// Cleans the next frames; one frame or many at a time give the same samples.
    ///
    /// After half a second of digital silence time stands still until it ends. No microphone gives such silence, so the
    /// network has not learned it: a noise floor of nothing made it take the voice that followed for noise, for seconds.
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
        let hop = self.frame_samples();
        let longest_silence = SAMPLE_RATE_HZ as usize / 2 / hop;
        let mut done = 0;
        for (n, frame) in input.chunks_exact(hop).enumerate() {
            self.silent_frames = match is_digital_silence(frame) {
                true => self.silent_frames + 1,
                false => 0,
            };
            if self.silent_frames > longest_silence {
                let here = n * hop;
                self.step(&input[done..here], &mut output[done..here]);
                done = here + hop;
                output[here..done].fill(0.0);
            }
        }
        self.step(&input[done..], &mut output[done..]);
    }

    fn step(&mut self, input: &[f32], output: &mut [f32]) {
        let hop = self.frame_samples();
        match &mut self.engine {
            Engine::Frames(frames) => input
                .chunks_exact(hop)
                .zip(output.chunks_exact_mut(hop))
                .for_each(|(input, output)| frames.step(input, output)),
            Engine::Chunks(_) if input.is_empty() => {}
            Engine::Chunks(chunks) => chunks.process(&self.weights, input, output),
        }
    }
}

impl Chunks {
    fn process(&mut self, weights: &Weights, input: &[f32], output: &mut [f32]) {
        let _guard = tch::no_grad_guard();
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
    use tch::Kind;

    use super::*;
    use crate::model::denormals::flush_denormals;
    use crate::model::recurrence::STATE;
    use crate::model::tensor_file::Named;

    fn untrained() -> Model {
        untrained_of(480, false)
    }

    /// Random weights, on frames of so many samples.
    fn untrained_of(hop_samples: i64, state_gates: bool) -> Model {
        tch::manual_seed(7);
        let config = ModelConfig {
            hop_samples,
            state_gates,
            scene_state_gates: state_gates,
            channels: 32,
            latent: 16,
            ..ModelConfig::default()
        };
        let variables = nn::VarStore::new(Device::Cpu);
        Autoencoder::new(variables.root(), &config);
        for (name, mut tensor) in variables.variables() {
            if name.ends_with(STATE) {
                let _ = tch::no_grad(|| tensor.normal_(0.0, 0.2));
            }
        }
        // As in a weights file.
        let rounded = |(name, tensor): (String, Tensor)| (name, tensor.to_kind(Kind::Half));
        let tensors: Named = variables.variables().into_iter().map(rounded).collect();
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
        fn any_chunking_gives_the_batch_result(
            chunks in prop::collection::vec(1usize..40, 1..12),
            (hop, state_gates) in prop::sample::select(vec![(480, false), (240, false), (480, true)]),
            seed in 0u64..100,
        ) {
            let model = untrained_of(hop, state_gates);
            let hop = hop as usize;
            let mut input = noise(chunks.iter().sum(), seed);
            input.truncate(chunks.iter().sum::<usize>() * hop);
            let mut whole = vec![0.0; input.len()];
            model.chunk_stream().process(&input, &mut whole);
            for mut stream in [model.stream(), model.chunk_stream()] {
                let mut chunked = vec![0.0; input.len()];
                let mut start = 0;
                for chunk in &chunks {
                    let range = start..start + chunk * hop;
                    stream.process(&input[range.clone()], &mut chunked[range.clone()]);
                    start = range.end;
                }
                prop_assert!(largest_difference(&whole, &chunked) <= 1e-4);
            }
        }
    }

    #[test]
    fn a_long_digital_silence_is_as_one_of_half_a_second_however_it_is_cut() {
        let model = untrained();
        let (before, after) = (noise(20, 2), noise(30, 1));
        let with_silence = |seconds: f32| {
            let silence = vec![0.0; (seconds * 48_000.0) as usize];
            [before.clone(), silence, after.clone()].concat()
        };
        let short = with_silence(0.5);
        let mut expected = vec![0.0; short.len()];
        model.stream().process(&short, &mut expected);
        let expected = &expected[short.len() - after.len()..];
        let input = with_silence(3.0);
        for mut stream in [model.stream(), model.chunk_stream()] {
            for chunk in [480, 7 * 480, input.len()] {
                let mut output = vec![0.0; input.len()];
                stream.reset();
                for (input, output) in input.chunks(chunk).zip(output.chunks_mut(chunk)) {
                    stream.process(input, output);
                }
                let heard = &output[output.len() - after.len()..];
                assert!(largest_difference(heard, expected) <= 1e-4);
            }
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
        let ten_seconds = noise(100, 2).repeat(10);
        let mut after_two_minutes = vec![0.0; ten_seconds.len()];
        for _ in 0..12 {
            stream.process(&ten_seconds, &mut after_two_minutes);
        }
        let mut output = vec![0.0; ten_seconds.len()];
        for _ in 0..348 {
            stream.process(&ten_seconds, &mut output);
        }
        assert!(largest_difference(&output, &after_two_minutes) <= 1e-4);
    }

    #[test]
    fn silence_in_silence_out() {
        let mut stream = untrained().stream();
        let mut output = vec![1.0; 480 * 50];
        stream.process(&vec![0.0; 480 * 50], &mut output);
        assert_eq!(largest_difference(&output, &vec![0.0; 480 * 50]), 0.0);
    }
}
