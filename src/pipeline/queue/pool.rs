//! The blocks that carry samples, and the two ends that pass them on.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::state::QueueState;

/// Interleaved samples per block.
const BLOCK_SAMPLES: usize = 1024;
/// Blocks per queue: 1 MiB, enough for 640 ms of callbacks of 2.5 ms.
const BLOCKS: usize = 256;

/// A piece of interleaved audio, whole frames.
pub(super) struct Block {
    pub(super) samples: Box<[f32]>,
    pub(super) filled: usize,
    pub(super) channels: usize,
    /// Number of the block in its queue: a step of more than one is a gap.
    sequence: u64,
}

pub(super) fn queue() -> (Producer, Consumer) {
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

pub(super) struct Producer {
    free: Receiver<Block>,
    give: Sender<Block>,
    send: Sender<Block>,
    oldest: Receiver<Block>,
    sequence: u64,
    pub(super) state: Arc<QueueState>,
}

impl Producer {
    pub(super) fn push(&mut self, interleaved: &[f32], channels: usize) {
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

    pub(super) fn drop_down_to(&mut self, samples: usize) {
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

pub(super) struct Consumer {
    receive: Receiver<Block>,
    give: Sender<Block>,
    /// Keeps the pool's channel open after the producer is gone: a block that cannot be given back
    /// would be freed, which a callback must not do.
    _pool: Receiver<Block>,
    expected: u64,
    pub(super) state: Arc<QueueState>,
}

impl Consumer {
    /// The next block and whether blocks before it are missing.
    pub(super) fn pop(&mut self) -> Option<(Block, bool)> {
        let block = self.receive.try_recv().ok()?;
        Some(self.in_sequence(block))
    }

    /// The same, even if it comes only before this time.
    pub(super) fn pop_until(&mut self, deadline: Instant) -> Option<(Block, bool)> {
        let block = self.receive.recv_deadline(deadline).ok()?;
        Some(self.in_sequence(block))
    }

    fn in_sequence(&mut self, block: Block) -> (Block, bool) {
        let gap = block.sequence != self.expected;
        self.expected = block.sequence + 1;
        (block, gap)
    }

    pub(super) fn give_back(&mut self, block: Block) {
        let _ = self.give.try_send(block);
    }
}
