//! Holds a source at a short latency for a recording stream that has room for bursts.
//!
//! cpal asks for one number of frames, which PulseAudio takes as the latency of the source and as
//! the most that it keeps for the stream. A source that is late by one period then hands over two
//! at once, and the server throws one away. So the stream itself asks for several periods, and a
//! second, paused stream asks for the latency: a source runs at the shortest that any of its
//! streams wants.

use std::time::Duration;

use super::Connection;
use crate::pipeline::DeviceError;

/// Lasts until it is dropped.
pub struct LatencyHold(#[expect(dead_code, reason = "the stream ends with it")] Connection);

impl LatencyHold {
    /// Makes the source of this name hand over its samples every `period`.
    ///
    /// # Errors
    /// When the server does not answer or there is no such source.
    pub fn start(source: &str, period: Duration) -> Result<Self, DeviceError> {
        let mut connection = Connection::open()?;
        connection.record_paused(source, period)?;
        Ok(Self(connection))
    }
}
