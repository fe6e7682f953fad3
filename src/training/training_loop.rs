//! The training loop: batches to replicas, gradients to the trainer, now and then a validation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::batch::{Batch, Loader};
use super::journal::Journal;
use super::memory::keep_freed_memory;
use super::opinion::Opinion;
use super::optimiser::Optimiser;
use super::outputs::Outputs;
use super::replica::{self, Gradients, Replica};
use super::start::{Run, Start, begin};
use super::trainer::Trainer;
use super::validation::Validation;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    /// Stopped by the flag; the state file has everything to go on.
    Interrupted,
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
    let journal = Journal::open(&run.out, progress.updates)?;
    let material = Arc::new(run.training);
    let mut loader = Loader::start(
        material,
        config.seed,
        progress.updates,
        shape,
        run.loader_threads,
        run.device,
    );
    let has_weights = run.out.exists();
    let outputs = Outputs::new(run.out, run.resumable);
    let mut trainer = Trainer::new(outputs, journal, validation, progress, optimiser, origin);
    // What training does not improve must not replace what there was, and a run whose weights are lost after its end
    // must leave some again.
    if fine_tuning || (trainer.is_done() && !has_weights) {
        trainer.validate()?;
    }
    while !trainer.is_done() {
        if interrupted.load(Ordering::Relaxed) {
            trainer.interrupt(interrupted)?;
            return Ok(Outcome::Interrupted);
        }
        let batch = loader
            .next()
            .context("a loading thread has stopped; the message above says why")?;
        let gradients = compute(&replicas, batch, trainer.optimiser())?;
        trainer.update(&gradients)?;
        if trainer.since_validation() >= run.validation_interval || trainer.is_done() {
            trainer.validate()?;
            if trainer.has_stalled() {
                break;
            }
        }
    }
    trainer.finish(interrupted)?;
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
