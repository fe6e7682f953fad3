//! Real-time priority for the thread that calls a stream back.
//!
//! Some hosts, PulseAudio's among them, call back from an ordinary thread. On a busy machine it gets
//! its turn late, and then sound is lost however quick the worker is. Asking for the priority may
//! block, so the callback only says which thread it is, and a thread that then ends does the rest.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread::{self, Thread};

use super::realtime;

/// No callback yet.
const UNKNOWN: i32 = 0;
/// There will be none.
const GONE: i32 = -1;

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
                let id = loop {
                    match told.load(Relaxed) {
                        UNKNOWN => thread::park(),
                        GONE => return,
                        id => break id,
                    }
                };
                if let Err(error) = realtime::promote(id) {
                    // The worker has been refused, too, and has warned of it.
                    log::debug!("no real-time priority for an audio callback: {error:#}");
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
        if !self.known {
            self.tell(GONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_calling_thread_gets_what_the_system_grants() {
        let granted = thread::spawn(|| realtime::promote_current_thread().is_ok());
        let granted = granted.join().unwrap();
        let callback = thread::spawn(move || {
            let mut thread = CallbackThread::new().unwrap();
            let start = Instant::now();
            while realtime::policy(0).unwrap() == libc::SCHED_OTHER {
                thread.promote();
                if !granted {
                    // Nothing else can be seen where it is refused.
                    return;
                }
                assert!(start.elapsed() < Duration::from_secs(10));
                thread::sleep(Duration::from_millis(5));
            }
        });
        callback.join().unwrap();
    }
}
