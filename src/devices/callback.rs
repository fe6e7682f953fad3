//! What callbacks of streams that are not cpal's own are given: cpal's types.

use std::time::Instant;

use cpal::{
    Data, InputCallbackInfo, InputStreamTimestamp, OutputCallbackInfo, OutputStreamTimestamp,
    SampleFormat, StreamInstant,
};

/// The samples for a callback.
pub fn data(samples: &mut [f32]) -> Data {
    // SAFETY: pointer, length and format are those of the slice, which outlives the callback that borrows it.
    unsafe {
        Data::from_parts(
            samples.as_mut_ptr().cast(),
            samples.len(),
            SampleFormat::F32,
        )
    }
}

/// Servers tell of their latency only when asked, so timestamps are those of the callback.
pub fn recorded(start: Instant) -> InputCallbackInfo {
    let now = instant(start);
    InputCallbackInfo::new(InputStreamTimestamp {
        callback: now,
        capture: now,
    })
}

/// As [`recorded`].
pub fn played(start: Instant) -> OutputCallbackInfo {
    let now = instant(start);
    OutputCallbackInfo::new(OutputStreamTimestamp {
        callback: now,
        playback: now,
    })
}

/// Time since the `start` of a stream.
pub fn instant(start: Instant) -> StreamInstant {
    let elapsed = start.elapsed();
    StreamInstant::new(elapsed.as_secs(), elapsed.subsec_nanos())
}
