//! What is in a queue, and what has become of it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What both ends of a queue and the supervisor know about it; counts since it was made.
/// Samples are interleaved ones.
#[derive(Debug)]
pub struct QueueState {
    pub(super) queued: AtomicUsize,
    pub(super) target: AtomicUsize,
    pub(super) ceiling: AtomicUsize,
    callbacks: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) underruns: AtomicU64,
    /// In ns.
    patience: AtomicU64,
    born: Instant,
    /// Time of the last callback, in ns since `born`.
    called_ns: AtomicU64,
}

impl QueueState {
    pub(super) fn new() -> Self {
        Self {
            queued: AtomicUsize::new(0),
            target: AtomicUsize::new(0),
            ceiling: AtomicUsize::new(usize::MAX),
            callbacks: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            underruns: AtomicU64::new(0),
            patience: AtomicU64::new(0),
            born: Instant::now(),
            called_ns: AtomicU64::new(0),
        }
    }

    /// Samples in the queue.
    pub fn queued_samples(&self) -> usize {
        self.queued.load(Relaxed)
    }

    /// Calls of the device: it has stalled when this stands still.
    pub fn callbacks(&self) -> u64 {
        self.callbacks.load(Relaxed)
    }

    /// Time since the device's last call.
    pub fn since_callback(&self) -> Duration {
        let called = Duration::from_nanos(self.called_ns.load(Relaxed));
        self.born.elapsed().saturating_sub(called)
    }

    /// Samples thrown away.
    pub fn dropped_samples(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// How often playback ran out of samples.
    pub fn underruns(&self) -> u64 {
        self.underruns.load(Relaxed)
    }

    /// Playback starts with `target` samples, also after an underrun. When more than `ceiling` are
    /// queued the oldest are dropped: by capture down to the ceiling, by playback to the target.
    pub fn set_bounds(&self, target_samples: usize, ceiling_samples: usize) {
        self.target.store(target_samples, Relaxed);
        self.ceiling.store(ceiling_samples, Relaxed);
    }

    /// How long a playback callback waits for samples that are late: no time at all, unless
    /// [`Self::set_patience`] says so.
    pub fn patience(&self) -> Duration {
        Duration::from_nanos(self.patience.load(Relaxed))
    }

    /// For callbacks that may block, since the device still has samples for a while when it asks for more.
    pub fn set_patience(&self, patience: Duration) {
        self.patience.store(patience.as_nanos() as u64, Relaxed);
    }

    pub(super) fn called(&self) {
        self.callbacks.fetch_add(1, Relaxed);
        let now = self.born.elapsed().as_nanos() as u64;
        self.called_ns.store(now, Relaxed);
    }
}
