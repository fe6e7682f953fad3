//! Means over files, together and by the signal-to-noise ratio of the input.

use std::collections::BTreeMap;

use serde::Serialize;

use super::FileResult;
use crate::metrics::{Metric, Scores};

const BAND_WIDTH_DB: f64 = 5.0;
/// What lies beyond counts as this.
const BAND_LIMITS_DB: (f64, f64) = (-20.0, 40.0);

/// Means of one signal over the files of one band.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Centre of the band of input SNR; `None` for all files.
    pub band_db: Option<i32>,
    pub signal: String,
    pub files: usize,
    /// Each over the files where all signals have the value, lest signals be compared by different
    /// files; signals that have it in no file of the band do not count.
    pub means: Scores,
    /// How many files those are, for the metrics of this signal where these are not all.
    pub fewer_files: BTreeMap<Metric, usize>,
}

/// The multiple of 5 dB that is nearest to an input SNR, from −20 to 40 dB.
pub fn band_db(input_snr_db: f64) -> i32 {
    let (low, high) = BAND_LIMITS_DB;
    ((input_snr_db / BAND_WIDTH_DB).round() * BAND_WIDTH_DB).clamp(low, high) as i32
}

/// Means over all files, then over each band from noisy to clean; in each the signals in their order.
pub fn summarise(files: &[FileResult]) -> Vec<Group> {
    let mut bands: Vec<i32> = files
        .iter()
        .map(|file| band_db(file.input_snr_db))
        .collect();
    bands.sort_unstable();
    bands.dedup();
    let groups = std::iter::once(None).chain(bands.into_iter().map(Some));
    groups.flat_map(|band| means(files, band)).collect()
}

fn means(files: &[FileResult], band: Option<i32>) -> Vec<Group> {
    let inside = |file: &&FileResult| band.is_none_or(|band| band_db(file.input_snr_db) == band);
    let files: Vec<&FileResult> = files.iter().filter(inside).collect();
    let signals = files.first().map_or(&[][..], |file| &file.signals[..]);
    let mut groups: Vec<Group> = signals
        .iter()
        .map(|signal| Group {
            band_db: band,
            signal: signal.signal.clone(),
            files: files.len(),
            means: Scores::new(),
            fewer_files: BTreeMap::new(),
        })
        .collect();
    for metric in Metric::ALL {
        add_means(&mut groups, &files, metric);
    }
    groups
}

/// Means of one metric for the signals that have it at all.
fn add_means(groups: &mut [Group], files: &[&FileResult], metric: Metric) {
    let value =
        |file: &FileResult, signal: usize| file.signals[signal].scores.get(&metric).copied();
    let measured: Vec<usize> = (0..groups.len())
        .filter(|&signal| files.iter().any(|file| value(file, signal).is_some()))
        .collect();
    let values_of = |file: &&FileResult| -> Option<Vec<f64>> {
        measured.iter().map(|&signal| value(file, signal)).collect()
    };
    let rows: Vec<Vec<f64>> = files.iter().filter_map(values_of).collect();
    for (column, &signal) in measured.iter().enumerate() {
        let sum: f64 = rows.iter().map(|row| row[column]).sum();
        if !rows.is_empty() {
            groups[signal].means.insert(metric, sum / rows.len() as f64);
        }
        if rows.len() < files.len() {
            groups[signal].fewer_files.insert(metric, rows.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SignalResult;
    use super::*;

    /// A file with STOI of the noisy input and of a model's output.
    fn file(input_snr_db: f64, stoi: [Option<f64>; 2]) -> FileResult {
        let signal = |(signal, stoi): (&str, Option<f64>)| SignalResult {
            signal: signal.to_owned(),
            scores: stoi
                .map(|value| (Metric::Stoi, value))
                .into_iter()
                .collect(),
        };
        FileResult {
            name: String::new(),
            noisy: "".into(),
            clean: "".into(),
            rate_hz: 16_000,
            seconds: 1.0,
            input_snr_db,
            signals: ["noisy", "model"]
                .into_iter()
                .zip(stoi)
                .map(signal)
                .collect(),
        }
    }

    fn stoi(group: &Group) -> Option<f64> {
        let mean = group.means.get(&Metric::Stoi)?;
        Some((mean * 1e6).round() / 1e6)
    }

    #[test]
    fn bands_are_the_nearest_multiples_of_5_db() {
        for (snr_db, band) in [(-2.4, 0), (2.6, 5), (-7.6, -10), (99.0, 40), (-99.0, -20)] {
            assert_eq!(band_db(snr_db), band);
        }
        assert_eq!(band_db(f64::INFINITY), 40);
    }

    #[test]
    fn groups_are_all_files_then_each_band() {
        let files = [0.3, 10.0, -0.3].map(|snr_db| file(snr_db, [Some(0.5), Some(0.75)]));
        let groups = summarise(&files);
        let key = |group: &Group| (group.band_db, group.files);
        let keys: Vec<_> = groups.iter().step_by(2).map(key).collect();
        assert_eq!(keys, [(None, 3), (Some(0), 2), (Some(10), 1)]);
        assert!(groups.iter().all(|group| group.fewer_files.is_empty()));
        let means: Vec<_> = groups.iter().map(stoi).collect();
        assert_eq!(means, [Some(0.5), Some(0.75)].repeat(3));
    }

    #[test]
    fn signals_are_compared_by_the_files_where_all_have_the_value() {
        let files = [
            file(0.0, [Some(0.4), Some(0.5)]),
            file(0.0, [Some(0.6), Some(0.9)]),
            file(0.0, [Some(0.1), None]),
            file(0.0, [None, Some(1.0)]),
        ];
        let groups = summarise(&files);
        assert_eq!([stoi(&groups[0]), stoi(&groups[1])], [Some(0.5), Some(0.7)]);
        for group in groups {
            assert_eq!(group.files, 4);
            assert_eq!(group.fewer_files, BTreeMap::from([(Metric::Stoi, 2)]));
        }
    }

    #[test]
    fn a_signal_without_a_metric_leaves_the_means_of_the_others() {
        let files = [file(0.0, [None, Some(0.5)]), file(0.0, [None, Some(0.7)])];
        let groups = summarise(&files);
        assert_eq!([stoi(&groups[0]), stoi(&groups[1])], [None, Some(0.6)]);
        assert!(groups.iter().all(|group| group.fewer_files.is_empty()));
    }

    #[test]
    fn without_a_common_file_there_is_nothing_to_compare() {
        let files = [file(0.0, [Some(0.5), None]), file(0.0, [None, Some(0.7)])];
        for group in summarise(&files) {
            assert_eq!(stoi(&group), None);
            assert_eq!(group.fewer_files[&Metric::Stoi], 0);
        }
    }

    #[test]
    fn nothing_has_no_means() {
        assert!(summarise(&[]).is_empty());
    }
}
