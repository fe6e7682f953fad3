//! Training: the program corrupts clean speech itself and learns to rebuild it.
//!
//! [`listing`] names the files, [`pack`] decodes them once, [`pool`] and [`voices`] make utterances
//! of balanced, varied voices, [`batch`] corrupts them in the background, [`replica`] computes
//! gradients of the [`loss`] (on [`compressed`] spectra), [`optimiser`] applies them (convolutions by
//! [`muon`]), [`validation`] judges and [`trainer`] is the loop, which [`state`] lets go on after an
//! interruption and [`journal`] writes down.

pub mod batch;
pub mod compressed;
pub mod config;
pub mod formant;
pub mod journal;
pub mod listing;
pub mod loss;
pub mod memory;
pub mod muon;
pub mod optimiser;
pub mod pack;
pub mod pool;
pub mod replica;
pub mod state;
pub mod trainer;
pub mod validation;
pub mod voices;

pub use config::TrainingConfig;
pub use trainer::{Outcome, train};
