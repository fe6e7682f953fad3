//! Judging models on noisy recordings whose clean ones are known.
//!
//! [`pairs`] matches the files, [`judge`] cleans and measures a pair (the measures are in
//! [`crate::metrics`], those of Python packages come through [`perceptual`], and [`not_measured`]
//! collects what they lack), [`summary`] takes means by input SNR. The result is shown as [`text`],
//! and written by [`report`] as CSV, JSON and a [`page`] with [`chart`]s and [`examples`] to see and
//! hear.

pub mod chart;
pub mod examples;
pub mod judge;
pub mod not_measured;
pub mod page;
mod page_table;
pub mod pairs;
pub mod perceptual;
pub mod report;
pub mod summary;
pub mod text;

use std::path::PathBuf;

use serde::Serialize;

use crate::metrics::{Metric, Scores};
use not_measured::NotMeasured;
use pairs::LeftOut;
use summary::Group;

/// The name of the input among the signals of a file.
pub const NOISY: &str = "noisy";

/// Everything that was found out.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    pub program_version: &'static str,
    pub models: Vec<NamedModel>,
    pub not_measured: NotMeasured,
    /// Means: all files first, then by input SNR.
    pub summary: Vec<Group>,
    pub files: Vec<FileResult>,
    pub left_out: Vec<LeftOut>,
}

/// A weights file and its name in tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedModel {
    pub name: String,
    pub path: PathBuf,
}

/// One pair of recordings.
#[derive(Debug, Serialize)]
pub struct FileResult {
    /// Path below the folder of noisy recordings.
    pub name: String,
    pub noisy: PathBuf,
    pub clean: PathBuf,
    pub rate_hz: u32,
    pub seconds: f64,
    /// See [`crate::metrics::noise_level::input_snr_db`]; null in JSON without any noise.
    pub input_snr_db: f64,
    /// The noisy input first, then the output of each model.
    pub signals: Vec<SignalResult>,
}

/// What was measured of the input or of a model's output.
#[derive(Debug, Serialize)]
pub struct SignalResult {
    pub signal: String,
    pub scores: Scores,
}

impl Evaluation {
    /// The metrics that at least one file has.
    pub fn metrics(&self) -> Vec<Metric> {
        let measured = |metric: &Metric| {
            let mut signals = self.files.iter().flat_map(|file| &file.signals);
            signals.any(|signal| signal.scores.contains_key(metric))
        };
        Metric::ALL.into_iter().filter(measured).collect()
    }
}

/// A score as tables show it; a dash where it is missing.
pub fn shown(metric: Metric, scores: &Scores) -> String {
    scores.get(&metric).map_or("–".into(), |value| {
        minus(format!("{value:.*}", metric.facts().decimals))
    })
}

/// An input SNR as tables show it, in dB.
pub fn shown_snr(db: f64) -> String {
    match db.is_finite() {
        true => minus(format!("{db:.1}")),
        false => "∞".to_owned(),
    }
}

/// A number with the sign that is as wide as a plus.
fn minus(number: String) -> String {
    number.replace('-', "−")
}

/// A head of a column: title and unit.
pub fn heading(metric: Metric) -> String {
    let facts = metric.facts();
    match facts.unit {
        "" => facts.title.to_owned(),
        unit => format!("{} {unit}", facts.title),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_snr_is_shown_like_scores() {
        assert_eq!(shown_snr(-3.2), "−3.2");
        assert_eq!(shown_snr(f64::INFINITY), "∞");
    }
}
