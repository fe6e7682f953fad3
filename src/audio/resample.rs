//! Changing the sample rate, by rubato.

use anyhow::{Result, ensure};
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// Resamples a whole buffer, see [`StreamResampler`]; the output has ceil(len × out/in) samples.
///
/// # Errors
/// As [`StreamResampler::new`].
pub fn resample(input: &[f32], rate_in_hz: u32, rate_out_hz: u32) -> Result<Vec<f32>> {
    let mut resampler = StreamResampler::new(rate_in_hz, rate_out_hz)?;
    let length = input.len() as f64 * f64::from(rate_out_hz) / f64::from(rate_in_hz);
    let mut output = Vec::with_capacity(length as usize + 1);
    resampler.process(input, &mut output)?;
    resampler.finish(&mut output)?;
    Ok(output)
}

/// Resamples one channel of a stream from one fixed rate to another without shifting it:
/// output sample n lies at the time of input sample n × in/out.
pub struct StreamResampler {
    engine: Option<Engine>,
    rate_in_hz: u64,
    rate_out_hz: u64,
    consumed: u64,
    produced: u64,
}

/// rubato's FFT resampler and what its fixed blocks need around it.
struct Engine {
    fft: Fft<f32>,
    pending: Vec<f32>,
    block: Vec<f32>,
    /// Output still to drop: the delay of the filter.
    to_skip: usize,
}

impl StreamResampler {
    /// Prepares for one channel; equal rates cost nothing and change nothing.
    ///
    /// # Errors
    /// A rate of zero.
    pub fn new(rate_in_hz: u32, rate_out_hz: u32) -> Result<StreamResampler> {
        ensure!(
            rate_in_hz > 0 && rate_out_hz > 0,
            "a sample rate of 0 Hz cannot be resampled"
        );
        let engine = if rate_in_hz == rate_out_hz {
            None
        } else {
            Some(Engine::new(rate_in_hz as usize, rate_out_hz as usize)?)
        };
        Ok(StreamResampler {
            engine,
            rate_in_hz: rate_in_hz.into(),
            rate_out_hz: rate_out_hz.into(),
            consumed: 0,
            produced: 0,
        })
    }

    /// Takes the next input samples and appends the output samples that they complete.
    ///
    /// # Errors
    /// None that a valid state can meet; rubato's are passed on.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) -> Result<()> {
        let before = output.len();
        match &mut self.engine {
            None => output.extend_from_slice(input),
            Some(engine) => engine.process(input, output)?,
        }
        self.consumed += input.len() as u64;
        self.produced += (output.len() - before) as u64;
        Ok(())
    }

    /// Appends what is left, so that all the output has ceil(consumed × out/in) samples.
    /// The stream ends here; nothing may follow.
    ///
    /// # Errors
    /// As [`StreamResampler::process`].
    pub fn finish(&mut self, output: &mut Vec<f32>) -> Result<()> {
        let total = (self.consumed * self.rate_out_hz).div_ceil(self.rate_in_hz);
        if let Some(engine) = &mut self.engine {
            let mut left = total.saturating_sub(self.produced) as usize;
            let silence = vec![0.0; engine.fft.input_frames_next()];
            let mut tail = Vec::new();
            while left > 0 {
                tail.clear();
                engine.process(&silence, &mut tail)?;
                let taken = tail.len().min(left);
                output.extend_from_slice(&tail[..taken]);
                left -= taken;
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Input samples per block at least: longer blocks have a steeper filter and more delay.
    const MIN_BLOCK: usize = 1024;

    fn new(rate_in_hz: usize, rate_out_hz: usize) -> Result<Engine> {
        // An even number of periods makes the filter's delay, half a block, a whole number of
        // samples on both sides.
        let period = rate_in_hz / greatest_common_divisor(rate_in_hz, rate_out_hz);
        let block_in = Self::MIN_BLOCK.div_ceil(2 * period) * 2 * period;
        let fft = Fft::new_custom(
            rate_in_hz,
            rate_out_hz,
            block_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )?;
        Ok(Engine {
            pending: Vec::with_capacity(2 * block_in),
            block: vec![0.0; fft.output_frames_max()],
            to_skip: fft.output_delay(),
            fft,
        })
    }

    fn process(&mut self, input: &[f32], output: &mut Vec<f32>) -> Result<()> {
        self.pending.extend_from_slice(input);
        let block_in = self.fft.input_frames_next();
        let block_out = self.fft.output_frames_next();
        let whole = self.pending.len() / block_in * block_in;
        for block in self.pending[..whole].chunks_exact(block_in) {
            let source = SequentialSlice::new(block, 1, block_in)?;
            let mut target = SequentialSlice::new_mut(&mut self.block, 1, block_out)?;
            self.fft.process_into_buffer(&source, &mut target, None)?;
            let skipped = self.to_skip.min(block_out);
            self.to_skip -= skipped;
            output.extend_from_slice(&self.block[skipped..block_out]);
        }
        self.pending.drain(..whole);
        Ok(())
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone with a smooth start and end, evaluated at any instant.
    fn tone(seconds: f64) -> f32 {
        let envelope = (std::f64::consts::PI * seconds / 0.5)
            .sin()
            .max(0.0)
            .powi(2);
        (0.5 * envelope * (2.0 * std::f64::consts::PI * 1234.5 * seconds).sin()) as f32
    }

    fn tone_at(rate_hz: u32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|n| tone(n as f64 / f64::from(rate_hz)))
            .collect()
    }

    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn stream_is_aligned_at_every_rate() {
        for rate_hz in [
            8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 88_200, 96_000, 192_000, 12_345,
        ] {
            for (from_hz, to_hz) in [(rate_hz, 48_000), (48_000, rate_hz)] {
                let input = tone_at(from_hz, from_hz as usize / 2);
                let mut resampler = StreamResampler::new(from_hz, to_hz).unwrap();
                let mut output = Vec::new();
                for chunk in input.chunks(777) {
                    resampler.process(chunk, &mut output).unwrap();
                }
                resampler.finish(&mut output).unwrap();
                assert_eq!(
                    output.len() as u64,
                    (input.len() as u64 * u64::from(to_hz)).div_ceil(from_hz.into())
                );
                let error = largest_difference(&output, &tone_at(to_hz, output.len()));
                assert!(error < 1e-4, "{from_hz} to {to_hz} Hz is off by {error}");
            }
        }
    }

    #[test]
    fn stream_of_equal_rates_changes_nothing() {
        let input = tone_at(48_000, 5_000);
        let mut resampler = StreamResampler::new(48_000, 48_000).unwrap();
        let mut output = Vec::new();
        resampler.process(&input, &mut output).unwrap();
        resampler.finish(&mut output).unwrap();
        assert_eq!(output, input);
    }

    #[test]
    fn a_buffer_is_a_stream_in_one_piece() {
        let input = tone_at(44_100, 22_050);
        let output = resample(&input, 44_100, 48_000).unwrap();
        let error = largest_difference(&output, &tone_at(48_000, 24_000));
        assert!(output.len() == 24_000 && error < 1e-4, "off by {error}");
        assert_eq!(resample(&[], 44_100, 48_000).unwrap(), Vec::<f32>::new());
        assert!(resample(&[1.0], 0, 48_000).is_err());
    }
}
