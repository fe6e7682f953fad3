//! The tables of the page.

use serde::Serialize;

use super::summary::Group;
use super::text::band_name;
use super::{Evaluation, minus, shown, shown_snr};
use crate::metrics::{Better, Facts, Metric};

/// The scores of a signal.
#[derive(Serialize)]
pub struct Row {
    /// Band or file; empty where it is that of the row above.
    name: String,
    /// Rows that share the name.
    span: usize,
    detail: String,
    signal: String,
    color: usize,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    value: String,
    /// How many files a mean is over, where these are not all.
    files: Option<usize>,
    /// Against the noisy input.
    change: Option<String>,
    /// Whether that is an improvement.
    better: bool,
}

/// The head of a metric's scores.
#[derive(Serialize)]
pub struct Column {
    title: &'static str,
    unit: &'static str,
    meaning: &'static str,
    arrow: &'static str,
}

/// What heads and explains a metric's column.
pub fn column(metric: Metric) -> Column {
    let facts = metric.facts();
    let arrow = match facts.better {
        Better::Higher => "↑",
        Better::Lower => "↓",
    };
    Column {
        title: facts.title,
        unit: facts.unit,
        meaning: facts.meaning,
        arrow,
    }
}

/// The means of the bands that are `wanted`.
pub fn group_rows(
    evaluation: &Evaluation,
    metrics: &[Metric],
    wanted: impl Fn(Option<i32>) -> bool,
) -> Vec<Row> {
    let groups: Vec<_> = evaluation
        .summary
        .iter()
        .filter(|group| wanted(group.band_db))
        .collect();
    let bands = groups.chunk_by(|a, b| a.band_db == b.band_db);
    bands
        .flat_map(|band| {
            band.iter().enumerate().map(|(color, group)| {
                let noisy = (color > 0).then_some(band[0]);
                let cell = |metric: &Metric| mean(*metric, group, noisy);
                Row {
                    name: band_name(group.band_db),
                    span: if color == 0 { band.len() } else { 0 },
                    detail: group.files.to_string(),
                    signal: group.signal.clone(),
                    color,
                    cells: metrics.iter().map(cell).collect(),
                }
            })
        })
        .collect()
}

/// The scores of every file.
pub fn file_rows(evaluation: &Evaluation, metrics: &[Metric]) -> Vec<Row> {
    let rows = evaluation.files.iter().map(|file| {
        file.signals.iter().enumerate().map(|(color, signal)| {
            let cell = |metric: &Metric| Cell {
                value: shown(*metric, &signal.scores),
                files: None,
                change: None,
                better: false,
            };
            Row {
                name: file.name.clone(),
                span: if color == 0 { file.signals.len() } else { 0 },
                detail: shown_snr(file.input_snr_db),
                signal: signal.signal.clone(),
                color,
                cells: metrics.iter().map(cell).collect(),
            }
        })
    });
    rows.flatten().collect()
}

/// A mean, with the change against that of the noisy input where given.
fn mean(metric: Metric, group: &Group, noisy: Option<&Group>) -> Cell {
    let Facts {
        decimals, better, ..
    } = metric.facts();
    let difference =
        noisy.and_then(|noisy| Some(group.means.get(&metric)? - noisy.means.get(&metric)?));
    Cell {
        value: shown(metric, &group.means),
        files: group.fewer_files.get(&metric).copied(),
        change: difference.map(|by| minus(format!("{by:+.decimals$}"))),
        better: difference.is_some_and(|by| (by > 0.0) == (better == Better::Higher)),
    }
}
