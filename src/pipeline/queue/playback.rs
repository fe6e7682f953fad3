//! From the worker to a playback callback.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::super::declick::Declick;
use super::pool::{Block, Consumer, Producer, queue};
use super::state::QueueState;

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
    /// The counters of this queue.
    pub fn state(&self) -> &Arc<QueueState> {
        &self.consumer.state
    }

    /// Fills the device's buffer: interleaved frames of `channels` samples. What is missing is
    /// waited for, if the queue [has patience](QueueState::patience); what is still missing is
    /// silence, faded out and in.
    pub fn pull(&mut self, interleaved: &mut [f32], channels: usize) {
        let channels = channels.max(1);
        let patience = self.consumer.state.patience();
        let deadline = (!patience.is_zero()).then(|| Instant::now() + patience);
        self.catch_up(channels);
        let mut rest = interleaved;
        while !rest.is_empty() {
            if !self.waiting && !self.have_block(channels, deadline) {
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
            while excess > 0 && self.have_block(channels, None) {
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

    /// Whether there is a block with samples left, after fetching the next one if need be, which may come until
    /// `deadline`.
    fn have_block(&mut self, channels: usize, deadline: Option<Instant>) -> bool {
        loop {
            if let Some(block) = self.block.take_if(|block| self.position >= block.filled) {
                self.consumer.give_back(block);
            }
            if self.block.is_some() {
                return true;
            }
            let ready = self.consumer.pop();
            let late = || deadline.and_then(|deadline| self.consumer.pop_until(deadline));
            let Some((block, gap)) = ready.or_else(late) else {
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

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::super::super::testing::sine;
    use super::*;

    fn pull(side: &mut PlaybackSide, frames: usize, channels: usize) -> Vec<f32> {
        let mut buffer = vec![9.0; frames * channels];
        side.pull(&mut buffer, channels);
        buffer
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
    fn late_samples_are_waited_for_as_long_as_patience_lasts() {
        let (mut feed, mut side) = playback_queue();
        feed.state().set_bounds(480, 4000);
        let tone = sine(300.0, 48_000.0, 4800);
        feed.push(&tone[..480], 1);
        pull(&mut side, 480, 1);

        feed.state().set_patience(Duration::from_secs(60));
        let pulling = thread::spawn(move || (pull(&mut side, 480, 1), side));
        thread::sleep(Duration::from_millis(20));
        feed.push(&tone[480..960], 1);
        let (played, mut side) = pulling.join().unwrap();
        assert_eq!(played, tone[480..960]);
        assert_eq!(feed.state().underruns(), 0);

        feed.state().set_patience(Duration::from_millis(1));
        pull(&mut side, 480, 1);
        assert_eq!(feed.state().underruns(), 1);
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
