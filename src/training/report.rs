//! What a run shows: a progress bar, a line per validation, and warnings.

use indicatif::{ProgressBar, ProgressStyle};

use super::journal::Entry;
use super::state::Progress;
use super::sums::Sums;

/// The bar tells of every so many updates.
const UPDATES_PER_MESSAGE: u64 = 10;

/// The progress bar and the lines above it.
pub struct Report {
    bar: ProgressBar,
}

impl Report {
    /// Where a run begins or goes on.
    pub fn new(progress: &Progress) -> Self {
        let template = "{bar:24} {pos}/{len} {msg} [{elapsed_precise}, {eta} left]";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(progress.config.updates)
            .with_style(style)
            .with_position(progress.updates);
        Self { bar }
    }

    /// After an update, with the `sums` since the last validation.
    pub fn updated(&self, progress: &Progress, sums: &Sums) {
        self.bar.set_length(progress.config.updates);
        self.bar.set_position(progress.updates);
        if progress.updates.is_multiple_of(UPDATES_PER_MESSAGE) {
            self.bar.set_message(format!(
                "loss {:.4} SDR {:.1} dB, {:.0} audio-s/s",
                sums.loss / sums.updates,
                sums.sdr_db / sums.updates,
                sums.audio_rate(),
            ));
        }
    }

    /// After a validation.
    pub fn validated(&self, entry: &Entry) {
        // Before the first update there is nothing to say of training.
        let training = match entry.update {
            0 => String::new(),
            _ => format!("loss {:.4}, ", entry.training_loss),
        };
        self.bar.suspend(|| {
            log::info!(
                "update {}: {training}validation {:.4}, SI-SDR {:.2} dB (input {:.2}), STOI {:.3} ({:.3}), \
                 {:.0} audio-s/s",
                entry.update,
                entry.validation_loss,
                entry.validation_si_sdr_db,
                entry.input_si_sdr_db,
                entry.validation_stoi,
                entry.input_stoi,
                entry.audio_seconds_per_second,
            );
        });
    }

    /// A warning above the bar.
    pub fn warn(&self, message: &str) {
        self.bar.suspend(|| log::warn!("{message}"));
    }

    /// The bar stays as it is.
    pub fn interrupted(&self) {
        self.bar.abandon();
    }

    /// The bar is full.
    pub fn finished(&self) {
        self.bar.finish();
    }
}
