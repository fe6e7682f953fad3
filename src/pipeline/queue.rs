//! The queues between the audio callbacks and the worker.
//!
//! Samples travel in blocks from a preallocated pool: the producer takes an empty block, fills it
//! and sends it through a bounded channel, the consumer reads it and sends it back. When a queue
//! is full the producer takes the oldest block back and counts what was in it.
//!
//! The callbacks' ends, [`CaptureSide`] and [`PlaybackSide`], never block, lock, allocate or log:
//! they use `try_` operations alone, and the worker waits for captured audio by parking, since a
//! thread that waits inside a channel would make the sender take a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::declick::Declick;

/// Interleaved samples per block.
const BLOCK_SAMPLES: usize = 1024;
/// Blocks per queue: 1 MiB, enough for 640 ms of callbacks of 2.5 ms.
const BLOCKS: usize = 256;

/// A piece of interleaved audio, whole frames.
struct Block {
    samples: Box<[f32]>,
    filled: usize,
    channels: usize,
    /// Number of the block in its queue: a step of more than one is a gap.
    sequence: u64,
}

/// What both ends of a queue and the supervisor know about it; counts since it was made.
/// Samples are interleaved ones.
#[derive(Debug)]
pub struct QueueState {
    queued: AtomicUsize,
    target: AtomicUsize,
    ceiling: AtomicUsize,
    callbacks: AtomicU64,
    dropped: AtomicU64,
    underruns: AtomicU64,
    born: Instant,
    /// Time of the last callback, in ns since `born`.
    called_ns: AtomicU64,
}

impl QueueState {
    fn new() -> Self {
        Self {
            queued: AtomicUsize::new(0),
            target: AtomicUsize::new(0),
            ceiling: AtomicUsize::new(usize::MAX),
            callbacks: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            underruns: AtomicU64::new(0),
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

    fn called(&self) {
        self.callbacks.fetch_add(1, Relaxed);
        let now = self.born.elapsed().as_nanos() as u64;
        self.called_ns.store(now, Relaxed);
    }
}

/// A queue from a capture callback to the worker, which it wakes.
pub fn capture_queue(worker: Thread) -> (CaptureSide, CaptureDrain) {
    let (producer, consumer) = queue();
    let drain = CaptureDrain { consumer };
    (CaptureSide { producer, worker }, drain)
}

/// A queue from the worker to a playback callback.
pub fn playback_queue() -> (PlaybackFeed, PlaybackSide) {
    let (producer, consumer) = queue();
    let side = PlaybackSide {
        consumer,
        block: None,
        position: 0,
        waiting: true,
        has_played: false,
        declick: Declick::default(),
    };
    (PlaybackFeed { producer }, side)
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

/// The worker's end of a playback queue.
pub struct PlaybackFeed {
    producer: Producer,
}

impl PlaybackFeed {
    /// Queues interleaved frames of `channels` samples.
    pub fn push(&mut self, interleaved: &[f32], channels: usize) {
        self.producer.push(interleaved, channels);
    }

    /// The counters of this queue.
    pub fn state(&self) -> &Arc<QueueState> {
        &self.producer.state
    }
}

/// The playback callback's end.
pub struct PlaybackSide {
    consumer: Consumer,
    block: Option<Block>,
    position: usize,
    /// Silent until enough samples have gathered.
    waiting: bool,
    /// What had gathered before the device began to play is not lost.
    has_played: bool,
    declick: Declick,
}

impl PlaybackSide {
    /// Fills the device's buffer: interleaved frames of `channels` samples. What is missing is
    /// silence, faded out and in.
    pub fn pull(&mut self, interleaved: &mut [f32], channels: usize) {
        let channels = channels.max(1);
        self.catch_up(channels);
        let mut rest = interleaved;
        while !rest.is_empty() {
            if !self.waiting && !self.have_block(channels) {
                self.waiting = true;
                self.consumer.state.underruns.fetch_add(1, Relaxed);
                self.declick.start();
            }
            let now = match &self.block {
                Some(block) if !self.waiting => {
                    let source = &block.samples[self.position..block.filled];
                    let count = source.len().min(rest.len());
                    rest[..count].copy_from_slice(&source[..count]);
                    self.advance(count);
                    count
                }
                _ => {
                    rest.fill(0.0);
                    rest.len()
                }
            };
            self.declick.process(&mut rest[..now], channels);
            rest = &mut rest[now..];
        }
        self.consumer.state.called();
    }

    /// Starts when enough has gathered, with exactly the target; drops down to it when far more has.
    fn catch_up(&mut self, channels: usize) {
        let target = self.consumer.state.target.load(Relaxed).max(1);
        let ceiling = self.consumer.state.ceiling.load(Relaxed);
        let queued = self.consumer.state.queued_samples();
        let start = self.waiting && queued >= target;
        if start || queued > ceiling {
            self.waiting &= !start;
            self.declick.start();
            let mut excess = queued.saturating_sub(target) / channels * channels;
            while excess > 0 && self.have_block(channels) {
                let left = self
                    .block
                    .as_ref()
                    .map_or(0, |block| block.filled - self.position);
                let count = left.min(excess);
                self.advance(count);
                excess -= count;
                if self.has_played {
                    self.consumer.state.dropped.fetch_add(count as u64, Relaxed);
                }
            }
            self.has_played = true;
        }
    }

    fn advance(&mut self, samples: usize) {
        self.position += samples;
        self.consumer.state.queued.fetch_sub(samples, Relaxed);
    }

    /// Whether there is a block with samples left, after fetching the next one if need be.
    fn have_block(&mut self, channels: usize) -> bool {
        loop {
            if let Some(block) = self.block.take_if(|block| self.position >= block.filled) {
                self.consumer.give_back(block);
            }
            if self.block.is_some() {
                return true;
            }
            let Some((block, gap)) = self.consumer.pop() else {
                return false;
            };
            if gap {
                self.declick.start();
            }
            let (filled, fits) = (block.filled, block.channels == channels);
            self.position = 0;
            self.block = Some(block);
            if !fits {
                // Read with the wrong number of channels it would be noise.
                self.advance(filled);
            }
        }
    }
}

fn queue() -> (Producer, Consumer) {
    let (give, free) = bounded(BLOCKS);
    let (send, receive) = bounded(BLOCKS);
    for _ in 0..BLOCKS {
        let block = Block {
            samples: vec![0.0; BLOCK_SAMPLES].into_boxed_slice(),
            filled: 0,
            channels: 1,
            sequence: 0,
        };
        give.try_send(block)
            .unwrap_or_else(|_| unreachable!("the channel holds all blocks"));
    }
    let state = Arc::new(QueueState::new());
    let producer = Producer {
        free: free.clone(),
        give: give.clone(),
        send,
        oldest: receive.clone(),
        sequence: 0,
        state: Arc::clone(&state),
    };
    let consumer = Consumer {
        receive,
        give,
        _pool: free,
        expected: 0,
        state,
    };
    (producer, consumer)
}

struct Producer {
    free: Receiver<Block>,
    give: Sender<Block>,
    send: Sender<Block>,
    oldest: Receiver<Block>,
    sequence: u64,
    state: Arc<QueueState>,
}

impl Producer {
    fn push(&mut self, interleaved: &[f32], channels: usize) {
        let channels = channels.clamp(1, BLOCK_SAMPLES);
        for frames in interleaved.chunks(BLOCK_SAMPLES / channels * channels) {
            let Some(mut block) = self.free.try_recv().ok().or_else(|| self.take_oldest()) else {
                // The consumer holds every block there is: only this one can go.
                self.sequence += 1;
                self.state.dropped.fetch_add(frames.len() as u64, Relaxed);
                continue;
            };
            block.samples[..frames.len()].copy_from_slice(frames);
            block.filled = frames.len();
            block.channels = channels;
            block.sequence = self.sequence;
            self.sequence += 1;
            self.state.queued.fetch_add(frames.len(), Relaxed);
            // Neither full, there are only as many blocks, nor closed, this end holds a receiver.
            let _ = self.send.try_send(block);
        }
    }

    fn drop_down_to(&mut self, samples: usize) {
        while self.state.queued.load(Relaxed) > samples
            && let Some(block) = self.take_oldest()
        {
            let _ = self.give.try_send(block);
        }
    }

    fn take_oldest(&mut self) -> Option<Block> {
        let block = self.oldest.try_recv().ok()?;
        self.state.queued.fetch_sub(block.filled, Relaxed);
        self.state.dropped.fetch_add(block.filled as u64, Relaxed);
        Some(block)
    }
}

struct Consumer {
    receive: Receiver<Block>,
    give: Sender<Block>,
    /// Keeps the pool's channel open after the producer is gone: a block that cannot be given back
    /// would be freed, which a callback must not do.
    _pool: Receiver<Block>,
    expected: u64,
    state: Arc<QueueState>,
}

impl Consumer {
    /// The next block and whether blocks before it are missing.
    fn pop(&mut self) -> Option<(Block, bool)> {
        let block = self.receive.try_recv().ok()?;
        let gap = block.sequence != self.expected;
        self.expected = block.sequence + 1;
        Some((block, gap))
    }

    fn give_back(&mut self, block: Block) {
        let _ = self.give.try_send(block);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sine;
    use super::*;

    fn pull(side: &mut PlaybackSide, frames: usize, channels: usize) -> Vec<f32> {
        let mut buffer = vec![9.0; frames * channels];
        side.pull(&mut buffer, channels);
        buffer
    }

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

    #[test]
    fn playback_starts_with_its_target_and_fades_around_underruns() {
        let (mut feed, mut side) = playback_queue();
        feed.state().set_bounds(960, 4000);
        let tone = sine(300.0, 48_000.0, 48_000);
        assert_eq!(pull(&mut side, 480, 1), [0.0; 480]);
        assert_eq!(
            feed.state().underruns(),
            0,
            "not started is not an underrun"
        );
        feed.push(&tone[..1200], 1);
        let mut played = pull(&mut side, 480, 1);
        // The surplus over the target went before the start.
        assert_eq!(feed.state().queued_samples(), 480);
        assert_eq!(feed.state().dropped_samples(), 0, "nobody missed it");
        assert_eq!(played[400..480], tone[640..720]);
        for _ in 0..4 {
            played.extend(pull(&mut side, 480, 1));
        }
        assert_eq!(feed.state().underruns(), 1);
        feed.push(&tone[20_000..21_000], 1);
        played.extend(pull(&mut side, 480, 1));
        let steps = played.windows(2).map(|x| (x[1] - x[0]).abs());
        let largest = steps.fold(0.0, f32::max);
        assert!(largest < 0.03, "the tone itself has 0.02, a jump {largest}");
        assert_ne!(played[played.len() - 1], 0.0);
    }

    #[test]
    fn playback_far_behind_returns_to_its_target() {
        let (mut feed, mut side) = playback_queue();
        feed.state().set_bounds(2 * 960, 2 * 2000);
        let tone: Vec<f32> = sine(300.0, 48_000.0, 48_000)
            .into_iter()
            .flat_map(|x| [x, -x])
            .collect();
        feed.push(&tone[..2000], 2);
        pull(&mut side, 480, 2);
        feed.push(&tone[2000..12_000], 2);
        let played = pull(&mut side, 480, 2);
        assert_eq!(feed.state().queued_samples(), 2 * 480);
        assert!(feed.state().dropped_samples() > 8000);
        assert!(played.chunks_exact(2).all(|frame| frame[0] == -frame[1]));
    }
}
