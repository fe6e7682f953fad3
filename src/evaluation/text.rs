//! The result on a terminal: a table of files and one of means.

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::summary::Group;
use super::{Evaluation, heading, minus, shown, shown_snr};
use crate::metrics::Metric;

/// Every file and signal.
pub fn files(evaluation: &Evaluation) -> String {
    let metrics = evaluation.metrics();
    let mut table = table(&["file", "input SNR dB", "signal"], &metrics);
    for file in &evaluation.files {
        for (index, signal) in file.signals.iter().enumerate() {
            // Said once per file, not in every row.
            let (name, snr) = match index {
                0 => (file.name.clone(), shown_snr(file.input_snr_db)),
                _ => (String::new(), String::new()),
            };
            let scores = metrics.iter().map(|metric| shown(*metric, &signal.scores));
            table.add_row(row([name, snr, signal.signal.clone()], scores));
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
        let means = metrics.iter().map(|metric| mean(*metric, group));
        table.add_row(row([band, files, group.signal.clone()], means));
    }
    aligned(table) + note(&evaluation.summary)
}

/// A mean, with the number of its files where these are not all.
fn mean(metric: Metric, group: &Group) -> String {
    let value = shown(metric, &group.means);
    match group.fewer_files.get(&metric) {
        Some(files) => format!("{value} ({files})"),
        None => value,
    }
}

/// What the numbers in brackets are, if there are any.
fn note(summary: &[Group]) -> &'static str {
    match summary.iter().all(|group| group.fewer_files.is_empty()) {
        true => "",
        false => {
            "\n\n(N): only N of the files have the value for every signal; the mean is over these"
        }
    }
}

/// What a band of input SNR is called.
pub fn band_name(band_db: Option<i32>) -> String {
    band_db.map_or("all".into(), |db| minus(format!("{db} dB")))
}

fn table(first: &[&str], metrics: &[Metric]) -> Table {
    let mut table = Table::new();
    let heads = metrics.iter().map(|metric| heading(*metric));
    table
        .load_style(presets::NOTHING)
        .set_header(first.iter().map(|head| (*head).to_owned()).chain(heads));
    table
}

fn row<const N: usize>(first: [String; N], values: impl Iterator<Item = String>) -> Vec<Cell> {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metrics::Scores;

    #[test]
    fn a_mean_over_fewer_files_says_how_many() {
        let group = |fewer_files| Group {
            band_db: None,
            signal: "noisy".into(),
            files: 3,
            means: Scores::from([(Metric::SiSdr, -1.5)]),
            fewer_files,
        };
        let all = group(BTreeMap::new());
        assert_eq!(mean(Metric::SiSdr, &all), "−1.50");
        assert_eq!(note(&[all]), "");
        let fewer = group(BTreeMap::from([(Metric::SiSdr, 2)]));
        assert_eq!(mean(Metric::SiSdr, &fewer), "−1.50 (2)");
        assert!(note(&[fewer]).contains("(N)"));
    }
}
