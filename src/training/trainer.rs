//! The training loop: batches to replicas, gradients to the optimiser, now and then a validation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::batch::{Batch, Loader};
use super::config::Keep;
use super::divergence::Watch;
use super::journal::{Entry, Journal};
use super::memory::keep_freed_memory;
use super::opinion::Opinion;
use super::optimiser::{self, Optimiser, learning_rate};
use super::outputs::Outputs;
use super::replica::{self, Gradients, Replica};
use super::start::{Run, Start, begin};
use super::state::Progress;
use super::sums::Sums;
use super::time_budget::TimeBudget;
use super::validation::{Score, Validation};
use crate::model::checkpoint::{Checkpoint, TrainingSummary};
use crate::model::tensor_file::Named;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    /// Stopped by the flag; the state file has everything to go on.
    Interrupted,
}

/// So often the weights are taken back before a run is given up.
const MAX_ROLLBACKS: u64 = 4;

struct Trainer {
    outputs: Outputs,
    validation_interval: Duration,
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
    bar: ProgressBar,
}

/// Trains until the planned updates or minutes are done, validation no longer improves, or
/// `interrupted` is set.
///
/// # Errors
/// Files that cannot be read or written, a state that does not fit, or training that diverges again
/// and again.
pub fn train(run: Run, start: Start, interrupted: &AtomicBool) -> Result<Outcome> {
    keep_freed_memory();
    // Replicas are the parallelism; helpers of libtorch's own would spin beside them.
    tch::set_num_threads(1);
    let adapting = matches!(start, Start::Adapt(..));
    let fine_tuning = adapting || matches!(start, Start::FineTune(..));
    let (progress, optimiser, origin) = begin(&run, start)?;
    let config = progress.config.clone();
    let shape = (config.batch_clips, config.clip_samples());
    let replicas: Vec<Replica> = (0..run.replicas.min(config.batch_clips))
        .map(|_| {
            Replica::start(
                &config,
                adapting.then_some(&origin),
                run.opinion.as_ref().map(Opinion::share),
                run.device,
            )
        })
        .collect();
    let validation = Validation::new(&run.validation, &config, run.device);
    let material = Arc::new(run.training);
    let mut loader = Loader::start(
        material,
        config.seed,
        progress.updates,
        shape,
        run.loader_threads,
        run.device,
    );
    let mut trainer = Trainer {
        journal: Journal::open(&run.out, progress.updates)?,
        bar: progress_bar(&progress),
        outputs: Outputs::new(run.out, run.resumable),
        validation_interval: run.validation_interval,
        budget: TimeBudget::new(config.minutes, progress.running_seconds)
            .map(|budget| (budget, progress.updates)),
        watch: Watch::default(),
        last_good: optimiser.copy(),
        origin,
        progress,
        optimiser,
        validation,
        sums: Sums::start(),
    };
    if fine_tuning {
        // What training does not improve must not replace what there was.
        trainer.validate()?;
    }
    while trainer.progress.updates < trainer.progress.config.updates {
        if interrupted.load(Ordering::Relaxed) {
            trainer.bar.abandon();
            trainer.outputs.finish(interrupted)?;
            trainer.progress.running_seconds += trainer.sums.since.elapsed().as_secs_f64();
            trainer
                .outputs
                .save_state(&trainer.progress, &trainer.optimiser, &trainer.origin)?;
            return Ok(Outcome::Interrupted);
        }
        let batch = loader
            .next()
            .context("a loading thread has stopped; the message above says why")?;
        let gradients = compute(&replicas, batch, &trainer.optimiser)?;
        trainer.update(&gradients)?;
        let due = trainer.sums.since.elapsed() >= trainer.validation_interval;
        if due || trainer.progress.updates >= trainer.progress.config.updates {
            trainer.validate()?;
            if trainer.progress.has_stalled() {
                log::info!(
                    "stopping early: {} validations without a better one since update {}",
                    trainer.progress.stale_validations,
                    trainer.progress.best_update
                );
                break;
            }
        }
    }
    trainer.bar.finish();
    trainer.outputs.finish(interrupted)?;
    Ok(Outcome::Finished)
}

fn compute(replicas: &[Replica], batch: Batch, optimiser: &Optimiser) -> Result<Gradients> {
    let parts = batch.split(replicas.len());
    let clips: Vec<i64> = parts.iter().map(Batch::clips).collect();
    for (replica, part) in replicas.iter().zip(parts) {
        replica.begin(part, &optimiser.weights, optimiser.updates)?;
    }
    let mut results = Vec::with_capacity(replicas.len());
    for (replica, clips) in replicas.iter().zip(clips) {
        results.push((clips, replica.finish()?));
    }
    tch::no_grad(|| replica::average(results)).context("no replica was started")
}

impl Trainer {
    fn update(&mut self, gradients: &Gradients) -> Result<()> {
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
            self.bar.set_length(self.progress.config.updates);
        }
        if !gradients.loss.is_finite() || !norm.is_finite() {
            return Ok(());
        }
        self.sums.updates += 1.0;
        self.sums.loss += gradients.loss;
        self.sums.sdr_db += gradients.sdr_db;
        self.sums.norm += norm;
        self.sums.audio_seconds += seconds;
        self.bar.set_position(self.progress.updates);
        if self.progress.updates.is_multiple_of(10) {
            let updates = self.sums.updates;
            self.bar.set_message(format!(
                "loss {:.4} SDR {:.1} dB, {:.0} audio-s/s",
                self.sums.loss / updates,
                self.sums.sdr_db / updates,
                self.sums.audio_rate(),
            ));
        }
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
        self.bar.suspend(|| log::warn!("{message}"));
        Ok(())
    }

    fn validate(&mut self) -> Result<()> {
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
        // Before the first update there is nothing to say of training.
        let training = match self.progress.updates {
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
        let kept = self.journal.add(entry);
        let kept = kept.and_then(|()| {
            self.outputs
                .save_state(&self.progress, &self.optimiser, &self.origin)
        });
        if let Err(error) = kept {
            let message =
                format!("{error:#}; training goes on, and the next validation tries again");
            self.bar.suspend(|| log::warn!("{message}"));
        }
        self.sums = Sums::start();
        Ok(())
    }

    /// The weights that could be kept.
    fn candidate(&self) -> Named {
        let mut weights = optimiser::copies(&self.optimiser.average);
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

/// Takes `trained` weights back to the part `way` of the way from those of `before`.
fn go_part_way(before: &Named, trained: &mut Named, way: f64) {
    for (name, tensor) in trained {
        if let Some(start) = before.get(name) {
            *tensor = tch::no_grad(|| start.lerp(tensor, way));
        }
    }
}

fn progress_bar(progress: &Progress) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:24} {pos}/{len} {msg} [{elapsed_precise}, {eta} left]")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(progress.config.updates)
        .with_style(style)
        .with_position(progress.updates)
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn part_of_the_way_lies_between() {
        let named = |value: f32| Named::from([("w".to_owned(), Tensor::from_slice(&[value]))]);
        for (way, expected) in [(0.0, 2.0), (0.7, 9.0), (1.0, 12.0)] {
            let mut trained = named(12.0);
            go_part_way(&named(2.0), &mut trained, way);
            assert_eq!(trained["w"].double_value(&[0]), expected);
        }
    }
}
