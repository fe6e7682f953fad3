//! The queues between the audio callbacks and the worker.
//!
//! Samples travel in blocks from a preallocated pool: the producer takes an empty block, fills it
//! and sends it through a bounded channel, the consumer reads it and sends it back. When a queue
//! is full the producer takes the oldest block back and counts what was in it.
//!
//! The callbacks' ends, [`CaptureSide`] and [`PlaybackSide`], never block, lock, allocate or log:
//! they use `try_` operations alone, and the worker waits for captured audio by parking, since a
//! thread that waits inside a channel would make the sender take a lock.

mod capture;
mod playback;
mod pool;
mod state;

pub use capture::{CaptureDrain, CaptureSide, capture_queue};
pub use playback::{PlaybackFeed, PlaybackSide, playback_queue};
pub use state::QueueState;
