//! Tells how long the cycles of a stream are, and when the graph has skipped some.

use cpal::FrameCount;
use crossbeam_channel::Sender;

use super::super::pulse::Shape;

/// See the module.
pub struct Clock {
    channels: usize,
    rate_hz: u64,
    first: Option<Sender<FrameCount>>,
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
            due: None,
        }
    }

    /// Takes a cycle of so many samples, which begins at a `position` of the graph, whose rate may be another;
    /// whether that is later than the end of the cycle before.
    pub fn skipped(&mut self, position: u64, graph_rate_hz: u32, samples: usize) -> bool {
        let frames = (samples / self.channels) as u64;
        if let Some(first) = self.first.take() {
            let _ = first.try_send(frames as FrameCount);
        }
        let length = frames * u64::from(graph_rate_hz) / self.rate_hz;
        let due = self.due.replace(position + length);
        due.is_some_and(|due| position > due + length / 2)
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use pulseaudio::protocol::ChannelMap;

    use super::*;

    #[test]
    fn a_clock_tells_the_length_of_cycles_and_which_were_skipped() {
        let shape = Shape {
            rate_hz: 48_000,
            channels: ChannelMap::stereo(),
            period_frames: 480,
        };
        let (tell_first, first) = bounded(1);
        let mut clock = Clock::new(&shape, tell_first);
        // A graph at 96 kHz: each frame of the stream lasts two of its own, give or take one that a resampler held.
        let cycles = [
            (1000, 256),
            (1512, 256),
            (2024, 255),
            (2536, 257),
            (3562, 256),
        ];
        let skipped = cycles.map(|(position, frames)| clock.skipped(position, 96_000, 2 * frames));
        assert_eq!(skipped, [false, false, false, false, true]);
        assert_eq!(first.try_recv(), Ok(256));
    }
}
