//! `denoised data`: what recordings are worth before they are trained on.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Subcommand;
use indicatif::ProgressBar;

use crate::dataset::measure::measure;
use crate::dataset::report::{Report, Summary, Use};
use crate::parallel;
use crate::terminal;
use crate::training::listing::{self, Listed};

/// Look at training data.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Measure recordings: amount, bandwidth, noise, clipping, silence, copies; and say what to do
    ///
    /// One row per folder (or per speaker of a list). The noise floor is the level that 5 % of the
    /// frames of 20 ms stay below, digital silence not counted; "over floor" is the speech above it.
    /// Exit code 1 if a folder cannot be read or is empty, or no file holds sound.
    Check(CheckArgs),
}

#[derive(clap::Args, Debug)]
struct CheckArgs {
    /// Folders of recordings, recordings, or lists as for train
    #[arg(required = true, value_name = "DIR|FILE|LIST")]
    sources: Vec<PathBuf>,
    /// They are noise, not clean speech: different advice
    #[arg(long)]
    noise: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let Action::Check(args) = args.action;
    let listed = listing::read(&args.sources)?;
    let bar = ProgressBar::new(listed.len() as u64);
    let results = parallel::map(&listed, |file: &Listed| {
        let measured = measure(&file.path).map_err(|error| error.root_cause().to_string());
        bar.inc(1);
        measured
    });
    bar.finish_and_clear();
    let purpose = if args.noise { Use::Noise } else { Use::Speech };
    let files = listed.into_iter().zip(results).collect();
    let report = Report::new(files, purpose);
    if args.json {
        terminal::print(&serde_json::to_string_pretty(&report)?)?;
    } else {
        terminal::print(text(&report).trim_end())?;
    }
    ensure!(
        report.is_usable(),
        "nothing usable: none of the files holds sound that can be decoded"
    );
    Ok(ExitCode::SUCCESS)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let header = [
        "folder",
        "files",
        "hours",
        "Hz",
        "band kHz",
        "dBFS",
        "over floor dB",
        "clipped %",
        "dig. silence %",
        "pauses %",
        "copies",
    ];
    let rows: Vec<[String; 11]> = std::iter::once(header.map(str::to_owned))
        .chain(report.folders.iter().map(row))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    for row in &rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for (title, pairs) in [
        ("copies", &report.duplicates),
        ("unreadable", &report.unreadable),
    ] {
        for (path, other) in pairs.iter() {
            let _ = writeln!(text, "{title}: {path}: {other}");
        }
    }
    for folder in &report.folders {
        for advice in &folder.advice {
            let _ = writeln!(text, "→ {}: {advice}", folder.label);
        }
    }
    for advice in &report.advice {
        let _ = writeln!(text, "→ {advice}");
    }
    text
}

fn row(folder: &Summary) -> [String; 11] {
    let rates: Vec<String> = folder.rates_hz.iter().map(u32::to_string).collect();
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    [
        folder.label.clone(),
        folder.files.to_string(),
        format!("{:.2}", folder.hours),
        rates.join(","),
        format!("{:.1}", folder.bandwidth_hz / 1000.0),
        format!("{:.0}", folder.speech_dbfs),
        format!("{:.0}", folder.speech_over_floor_db),
        format!("{:.2}", 100.0 * folder.clipped),
        percent(folder.digital_silence),
        percent(folder.pauses),
        folder.duplicates.to_string(),
    ]
}
