//! Training: the program corrupts clean speech itself and learns to rebuild it.
//!
//! [`listing`] names the files, [`corpus`] and [`pack`] decode them once. [`pool`] and [`voices`] make
//! utterances of balanced, varied voices, which [`mixtures`] corrupt; [`pairs`] are recorded ones. [`batch`]
//! draws from both in the background ([`adaptation`]: from one environment and the rest), [`replica`] computes gradients of the [`loss`] (on [`compressed`]
//! spectra), [`optimiser`] applies them (convolutions by [`muon`]) and [`validation`] judges.
//!
//! [`start`] is where a run begins, [`training_loop`] drives it and [`trainer`] makes its steps ([`sums`] between validations):
//! [`time_budget`] plans it by minutes, [`divergence`] sees when it goes wrong, [`origin`] holds it near where it began, [`report`] shows it, [`outputs`] writes its weights, [`state`] lets it go on after an interruption and [`journal`] writes it down.

pub mod adaptation;
pub mod batch;
pub mod compressed;
pub mod config;
pub mod corpus;
pub mod divergence;
pub mod formant;
pub mod journal;
pub mod listing;
pub mod loss;
pub mod memory;
pub mod mixtures;
pub mod muon;
pub mod opinion;
pub mod optimiser;
pub mod origin;
pub mod outputs;
pub mod pack;
pub mod pairs;
pub mod pesq;
pub mod pool;
pub mod precision;
pub mod replica;
pub mod report;
pub mod start;
pub mod state;
pub mod stoi;
pub mod sums;
pub mod time_budget;
pub mod trainer;
pub mod training_loop;
pub mod validation;
pub mod voices;

pub use config::TrainingConfig;
pub use training_loop::{Outcome, train};
