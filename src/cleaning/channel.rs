//! One channel's way: file rate → 48 kHz → model → file rate, with every delay taken out.

use std::collections::VecDeque;

use anyhow::Result;

use crate::SAMPLE_RATE_HZ;
use crate::audio::resample::StreamResampler;
use crate::model::Stream;

/// What cleans frames of 48 kHz audio; the model, or in tests something whose output is known.
pub trait FrameProcessor {
    /// Samples per frame.
    fn frame_samples(&self) -> usize;
    /// How much later than the input the output is.
    fn delay_samples(&self) -> usize;
    /// Cleans whole frames; both slices have the same length.
    fn process(&mut self, input: &[f32], output: &mut [f32]);
}

impl FrameProcessor for Stream {
    fn frame_samples(&self) -> usize {
        Stream::frame_samples(self)
    }

    fn delay_samples(&self) -> usize {
        Stream::delay_samples(self)
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        Stream::process(self, input, output);
    }
}

/// Float files may be at the scale of 16-bit integers. What is louder is damaged, and would stay in the network's
/// memory for long.
const LOUDEST: f32 = 65_536.0;

/// Cleans one channel chunk by chunk. All outputs together are as long as all inputs together and
/// aligned with them to the sample.
pub struct ChannelCleaner<P> {
    processor: P,
    to_model: StreamResampler,
    from_model: StreamResampler,
    /// 48 kHz input that does not fill a frame yet.
    noisy: Vec<f32>,
    /// Scratch: 48 kHz output.
    clean: Vec<f32>,
    /// 48 kHz output still to drop: the processor's delay.
    to_skip: usize,
    /// Share of the input in the output, and the input that waits for its output.
    dry_share: f32,
    dry: VecDeque<f32>,
    /// Input samples whose output is not out yet.
    owed: usize,
    /// The same at 48 kHz, between the resamplers.
    owed_48k: usize,
}

impl<P: FrameProcessor> ChannelCleaner<P> {
    /// Prepares for a channel at `rate_hz`; `dry_share` of the input stays in the output.
    ///
    /// # Errors
    /// A rate of zero.
    pub fn new(processor: P, rate_hz: u32, dry_share: f32) -> Result<Self> {
        Ok(ChannelCleaner {
            to_skip: processor.delay_samples(),
            processor,
            to_model: StreamResampler::new(rate_hz, SAMPLE_RATE_HZ)?,
            from_model: StreamResampler::new(SAMPLE_RATE_HZ, rate_hz)?,
            noisy: Vec::new(),
            clean: Vec::new(),
            dry_share,
            dry: VecDeque::new(),
            owed: 0,
            owed_48k: 0,
        })
    }

    /// Takes the next input and appends the output that it completes.
    ///
    /// # Errors
    /// As [`StreamResampler::process`].
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) -> Result<()> {
        let start = output.len();
        self.owed += input.len();
        if self.dry_share > 0.0 {
            self.dry.extend(input);
        }
        let waiting = self.noisy.len();
        self.to_model.process(input, &mut self.noisy)?;
        self.owed_48k += self.noisy.len() - waiting;
        self.run_model();
        self.from_model.process(&self.clean, output)?;
        self.release(start, output);
        Ok(())
    }

    /// Appends the rest of the output; the channel ends here.
    ///
    /// # Errors
    /// As [`StreamResampler::process`].
    pub fn finish(mut self, output: &mut Vec<f32>) -> Result<()> {
        let start = output.len();
        let waiting = self.noisy.len();
        self.to_model.finish(&mut self.noisy)?;
        self.owed_48k += self.noisy.len() - waiting;
        let owed_48k = self.owed_48k;
        let padded = self.noisy.len() + self.processor.delay_samples();
        self.noisy
            .resize(padded.next_multiple_of(self.processor.frame_samples()), 0.0);
        self.run_model();
        self.clean.truncate(owed_48k);
        self.from_model.process(&self.clean, output)?;
        self.from_model.finish(output)?;
        // Rounding up at both rate changes can leave a sample too many.
        output.truncate(start + self.owed);
        self.release(start, output);
        Ok(())
    }

    /// Turns the whole frames of `noisy` into `clean`, without the delay.
    fn run_model(&mut self) {
        let frame = self.processor.frame_samples();
        let whole = self.noisy.len() / frame * frame;
        self.clean.clear();
        self.clean.resize(whole, 0.0);
        for sample in &mut self.noisy[..whole] {
            *sample = sample.clamp(-LOUDEST, LOUDEST);
        }
        self.processor
            .process(&self.noisy[..whole], &mut self.clean);
        self.noisy.drain(..whole);
        let skipped = self.to_skip.min(whole);
        self.clean.drain(..skipped);
        self.to_skip -= skipped;
        self.owed_48k = self.owed_48k.saturating_sub(self.clean.len());
    }

    /// Mixes the input into the output from `start` on, and counts it as delivered.
    fn release(&mut self, start: usize, output: &mut [f32]) {
        let output = &mut output[start..];
        self.owed -= output.len();
        if self.dry_share > 0.0 {
            let dry = self.dry.drain(..output.len());
            for (wet, dry) in output.iter_mut().zip(dry) {
                *wet = self.dry_share * dry + (1.0 - self.dry_share) * *wet;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_sample_reaches_no_memory() {
        let mut cleaner = ChannelCleaner::new(Delay::new(), SAMPLE_RATE_HZ, 0.0).unwrap();
        let mut output = Vec::new();
        let mut input = vec![0.25; 4800];
        input[1000] = 1e25;
        cleaner.process(&input, &mut output).unwrap();
        cleaner.finish(&mut output).unwrap();
        input[1000] = LOUDEST;
        assert_eq!(output, input);
    }

    /// Gives back what it gets, late.
    struct Delay(VecDeque<f32>);

    impl Delay {
        const SAMPLES: usize = 480;

        fn new() -> Delay {
            Delay(VecDeque::from(vec![0.0; Self::SAMPLES]))
        }
    }

    impl FrameProcessor for Delay {
        fn frame_samples(&self) -> usize {
            480
        }

        fn delay_samples(&self) -> usize {
            Self::SAMPLES
        }

        fn process(&mut self, input: &[f32], output: &mut [f32]) {
            self.0.extend(input);
            output
                .iter_mut()
                .for_each(|sample| *sample = self.0.pop_front().unwrap());
        }
    }

    /// Three tones far below every Nyquist frequency, so that resampling may not change them.
    fn sound(samples: usize) -> Vec<f32> {
        let tones = [(0.05, 0.3), (0.211, 0.25), (0.57, 0.15)];
        let at = |n: f32| {
            tones
                .map(|(omega, gain): (f32, f32)| gain * (omega * n).sin())
                .iter()
                .sum()
        };
        (0..samples).map(|n| at(n as f32)).collect()
    }

    fn through(rate_hz: u32, dry_share: f32, input: &[f32], chunk: usize) -> Vec<f32> {
        let mut cleaner = ChannelCleaner::new(Delay::new(), rate_hz, dry_share).unwrap();
        let mut output = Vec::new();
        for chunk in input.chunks(chunk) {
            cleaner.process(chunk, &mut output).unwrap();
        }
        cleaner.finish(&mut output).unwrap();
        output
    }

    #[test]
    fn at_48_khz_nothing_but_the_processor_touches_a_sample() {
        for samples in [1, 479, 480, 481, 48_000, 50_001] {
            let input = sound(samples);
            assert_eq!(through(48_000, 0.0, &input, 1000), input);
        }
    }

    #[test]
    fn every_rate_keeps_length_and_place() {
        for rate_hz in [
            8_000, 11_025, 16_000, 22_050, 44_100, 88_200, 96_000, 192_000,
        ] {
            for samples in [1, 7, 1000, rate_hz as usize + 3] {
                let input = sound(samples);
                let output = through(rate_hz, 0.0, &input, rate_hz as usize / 10);
                assert_eq!(output.len(), input.len(), "{rate_hz} Hz");
                // The ends ring, because the sound starts and stops without warning there.
                for n in 2000..samples.saturating_sub(2000) {
                    let error = (output[n] - input[n]).abs();
                    assert!(error < 1e-3, "{rate_hz} Hz, sample {n}: off by {error}");
                }
            }
        }
    }

    #[test]
    fn dry_share_is_the_input_itself() {
        let input = sound(30_000);
        assert_eq!(through(44_100, 1.0, &input, 999), input);
        let half = through(48_000, 0.5, &input, 999);
        assert!(half.iter().zip(&input).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
