//! Limits for calls that wait for an audio server, which may hang.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What `call` returns, if it does so within `limit`. Otherwise it goes on by itself, and what it
/// returns then is dropped.
pub fn within<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (send, receive) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("device".into())
        .spawn(move || send.send(call()))
        .ok()?;
    receive.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_quick_only() {
        assert_eq!(within(Duration::from_secs(10), || 1), Some(1));
        let (_keep, never) = mpsc::channel::<()>();
        assert!(within(Duration::from_millis(1), move || never.recv()).is_none());
    }
}
