//! Real-time priority for the thread that calls a stream back.
//!
//! Some hosts, PulseAudio's among them, call back from an ordinary thread. On a busy machine it gets
//! its turn late, and then sound is lost however quick the worker is. Asking for the priority may
//! block, so the callback only says which thread it is, and another thread does the rest. It asks
//! again and again, because a thread that once ran too long has lost the priority: PulseAudio's
//! does when a stream is closed. So does the worker when the machine is overloaded.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread::{self, Thread};
use std::time::Duration;

use super::realtime;

/// No callback yet.
const UNKNOWN: i32 = 0;
/// No more callbacks.
const GONE: i32 = -1;
/// How long a lost priority may be missed.
const RENEW_EVERY: Duration = Duration::from_secs(2);

thread_local! {
    static KEPT: RefCell<Option<CallbackThread>> = const { RefCell::new(None) };
}

/// Gives the calling thread real-time priority, and again whenever it has lost it, for as long as it lives.
///
/// # Errors
/// As [`realtime::promote_current_thread`].
pub fn keep_current_thread_promoted() -> anyhow::Result<()> {
    realtime::promote_current_thread()?;
    let mut thread = CallbackThread::new()?;
    thread.promote();
    KEPT.set(Some(thread));
    Ok(())
}

/// Held by a callback, which calls [`CallbackThread::promote`].
pub struct CallbackThread {
    id: Arc<AtomicI32>,
    asker: Thread,
    known: bool,
}

impl CallbackThread {
    /// Starts the thread that will ask.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn new() -> io::Result<Self> {
        let id = Arc::new(AtomicI32::new(UNKNOWN));
        let told = Arc::clone(&id);
        let asker = thread::Builder::new()
            .name("promotion".into())
            .spawn(move || {
                loop {
                    match told.load(Relaxed) {
                        UNKNOWN => thread::park(),
                        GONE => return,
                        id => {
                            if let Err(error) = realtime::promote(id) {
                                // The worker has been refused, too, and has warned of it.
                                log::debug!("no real-time priority for callbacks: {error:#}");
                                return;
                            }
                            thread::park_timeout(RENEW_EVERY);
                        }
                    }
                }
            })?;
        Ok(Self {
            id,
            asker: asker.thread().clone(),
            known: false,
        })
    }

    /// To be called first in every callback: the first time it gets the calling thread promoted.
    /// Neither blocks nor allocates.
    pub fn promote(&mut self) {
        if !self.known {
            self.known = true;
            self.tell(realtime::current_thread());
        }
    }

    fn tell(&self, id: i32) {
        self.id.store(id, Relaxed);
        self.asker.unpark();
    }
}

impl Drop for CallbackThread {
    fn drop(&mut self) {
        self.tell(GONE);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_calling_thread_gets_what_the_system_grants_and_gets_it_again() {
        let granted = thread::spawn(|| realtime::promote_current_thread().is_ok());
        if !granted.join().unwrap() {
            // Nothing can be seen where it is refused.
            return;
        }
        let callback = thread::spawn(move || {
            let mut thread = CallbackThread::new().unwrap();
            for _ in 0..2 {
                let start = Instant::now();
                while realtime::policy(0).unwrap() == libc::SCHED_OTHER {
                    thread.promote();
                    assert!(start.elapsed() < Duration::from_secs(10));
                    thread::sleep(Duration::from_millis(5));
                }
                realtime::demote_current_thread();
            }
        });
        callback.join().unwrap();
    }
}
