//! One pair of recordings: read, cleaned by each model, measured.

use std::path::Path;

use anyhow::{Result, ensure};
use tch::Device;

use super::pairs::Pair;
use super::perceptual::{Available, Helper};
use super::{FileResult, NOISY, NamedModel, SignalResult};
use crate::audio::decode::read_mono;
use crate::cleaning;
use crate::cpu_time::thread_seconds;
use crate::dsp::level::{FLOOR_DB, rms_db};
use crate::metrics::noise_level::input_snr_db;
use crate::metrics::{self, Metric, Scores};
use crate::model::Model;

/// A pair in memory, channels averaged.
pub struct Recordings {
    pub rate_hz: u32,
    pub noisy: Vec<f32>,
    pub clean: Vec<f32>,
}

impl Recordings {
    /// Reads both files.
    ///
    /// # Errors
    /// Files that cannot be read, that differ in rate or length, or that are silent.
    pub fn read(pair: &Pair) -> Result<Recordings> {
        let (noisy, rate_hz) = read_mono(&pair.noisy)?;
        let (clean, clean_rate_hz) = read_mono(&pair.clean)?;
        ensure!(
            rate_hz == clean_rate_hz,
            "the noisy file has {rate_hz} Hz, the clean one {clean_rate_hz} Hz"
        );
        ensure!(
            noisy.len() == clean.len(),
            "the noisy file has {} samples, the clean one {}",
            noisy.len(),
            clean.len()
        );
        let not_silent = |samples: &[f32], path: &Path| {
            ensure!(rms_db(samples) > FLOOR_DB, "{} is silent", path.display());
            Ok(())
        };
        not_silent(&noisy, &pair.noisy)?;
        not_silent(&clean, &pair.clean)?;
        Ok(Recordings {
            rate_hz,
            noisy,
            clean,
        })
    }
}

/// Weights files on this thread, ready to clean.
pub struct Models(Vec<(String, Model)>);

impl Models {
    /// Loads the weights.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load(models: &[NamedModel], device: Device) -> Result<Models> {
        let load = |named: &NamedModel| {
            let model = Model::load(&named.path, device)?;
            Ok((named.name.clone(), model))
        };
        models.iter().map(load).collect::<Result<_>>().map(Models)
    }

    /// Name and output of each model, and the processor seconds that it took.
    ///
    /// # Errors
    /// As [`cleaning::clean`].
    pub fn clean(&self, recordings: &Recordings) -> Result<Vec<(String, Vec<f32>, f64)>> {
        let clean = |(name, model): &(String, Model)| {
            let begin = thread_seconds();
            let output = cleaning::clean(model, &recordings.noisy, recordings.rate_hz)?;
            Ok((name.clone(), output, thread_seconds() - begin))
        };
        self.0.iter().map(clean).collect()
    }
}

/// What a worker needs to judge pairs.
pub struct Judge {
    models: Models,
    helper: Helper,
}

impl Judge {
    /// Loads the models; the Python helper is for what is `available`.
    ///
    /// # Errors
    /// As [`Models::load`].
    pub fn new(models: &[NamedModel], device: Device, available: &Available) -> Result<Judge> {
        Ok(Judge {
            models: Models::load(models, device)?,
            helper: Helper::new(available),
        })
    }

    /// Cleans a pair's noisy recording with every model and measures all.
    ///
    /// # Errors
    /// As [`Recordings::read`].
    pub fn judge(&mut self, pair: &Pair) -> Result<FileResult> {
        let recordings = Recordings::read(pair)?;
        let seconds = recordings.clean.len() as f64 / f64::from(recordings.rate_hz);
        let mut signals = vec![SignalResult {
            signal: NOISY.to_owned(),
            scores: self.scores(pair, NOISY, &recordings, &recordings.noisy),
        }];
        for (signal, output, cpu_seconds) in self.models.clean(&recordings)? {
            let mut scores = self.scores(pair, &signal, &recordings, &output);
            scores.insert(Metric::RealTimeFactor, cpu_seconds / seconds);
            signals.push(SignalResult { signal, scores });
        }
        Ok(FileResult {
            name: pair.name.clone(),
            noisy: pair.noisy.clone(),
            clean: pair.clean.clone(),
            rate_hz: recordings.rate_hz,
            seconds,
            input_snr_db: input_snr_db(&recordings.clean, &recordings.noisy, recordings.rate_hz),
            signals,
        })
    }

    fn scores(
        &mut self,
        pair: &Pair,
        signal: &str,
        recordings: &Recordings,
        estimate: &[f32],
    ) -> Scores {
        let Recordings { rate_hz, clean, .. } = recordings;
        let mut scores = metrics::measure(clean, estimate, *rate_hz);
        let name = format!("{} ({signal})", pair.name);
        scores.extend(self.helper.measure(&name, clean, estimate, *rate_hz));
        scores
    }
}
