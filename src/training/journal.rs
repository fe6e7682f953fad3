//! The record of a run: a CSV row and a new curve picture at each validation.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::pending_file::PendingFile;
use crate::plot::curve::{Series, training_curve};

/// One validation and what led to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub update: u64,
    pub running_minutes: f64,
    pub audio_hours: f64,
    pub learning_rate: f64,
    /// Means over the updates since the last entry.
    pub training_loss: f64,
    pub training_sdr_db: f64,
    pub gradient_norm: f64,
    pub audio_seconds_per_second: f64,
    pub validation_loss: f64,
    pub validation_si_sdr_db: f64,
    pub input_si_sdr_db: f64,
    pub validation_stoi: f64,
    pub input_stoi: f64,
}

/// `OUT.log.csv` and `OUT.png`.
pub struct Journal {
    csv: PathBuf,
    picture: PathBuf,
    entries: Vec<Entry>,
}

impl Journal {
    /// A record beside the weights file `out`; a resumed run keeps the rows up to `updates`.
    ///
    /// # Errors
    /// An existing record that cannot be read.
    pub fn open(out: &Path, updates: u64) -> Result<Self> {
        let csv = out.with_extension("log.csv");
        let mut entries: Vec<Entry> = Vec::new();
        if updates > 0 && csv.exists() {
            let mut reader = csv::Reader::from_path(&csv)
                .with_context(|| format!("cannot read {}", csv.display()))?;
            for row in reader.deserialize() {
                entries.push(
                    row.with_context(|| format!("cannot read {}: move it away", csv.display()))?,
                );
            }
            entries.retain(|entry| entry.update <= updates);
        }
        Ok(Self {
            csv,
            picture: out.with_extension("png"),
            entries,
        })
    }

    /// Adds a row and draws the curves again.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        self.entries.push(entry);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for entry in &self.entries {
            writer.serialize(entry)?;
        }
        let file = PendingFile::new(&self.csv)?;
        file.handle()?
            .write_all(&writer.into_inner()?)
            .with_context(|| format!("cannot write {}", self.csv.display()))?;
        file.commit(true)?;
        let series = |name: &str, value: fn(&Entry) -> f64| Series {
            name: name.to_owned(),
            points: self
                .entries
                .iter()
                .map(|entry| (entry.update as f64, value(entry)))
                .collect(),
        };
        training_curve(
            &self.picture,
            &[
                (
                    "loss",
                    vec![
                        series("training", |entry| entry.training_loss),
                        series("validation", |entry| entry.validation_loss),
                    ],
                ),
                (
                    "SI-SDR / dB",
                    vec![
                        series("validation output", |entry| entry.validation_si_sdr_db),
                        series("validation input", |entry| entry.input_si_sdr_db),
                    ],
                ),
                (
                    "STOI",
                    vec![
                        series("validation output", |entry| entry.validation_stoi),
                        series("validation input", |entry| entry.input_stoi),
                    ],
                ),
                (
                    "learning rate",
                    vec![series("learning rate", |entry| entry.learning_rate)],
                ),
            ],
        )
    }
}
