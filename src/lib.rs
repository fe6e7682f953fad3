//! denoised: a denoising autoencoder for speech, from training to the live microphone.
//!
//! A frame's way through the folders: [`audio`] decodes and resamples it, [`corruption`] makes it
//! noisy when training asks for that, [`model`] cleans it, and [`commands`] tie the parts together.
//! Live, [`pipeline`] takes it from the microphone through the model to the speaker. How well it
//! went is judged by [`evaluation`] with the measures of [`metrics`].
//!
//! # Denoise a recording
//!
//! Any sample rate from 8 to 192 kHz; the output is as long as the input and aligned with it.
//!
//! ```
//! use denoised::model::{Model, locate};
//! use denoised::{audio, cleaning};
//!
//! # fn main() -> anyhow::Result<()> {
//! let model = Model::load(&locate::default_path()?, tch::Device::Cpu)?;
//! let recording = std::path::Path::new("samples/noisy/english-fan.wav");
//! let (noisy, rate_hz) = audio::decode::read_mono(recording)?;
//!
//! let clean = cleaning::clean(&model, &noisy, rate_hz)?;
//!
//! let reference = std::path::Path::new("samples/clean/english-fan.wav");
//! let (reference, _) = audio::decode::read_mono(reference)?;
//! let gain_db = denoised::dsp::si_sdr::si_sdr_db(&reference, &clean)
//!     - denoised::dsp::si_sdr::si_sdr_db(&reference, &noisy);
//! assert!(gain_db > 1.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Clean a stream, frame by frame
//!
//! A [`model::Stream`] works at 48 kHz on whole frames of 10 ms, any number per call, and its output
//! is one frame late. One [`model::Model`] serves any number of streams on its thread.
//!
//! ```
//! use denoised::model::{Model, locate};
//! use rand::{RngExt, SeedableRng};
//! use rand_chacha::ChaCha8Rng;
//!
//! # fn main() -> anyhow::Result<()> {
//! let model = Model::load(&locate::default_path()?, tch::Device::Cpu)?;
//! let mut stream = model.stream();
//! assert_eq!((stream.frame_samples(), stream.delay_samples()), (480, 480));
//!
//! let mut rng = ChaCha8Rng::seed_from_u64(1);
//! let mut output = [0.0; 480];
//! for _ in 0..200 {
//!     let input: [f32; 480] = std::array::from_fn(|_| rng.random_range(-0.05..0.05));
//!     stream.process(&input, &mut output);
//! }
//!
//! // The noise had a level of −31 dBFS; two seconds later hardly anything of it is left.
//! assert!(denoised::dsp::level::rms_db(&output) < -50.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Train a model
//!
//! Clean speech is all that a run needs: the program makes it noisy itself, by
//! [`training::TrainingConfig::corruption`]. The defaults are the full recipe; this is a tiny network
//! for a few updates on a made-up voice.
//!
//! ```
//! use std::{sync::Arc, sync::atomic::AtomicBool, time::Duration};
//!
//! use denoised::model::{Model, ModelConfig};
//! use denoised::training::batch::Material;
//! use denoised::training::mixtures::Mixtures;
//! use denoised::training::pack::Pack;
//! use denoised::training::start::{Run, Start};
//! use denoised::training::voices::Voices;
//! use denoised::training::{Outcome, TrainingConfig, listing, train};
//! use indicatif::ProgressBar;
//!
//! # fn main() -> anyhow::Result<()> {
//! let folder = tempfile::tempdir()?;
//! let voice: Vec<f32> = (0..32_000)
//!     .map(|n| n as f32 / 16_000.0)
//!     .map(|s| 0.3 * (6.0 * s).sin().max(0.0) * (900.0 * s + (5.0 * s).sin()).sin())
//!     .collect();
//! let recording = denoised::audio::wav_write::mono_16_bit(&voice, 16_000)?;
//! std::fs::write(folder.path().join("voice.wav"), recording)?;
//!
//! let config = TrainingConfig {
//!     updates: 3,
//!     batch_clips: 2,
//!     clip_seconds: 0.5,
//!     validation_clips: 2,
//!     model: ModelConfig {
//!         channels: 16,
//!         latent: 8,
//!         context_dilations: vec![1, 4],
//!         recurrences: 1,
//!         ..ModelConfig::default()
//!     },
//!     ..TrainingConfig::default()
//! };
//! let material = || -> anyhow::Result<Material> {
//!     let listed = listing::read(&[folder.path().to_owned()])?;
//!     let pack = Pack::open(&listed, &folder.path().join("cache"), &ProgressBar::hidden())?;
//!     let voices = Voices::new(Arc::new(pack), config.voices.clone());
//!     let recipe = config.corruption.clone();
//!     Ok(Material::new(Mixtures { voices, noise: None, rooms: None, recipe }))
//! };
//! let weights = folder.path().join("mine.safetensors");
//! let run = Run {
//!     out: weights.clone(),
//!     device: tch::Device::Cpu,
//!     replicas: 1,
//!     loader_threads: 1,
//!     validation_interval: Duration::from_secs(300),
//!     resumable: false,
//!     training: material()?,
//!     validation: material()?,
//!     opinion: None,
//! };
//! let interrupted = AtomicBool::new(false); // set it to stop and go on later
//! let outcome = train(run, Start::Fresh(Box::new(config.clone())), &interrupted)?;
//!
//! assert_eq!(outcome, Outcome::Finished);
//! assert_eq!(Model::load(&weights, tch::Device::Cpu)?.summary().updates, 3);
//! # Ok(())
//! # }
//! ```

// Module headers explain the folder to those who read the source, too.
#![allow(rustdoc::private_intra_doc_links)]

pub mod arguments;
pub mod audio;
pub mod cleaning;
pub mod cli;
pub mod commands;
pub mod corruption;
pub mod cpu_time;
pub mod dataset;
pub mod devices;
pub mod doctor;
pub mod dsp;
pub mod evaluation;
pub mod metrics;
pub mod model;
pub mod parallel;
pub mod pending_file;
pub mod pipeline;
pub mod plot;
pub mod service;
pub mod terminal;
pub mod training;
pub mod user_folders;
pub mod virtual_mic;

/// The one sample rate inside the program, in Hz; files and devices are resampled at the edges.
pub const SAMPLE_RATE_HZ: u32 = 48_000;
