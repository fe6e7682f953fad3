//! One run: gradients to the optimiser, weights to validation, and what comes of it to the outputs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};

use super::config::Keep;
use super::divergence::Watch;
use super::journal::{Entry, Journal};
use super::optimiser::{Optimiser, copies, learning_rate};
use super::origin::go_part_way;
use super::outputs::Outputs;
use super::replica::Gradients;
use super::report::Report;
use super::state::Progress;
use super::sums::Sums;
use super::time_budget::TimeBudget;
use super::validation::{Score, Validation};
use crate::model::checkpoint::{Checkpoint, TrainingSummary};
use crate::model::tensor_file::Named;

/// So often the weights are taken back before a run is given up.
const MAX_ROLLBACKS: u64 = 4;

/// A run: its weights, how far it is, and what it writes.
pub struct Trainer {
    outputs: Outputs,
    /// With the number of updates at its beginning.
    budget: Option<(TimeBudget, u64)>,
    watch: Watch,
    /// As of the last validation.
    last_good: Optimiser,
    /// The weights that the run began with, none where these were random.
    origin: Named,
    progress: Progress,
    optimiser: Optimiser,
    validation: Validation,
    journal: Journal,
    sums: Sums,
    report: Report,
}

impl Trainer {
    /// Goes on from `progress`.
    pub fn new(
        outputs: Outputs,
        journal: Journal,
        validation: Validation,
        progress: Progress,
        optimiser: Optimiser,
        origin: Named,
    ) -> Self {
        let budget = TimeBudget::new(progress.config.minutes, progress.running_seconds);
        Self {
            outputs,
            budget: budget.map(|budget| (budget, progress.updates)),
            watch: Watch::default(),
            last_good: optimiser.copy(),
            origin,
            report: Report::new(&progress),
            progress,
            optimiser,
            validation,
            journal,
            sums: Sums::start(),
        }
    }

    /// The weights as they are, which the next gradients are for.
    pub fn optimiser(&self) -> &Optimiser {
        &self.optimiser
    }

    /// Whether all planned updates are made.
    pub fn is_done(&self) -> bool {
        self.progress.updates >= self.progress.config.updates
    }

    /// Time since the last validation, or the start.
    pub fn since_validation(&self) -> Duration {
        self.sums.since.elapsed()
    }

    /// Whether validations have long not improved; says so if they have not.
    pub fn has_stalled(&self) -> bool {
        let stalled = self.progress.has_stalled();
        if stalled {
            log::info!(
                "stopping early: {} validations without a better one since update {}",
                self.progress.stale_validations,
                self.progress.best_update
            );
        }
        stalled
    }

    /// Writes what is needed to go on; being interrupted again gives up weights that cannot be written.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn interrupt(&mut self, interrupted: &AtomicBool) -> Result<()> {
        interrupted.store(false, Ordering::Relaxed);
        self.report.interrupted();
        self.progress.running_seconds += self.sums.since.elapsed().as_secs_f64();
        let saved = self.save_state();
        self.outputs.finish(interrupted)?;
        // Room for the weights may be room for the state.
        saved.or_else(|_| self.save_state())
    }

    fn save_state(&self) -> Result<()> {
        self.outputs
            .save_state(&self.progress, &self.optimiser, &self.origin)
    }

    /// Writes the weights.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn finish(mut self, interrupted: &AtomicBool) -> Result<()> {
        self.report.finished();
        self.outputs.finish(interrupted)
    }

    /// One step by `gradients`, or back to the last validation where training has diverged.
    ///
    /// # Errors
    /// Training diverges again and again.
    pub fn update(&mut self, gradients: &Gradients) -> Result<()> {
        let config = &self.progress.config;
        let norm = self.optimiser.step(&gradients.gradients, config);
        let seconds = config.batch_clips as f64 * config.clip_samples() as f64
            / f64::from(config.model.sample_rate_hz);
        self.progress.updates = self.optimiser.updates;
        self.progress.audio_seconds += seconds;
        if self.watch.diverged(gradients.loss, norm) {
            return self.roll_back();
        }
        if let Some((budget, begun_at)) = &self.budget {
            let updates = self.progress.updates;
            self.progress.config.updates = budget.planned_updates(updates, updates - begun_at);
        }
        if !gradients.loss.is_finite() || !norm.is_finite() {
            return Ok(());
        }
        self.sums.updates += 1.0;
        self.sums.loss += gradients.loss;
        self.sums.sdr_db += gradients.sdr_db;
        self.sums.norm += norm;
        self.sums.audio_seconds += seconds;
        self.report.updated(&self.progress, &self.sums);
        Ok(())
    }

    /// Goes on from the weights of the last validation with half the learning rate.
    fn roll_back(&mut self) -> Result<()> {
        let Progress {
            updates,
            best_update,
            ..
        } = self.progress;
        self.progress.rollbacks += 1;
        let config = &mut self.progress.config;
        if self.progress.rollbacks > MAX_ROLLBACKS {
            self.outputs.save_waiting();
            let out = self.outputs.weights_path().display();
            bail!(
                "training has diverged {} times, at last at update {updates} with a peak learning rate of {:e}: \
                 start with a lower learning_rate{}",
                self.progress.rollbacks,
                config.learning_rate,
                match self.progress.best_loss {
                    Some(_) => format!(
                        "; {out} keeps the weights that it was left so far (--init goes on from them), update {best_update} was the best"
                    ),
                    None => String::new(),
                }
            );
        }
        config.learning_rate *= 0.5;
        self.optimiser = Optimiser {
            updates,
            ..self.last_good.copy()
        };
        self.watch = Watch::default();
        let message = format!(
            "training diverged at update {updates}: back to the weights of the last validation, with half the \
             learning rate ({:e} at its peak)",
            config.learning_rate
        );
        self.report.warn(&message);
        Ok(())
    }

    /// Judges the weights, keeps them where they are better, and writes down how far the run is.
    ///
    /// # Errors
    /// Training diverges again and again.
    pub fn validate(&mut self) -> Result<()> {
        let sums = std::mem::replace(&mut self.sums, Sums::start());
        let audio_seconds_per_second = sums.audio_rate();
        self.progress.running_seconds += sums.since.elapsed().as_secs_f64();
        let candidate = self.candidate();
        let score = self.validation.score(&candidate);
        if !score.loss.is_finite() {
            self.sums = Sums::start();
            return self.roll_back();
        }
        self.last_good = self.optimiser.copy();
        let better = self.progress.is_better(score.loss);
        if better || self.progress.config.keep == Keep::Last {
            self.outputs.keep(self.checkpoint(score, candidate));
        } else {
            self.outputs.save_waiting();
        }
        let entry = Entry {
            update: self.progress.updates,
            running_minutes: self.progress.running_seconds / 60.0,
            audio_hours: self.progress.audio_seconds / 3600.0,
            learning_rate: learning_rate(self.progress.updates, &self.progress.config),
            training_loss: sums.loss / sums.updates,
            training_sdr_db: sums.sdr_db / sums.updates,
            gradient_norm: sums.norm / sums.updates,
            audio_seconds_per_second,
            validation_loss: score.loss,
            validation_si_sdr_db: score.si_sdr_db,
            input_si_sdr_db: score.input_si_sdr_db,
            validation_stoi: score.stoi,
            input_stoi: score.input_stoi,
        };
        self.report.validated(&entry);
        let written = [self.journal.add(entry), self.save_state()];
        for error in written.into_iter().filter_map(Result::err) {
            self.report.warn(&format!(
                "{error:#}; training goes on, and the next validation tries again"
            ));
        }
        self.sums = Sums::start();
        Ok(())
    }

    /// The weights that could be kept.
    fn candidate(&self) -> Named {
        let mut weights = copies(&self.optimiser.average);
        go_part_way(&self.origin, &mut weights, self.progress.config.way);
        weights
    }

    fn checkpoint(&self, score: Score, tensors: Named) -> Checkpoint {
        Checkpoint {
            config: self.progress.config.model.clone(),
            summary: TrainingSummary {
                program_version: env!("CARGO_PKG_VERSION").to_owned(),
                updates: self.progress.updates,
                audio_hours: self.progress.audio_seconds / 3600.0,
                validation_loss: score.loss,
                validation_si_sdr_db: score.si_sdr_db,
            },
            tensors,
        }
    }
}
