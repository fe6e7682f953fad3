//! What is said about a cleaned file: a line of text, or of JSON for other programs.

use std::fmt::Display;

use serde::Serialize;

use crate::terminal;

/// What became of one input.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub input: String,
    pub result: Result<Box<Report>, String>,
}

impl Outcome {
    /// An input that could not be cleaned.
    pub fn failed(input: impl Display, error: &anyhow::Error) -> Outcome {
        Outcome {
            input: input.to_string(),
            result: Err(format!("{error:#}")),
        }
    }
}

/// Measures of a cleaned file. Levels are over all channels, in dB relative to full scale.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub output: String,
    pub rate_hz: u32,
    pub channels: usize,
    pub seconds: f64,
    pub input_level_dbfs: f64,
    pub output_level_dbfs: f64,
    /// Blind estimates, see [`crate::dsp::level`].
    pub input_snr_estimate_db: f64,
    pub output_snr_estimate_db: f64,
    /// Against the clean recording, where `--reference` gives one.
    pub input_si_sdr_db: Option<f64>,
    pub output_si_sdr_db: Option<f64>,
    /// Processor time of everything but the comparison, and its share of the file's duration.
    pub cpu_seconds: f64,
    pub real_time_factor: f64,
    /// Samples that the output's integer format could not hold, limited to full scale.
    pub clipped_samples: u64,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    input: &'a str,
    #[serde(flatten)]
    report: Option<&'a Report>,
    error: Option<&'a str>,
}

/// Prints an outcome: errors on standard error; the report on standard output, unless the audio
/// goes there.
pub fn print(outcome: &Outcome, json: bool, audio_on_stdout: bool) {
    let Outcome { input, result } = outcome;
    if let Err(error) = result {
        // Readers name their file themselves.
        let named = if error.starts_with(input) {
            error.clone()
        } else {
            format!("{input}: {error}")
        };
        eprintln!("denoised: {named}");
    }
    if json {
        let line = JsonLine {
            input,
            report: result.as_deref().ok(),
            error: result.as_ref().err().map(String::as_str),
        };
        say(&serde_json::to_string(&line).expect("a report has only strings and numbers"));
    } else if let (Ok(report), false) = (result, audio_on_stdout) {
        say(&format!("{input} -> {}", report.text()));
    }
}

/// Prints a line; the files go on where that fails.
fn say(line: &str) {
    if let Err(error) = terminal::print(line) {
        eprintln!("denoised: {error:#}");
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!(
            "{}: level {:.1} -> {:.1} dBFS, estimated SNR {:.1} -> {:.1} dB",
            self.output,
            self.input_level_dbfs,
            self.output_level_dbfs,
            self.input_snr_estimate_db,
            self.output_snr_estimate_db
        );
        if let (Some(before), Some(after)) = (self.input_si_sdr_db, self.output_si_sdr_db) {
            text += &format!(", SI-SDR {before:.1} -> {after:.1} dB");
        }
        text += &format!(", real-time factor {:.3}", self.real_time_factor);
        if self.clipped_samples > 0 {
            text += &format!(", {} samples limited to full scale", self.clipped_samples);
        }
        text
    }
}
