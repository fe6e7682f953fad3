//! Files to look at and to listen to: spectrograms and audio, as data URLs for a page without
//! anything beside it.

use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::judge::{Models, Recordings};
use super::pairs::Pair;
use super::{FileResult, NOISY};
use crate::audio::wav_write::mono_16_bit;
use crate::dsp::spectrogram::{Recorder, Spectrogram};
use crate::plot::spectrogram::{max_hz, picture, top_db};

/// Longer recordings are cut here: a page has to stay small enough to open.
pub const MAX_SECONDS: usize = 12;
const PICTURE_SIZE: (u32, u32) = (480, 160);

/// One file to compare.
#[derive(Debug, Serialize)]
pub struct Example {
    /// Which of the results it belongs to.
    #[serde(skip)]
    pub file: usize,
    pub seconds: String,
    pub max_khz: String,
    pub cut: bool,
    /// Noisy, clean, then the output of each model.
    pub panels: Vec<Panel>,
}

/// One signal to see and hear.
#[derive(Debug, Serialize)]
pub struct Panel {
    pub signal: String,
    /// Data URLs.
    pub picture: String,
    pub audio: String,
}

/// The files to show: at most `count`, spread evenly from the noisiest to the cleanest.
pub fn choose(files: &[FileResult], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by(|a, b| files[*a].input_snr_db.total_cmp(&files[*b].input_snr_db));
    let count = count.min(order.len());
    let spread = |index: usize| match count {
        1 => order[order.len() / 2],
        _ => order[index * (order.len() - 1) / (count - 1)],
    };
    (0..count).map(spread).collect()
}

/// Cleans a file again and draws it.
///
/// # Errors
/// A file that has changed since it was measured.
pub fn example(index: usize, file: &FileResult, models: &Models) -> Result<Example> {
    let mut recordings = Recordings::read(&Pair {
        name: file.name.clone(),
        noisy: file.noisy.clone(),
        clean: file.clean.clone(),
    })?;
    let rate_hz = recordings.rate_hz;
    let whole = recordings.noisy.len();
    let kept = whole.min(MAX_SECONDS * rate_hz as usize);
    recordings.noisy.truncate(kept);
    recordings.clean.truncate(kept);
    let outputs = models.clean(&recordings)?;
    let mut signals = vec![
        (NOISY, recordings.noisy.as_slice()),
        ("clean", recordings.clean.as_slice()),
    ];
    signals.extend(
        outputs
            .iter()
            .map(|(name, output, _)| (name.as_str(), output.as_slice())),
    );
    let spectrograms: Vec<Spectrogram> = signals
        .iter()
        .map(|(_, samples)| {
            let mut recorder = Recorder::new(rate_hz);
            recorder.push(samples);
            recorder.finish()
        })
        .collect();
    let top_db = top_db(spectrograms.iter());
    let panel = |((signal, samples), spectrogram): (&(&str, &[f32]), &Spectrogram)| {
        Ok(Panel {
            signal: (*signal).to_owned(),
            picture: data_url("image/png", &picture(spectrogram, PICTURE_SIZE, top_db)?),
            audio: data_url("audio/wav", &mono_16_bit(samples, rate_hz)?),
        })
    };
    Ok(Example {
        file: index,
        seconds: format!("{:.1}", kept as f64 / f64::from(rate_hz)),
        max_khz: format!("{}", max_hz(&spectrograms[0]) / 1000.0),
        cut: kept < whole,
        panels: signals
            .iter()
            .zip(&spectrograms)
            .map(panel)
            .collect::<Result<_>>()?,
    })
}

fn data_url(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_reach_from_the_noisiest_to_the_cleanest() {
        let file = |input_snr_db| FileResult {
            name: String::new(),
            noisy: "".into(),
            clean: "".into(),
            rate_hz: 8_000,
            seconds: 1.0,
            input_snr_db,
            signals: Vec::new(),
        };
        let files: Vec<FileResult> = [5.0, -5.0, 20.0, 0.0, f64::INFINITY].map(file).into();
        assert_eq!(choose(&files, 3), [1, 0, 4]);
        assert_eq!(choose(&files, 1), [0]);
        assert_eq!(choose(&files, 9), [1, 3, 0, 2, 4]);
        assert!(choose(&files, 0).is_empty() && choose(&[], 3).is_empty());
    }
}
