//! What training has done since the last validation.

use std::time::Instant;

/// Sums since the last validation.
#[derive(Debug)]
pub struct Sums {
    pub since: Instant,
    pub updates: f64,
    pub loss: f64,
    pub sdr_db: f64,
    pub norm: f64,
    pub audio_seconds: f64,
}

impl Sums {
    /// Nothing yet.
    pub fn start() -> Self {
        Self {
            since: Instant::now(),
            updates: 0.0,
            loss: 0.0,
            sdr_db: 0.0,
            norm: 0.0,
            audio_seconds: 0.0,
        }
    }

    /// Seconds of audio per second.
    pub fn audio_rate(&self) -> f64 {
        self.audio_seconds / self.since.elapsed().as_secs_f64().max(1e-3)
    }
}
