//! The autoencoder: one definition for training, batch and stream.
//!
//! A frame's way: [`stft`] analysis → [`features`] → [`network`] (encoder → latent → causal context → decoder, made of
//! [`conv`] and [`recurrence`] along time, [`patterns`] and [`scene`] of [`band_conv`] along the bands) → [`filter`] on the
//! noisy spectrum → [`stft`] synthesis. Recurrences of whole clips run outside of libtorch, on the processor or, in
//! kernels of our own, on a GPU (`recurrence_engine`). [`frame`] is the same on single frames, made from it. [`stream`] runs either on
//! audio of any length with state; [`checkpoint`] stores the weights.

pub mod autoencoder;
pub mod background;
pub mod band_conv;
pub mod bands;
pub mod card;
pub mod checkpoint;
pub mod config;
pub mod conv;
pub mod cost;
pub mod denormals;
pub mod features;
pub mod filter;
pub mod frame;
mod gated_mean;
pub mod growth;
#[cfg(feature = "cuda")]
mod kernels;
pub mod locate;
pub mod network;
pub mod patterns;
mod quantised_matrix;
pub mod recurrence;
mod recurrence_engine;
pub mod scene;
pub(crate) mod slices;
mod state_gates;
pub mod stft;
pub mod stream;
pub mod tape;
pub mod tensor_file;

pub use config::ModelConfig;
pub use stream::{Model, Stream};
