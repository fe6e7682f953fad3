//! Worker threads that share a list of files.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::Result;

use crate::model::denormals::flush_denormals;

/// Hands the tasks to `jobs` threads (one per core if not given) and their outcomes, as they come,
/// to `done`. Each thread makes its own tools first, because tensors stay on their thread, and
/// takes no further task once `stop` is set.
///
/// A thread lives until the last task: libtorch keeps memory for every thread that used it.
///
/// # Errors
/// Those of `prepare`.
pub fn for_each<Task: Sync, Tools, Outcome: Send>(
    tasks: &[Task],
    jobs: Option<NonZeroUsize>,
    stop: &AtomicBool,
    prepare: impl Fn() -> Result<Tools> + Sync,
    work: impl Fn(&mut Tools, &Task) -> Outcome + Sync,
    mut done: impl FnMut(Outcome),
) -> Result<()> {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = jobs.map_or_else(cores, NonZeroUsize::get).min(tasks.len());
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    let run = |sender: Sender<Outcome>| -> Result<()> {
        tch::set_num_threads(1);
        flush_denormals();
        let mut tools = prepare()?;
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The receiver outlives the workers.
            let _ = sender.send(work(&mut tools, task));
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let start = |_| {
            let sender = sender.clone();
            let run = &run;
            scope.spawn(move || run(sender))
        };
        let workers: Vec<_> = (0..jobs).map(start).collect();
        drop(sender);
        outcomes.iter().for_each(&mut done);
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("workers do not panic"))
    })
}
