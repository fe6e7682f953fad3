//! Means over files, together and by the signal-to-noise ratio of the input.

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
    /// Each over the files that have the value.
    pub means: Scores,
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
    let signals = files.first().map_or(0, |file| file.signals.len());
    let of_signal = |index: usize| Group {
        band_db: band,
        signal: files[0].signals[index].signal.clone(),
        files: files.len(),
        means: Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric, mean(&files, index, metric)?)))
            .collect(),
    };
    (0..signals).map(of_signal).collect()
}

fn mean(files: &[&FileResult], signal: usize, metric: Metric) -> Option<f64> {
    let value = |file: &&FileResult| file.signals[signal].scores.get(&metric).copied();
    let values: Vec<f64> = files.iter().filter_map(value).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::SignalResult;
    use super::*;

    fn file(input_snr_db: f64, stoi: Option<f64>) -> FileResult {
        let scores = stoi
            .map(|value| (Metric::Stoi, value))
            .into_iter()
            .collect();
        let signal = |signal: &str, scores| SignalResult {
            signal: signal.to_owned(),
            scores,
        };
        FileResult {
            name: String::new(),
            noisy: "".into(),
            clean: "".into(),
            rate_hz: 16_000,
            seconds: 1.0,
            input_snr_db,
            signals: vec![signal("noisy", Scores::new()), signal("model", scores)],
        }
    }

    #[test]
    fn bands_are_the_nearest_multiples_of_5_db() {
        for (snr_db, band) in [(-2.4, 0), (2.6, 5), (-7.6, -10), (99.0, 40), (-99.0, -20)] {
            assert_eq!(band_db(snr_db), band);
        }
        assert_eq!(band_db(f64::INFINITY), 40);
    }

    #[test]
    fn means_are_over_the_files_that_have_a_value() {
        let files = [
            file(0.3, Some(0.5)),
            file(-0.3, Some(0.7)),
            file(0.1, None),
            file(10.0, Some(0.9)),
        ];
        let groups = summarise(&files);
        let key = |group: &Group| (group.band_db, group.files);
        let keys: Vec<_> = groups.iter().step_by(2).map(key).collect();
        assert_eq!(keys, [(None, 4), (Some(0), 3), (Some(10), 1)]);
        let means: Vec<f64> = groups
            .iter()
            .filter(|group| group.signal == "model")
            .map(|group| group.means[&Metric::Stoi])
            .collect();
        for (mean, expected) in means.iter().zip([0.7, 0.6, 0.9]) {
            assert!((mean - expected).abs() < 1e-12);
        }
        assert!(groups[0].means.is_empty());
    }

    #[test]
    fn nothing_has_no_means() {
        assert!(summarise(&[]).is_empty());
    }
}
