//! denoised: a denoising autoencoder for speech, from training to the live microphone.
//!
//! A frame's way through the folders: [`audio`] decodes and resamples it, [`corruption`] makes it
//! noisy when training asks for that, [`model`] cleans it, and [`commands`] tie the parts together.
//! Live, [`pipeline`] takes it from the microphone through the model to the speaker.

pub mod arguments;
pub mod audio;
pub mod cli;
pub mod commands;
pub mod corruption;
pub mod cpu_time;
pub mod dataset;
pub mod devices;
pub mod doctor;
pub mod dsp;
pub mod model;
pub mod parallel;
pub mod pending_file;
pub mod pipeline;
pub mod plot;
pub mod service;
pub mod terminal;
pub mod training;
pub mod virtual_mic;

/// The one sample rate inside the program, in Hz; files and devices are resampled at the edges.
pub const SAMPLE_RATE_HZ: u32 = 48_000;
