//! Tells how long the cycles of a stream are, and when the graph has skipped some or made them far longer.

use cpal::{ErrorKind, FrameCount};
use crossbeam_channel::Sender;

use super::super::pulse::Shape;

/// Cycles so many times as long as those that the queues are made for chop the sound.
const FAR_LONGER: u64 = 2;

/// See the module.
pub struct Clock {
    channels: usize,
    rate_hz: u64,
    first: Option<Sender<FrameCount>>,
    longest_frames: u64,
    /// Position at which the next cycle begins.
    due: Option<u64>,
}

impl Clock {
    /// Before the first cycle, whose length `first` will be told.
    pub fn new(shape: &Shape, first: Sender<FrameCount>) -> Self {
        Self {
            channels: usize::from(shape.channels.num_channels()),
            rate_hz: shape.rate_hz.into(),
            first: Some(first),
            longest_frames: FAR_LONGER * u64::from(shape.period_frames),
            due: None,
        }
    }

    /// Takes a cycle of so many samples, which begins at a `position` of the graph, whose rate may be another. `Xrun`
    /// where that is later than the end of the cycle before; `StreamInvalidated`, once, where cycles are far longer
    /// now than the first one and the period asked for.
    pub fn fault(
        &mut self,
        position: u64,
        graph_rate_hz: u32,
        samples: usize,
    ) -> Option<ErrorKind> {
        let frames = (samples / self.channels) as u64;
        if let Some(first) = self.first.take() {
            let _ = first.try_send(frames as FrameCount);
            self.longest_frames = self.longest_frames.max(FAR_LONGER * frames);
        }
        let length = frames * u64::from(graph_rate_hz) / self.rate_hz;
        let due = self.due.replace(position + length);
        if frames > self.longest_frames {
            self.longest_frames = u64::MAX;
            return Some(ErrorKind::StreamInvalidated);
        }
        let skipped = due.is_some_and(|due| position > due + length / 2);
        skipped.then_some(ErrorKind::Xrun)
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use pulseaudio::protocol::ChannelMap;

    use super::*;

    fn shape() -> Shape {
        Shape {
            rate_hz: 48_000,
            channels: ChannelMap::stereo(),
            period_frames: 480,
        }
    }

    #[test]
    fn a_clock_tells_the_length_of_cycles_and_which_were_skipped() {
        let (tell_first, first) = bounded(1);
        let mut clock = Clock::new(&shape(), tell_first);
        // A graph at 96 kHz: each frame of the stream lasts two of its own, give or take one that a resampler held.
        let cycles = [
            (1000, 256),
            (1512, 256),
            (2024, 255),
            (2536, 257),
            (3562, 256),
        ];
        let faults = cycles.map(|(position, frames)| clock.fault(position, 96_000, 2 * frames));
        assert_eq!(faults, [None, None, None, None, Some(ErrorKind::Xrun)]);
        assert_eq!(first.try_recv(), Ok(256));
    }

    #[test]
    fn cycles_that_have_become_far_longer_are_told_of_once() {
        let (tell_first, _first) = bounded(1);
        let mut clock = Clock::new(&shape(), tell_first);
        let cycles = [(0, 256), (256, 960), (1216, 2048), (3264, 2048)];
        let faults = cycles.map(|(position, frames)| clock.fault(position, 48_000, 2 * frames));
        let invalidated = Some(ErrorKind::StreamInvalidated);
        assert_eq!(faults, [None, None, invalidated, None]);
    }
}
