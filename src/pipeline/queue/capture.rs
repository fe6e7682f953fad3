//! From a capture callback to the worker.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::Thread;

use super::pool::{Consumer, Producer, queue};
use super::state::QueueState;

/// A queue from a capture callback to the worker, which it wakes.
pub fn capture_queue(worker: Thread) -> (CaptureSide, CaptureDrain) {
    let (producer, consumer) = queue();
    let drain = CaptureDrain { consumer };
    (CaptureSide { producer, worker }, drain)
}

/// The capture callback's end.
pub struct CaptureSide {
    producer: Producer,
    worker: Thread,
}

impl CaptureSide {
    /// Hands over what the device delivered: interleaved frames of `channels` samples.
    pub fn push(&mut self, interleaved: &[f32], channels: usize) {
        self.producer.push(interleaved, channels);
        let ceiling = self.producer.state.ceiling.load(Relaxed);
        self.producer.drop_down_to(ceiling);
        self.producer.state.called();
        self.worker.unpark();
    }
}

/// The worker's end of a capture queue.
pub struct CaptureDrain {
    consumer: Consumer,
}

impl CaptureDrain {
    /// Gives the next block to `read`, if there is one: interleaved samples, channels, and whether
    /// samples are missing before them.
    pub fn pop(&mut self, read: impl FnOnce(&[f32], usize, bool)) -> bool {
        let Some((block, gap)) = self.consumer.pop() else {
            return false;
        };
        read(&block.samples[..block.filled], block.channels, gap);
        self.consumer.state.queued.fetch_sub(block.filled, Relaxed);
        self.consumer.give_back(block);
        true
    }

    /// The counters of this queue.
    pub fn state(&self) -> &Arc<QueueState> {
        &self.consumer.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_capture_queue_drops_the_oldest_and_counts_it() {
        let (mut side, mut drain) = capture_queue(std::thread::current());
        drain.state().set_bounds(0, 1000);
        for n in 0..20 {
            side.push(&[n as f32; 100], 1);
        }
        assert_eq!(drain.state().queued_samples(), 1000);
        assert_eq!(drain.state().dropped_samples(), 1000);
        let mut values = Vec::new();
        while drain.pop(|samples, _, gap| values.push((samples[0], gap))) {}
        assert_eq!(values[0], (10.0, true));
        assert!(values[1..].iter().all(|&(_, gap)| !gap));
        assert_eq!(values.len(), 10);
    }

    #[test]
    fn nobody_reading_for_an_hour_is_survived() {
        let (mut side, mut drain) = capture_queue(std::thread::current());
        for n in 0..360_000 {
            side.push(&[n as f32; 480 * 2], 2);
        }
        let mut last = 0.0;
        while drain.pop(|samples, _, _| last = samples[0]) {}
        assert_eq!(last, 359_999.0);
        assert_eq!(drain.state().queued_samples(), 0);
    }

    #[test]
    fn frames_of_many_channels_stay_whole() {
        let (mut side, mut drain) = capture_queue(std::thread::current());
        let frames: Vec<f32> = (0..6 * 1000).map(|n| (n % 6) as f32).collect();
        side.push(&frames, 6);
        while drain.pop(|samples, channels, _| {
            assert_eq!((samples.len() % channels, samples[0]), (0, 0.0));
        }) {}
    }
}
