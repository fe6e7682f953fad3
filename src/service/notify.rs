//! What systemd is told: ready, stopping, a line of status, and that the worker makes progress.
//! Without systemd nothing happens.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::pipeline::{Snapshot, State};

/// Tells the service manager; remembers the worker's progress for its watchdog.
pub struct Notifier {
    /// How often the watchdog wants to hear of progress; `None`: no watchdog.
    every: Option<Duration>,
    fed: Instant,
    progress: Progress,
    said: String,
}

impl Notifier {
    /// Reads from the environment what the service manager expects.
    pub fn new() -> Notifier {
        Notifier {
            // Half of the limit, as sd_watchdog_enabled(3) recommends.
            every: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            fed: Instant::now(),
            progress: Progress::default(),
            said: String::new(),
        }
    }

    /// Longest time between two calls of [`Notifier::watch`].
    pub fn every(&self) -> Option<Duration> {
        self.every.map(|every| every / 2)
    }

    /// The daemon serves.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// The daemon finishes its recordings and ends.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// Feeds the watchdog if the worker has moved, and says what changed.
    pub fn watch(&mut self, now: &Snapshot) {
        let moved = self.progress.seen(now);
        if self.every.is_some_and(|every| self.fed.elapsed() >= every) && moved {
            self.fed = Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
        let text = format!("{}, {}", now.state, now.mode);
        if text != self.said {
            tell(&[NotifyState::Status(&text)]);
            self.said = text;
        }
    }
}

/// Whether the worker moves when it should.
#[derive(Default)]
struct Progress {
    frames: u64,
}

impl Progress {
    /// Without audio there is nothing to do: only a running pipeline has to count frames.
    fn seen(&mut self, now: &Snapshot) -> bool {
        let moved = now.frames != self.frames;
        self.frames = now.frames;
        moved || now.state != State::Running
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd cannot be told: {error}");
    }
}
