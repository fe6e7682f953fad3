//! The result on a terminal: a table of files and one of means.

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::{Evaluation, heading, shown};
use crate::metrics::{Metric, Scores};

/// Every file and signal.
pub fn files(evaluation: &Evaluation) -> String {
    let metrics = evaluation.metrics();
    let mut table = table(&["file", "input SNR dB", "signal"], &metrics);
    for file in &evaluation.files {
        for (index, signal) in file.signals.iter().enumerate() {
            // Said once per file, not in every row.
            let (name, snr) = match index {
                0 => (file.name.clone(), format!("{:.1}", file.input_snr_db)),
                _ => (String::new(), String::new()),
            };
            table.add_row(row(
                [name, snr, signal.signal.clone()],
                &metrics,
                &signal.scores,
            ));
        }
    }
    aligned(table)
}

/// The means of all files and of each band of input SNR.
pub fn summary(evaluation: &Evaluation) -> String {
    let metrics = evaluation.metrics();
    let mut table = table(&["input SNR", "files", "signal"], &metrics);
    let mut last = None;
    for group in &evaluation.summary {
        let (band, files) = match last.replace(group.band_db) {
            Some(band) if band == group.band_db => (String::new(), String::new()),
            _ => (band_name(group.band_db), group.files.to_string()),
        };
        table.add_row(row(
            [band, files, group.signal.clone()],
            &metrics,
            &group.means,
        ));
    }
    aligned(table)
}

/// What a band of input SNR is called.
pub fn band_name(band_db: Option<i32>) -> String {
    band_db.map_or("all".into(), |db| format!("{db} dB").replace('-', "−"))
}

fn table(first: &[&str], metrics: &[Metric]) -> Table {
    let mut table = Table::new();
    let heads = metrics.iter().map(|metric| heading(*metric));
    table
        .load_style(presets::NOTHING)
        .set_header(first.iter().map(|head| (*head).to_owned()).chain(heads));
    table
}

fn row<const N: usize>(first: [String; N], metrics: &[Metric], scores: &Scores) -> Vec<Cell> {
    let values = metrics.iter().map(|metric| shown(*metric, scores));
    first.into_iter().chain(values).map(Cell::new).collect()
}

/// Numbers right-aligned: all columns but the first and the signal's.
fn aligned(mut table: Table) -> String {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index != 0 && index != 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
