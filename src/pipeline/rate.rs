//! From a device's rate to 48 kHz and from 48 kHz to a device's rate, with little delay.
//!
//! Both ways are a windowed sinc of 64 taps (at the lower rate), which costs half a tap length of
//! delay: 0.7 ms. The way out can be bent by up to half a percent to follow the device's clock.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use super::{Step, drift};
use crate::SAMPLE_RATE_HZ;

const TAPS: usize = 64;

/// Gathers device samples into frames at 48 kHz.
pub struct ToInternal {
    engine: Option<Async<f32>>,
    step: Step,
    /// Input of each lane, waiting for a whole frame.
    pending: Vec<Vec<f32>>,
    /// Lane after lane, as rubato wants it.
    input: Vec<f32>,
    output: Vec<f32>,
    rate_hz: u32,
}

impl ToInternal {
    /// From `rate_hz`, above 0; at 48 kHz samples pass unchanged.
    pub fn new(rate_hz: u32, step: Step) -> Self {
        let Step {
            lanes,
            frame_samples,
        } = step;
        let engine = (rate_hz != SAMPLE_RATE_HZ)
            .then(|| engine(rate_hz, SAMPLE_RATE_HZ, step, FixedAsync::Output));
        let most = engine
            .as_ref()
            .map_or(frame_samples, Async::input_frames_max);
        Self {
            engine,
            step,
            pending: vec![Vec::with_capacity(8 * most); lanes],
            input: vec![0.0; most * lanes],
            output: vec![0.0; frame_samples * lanes],
            rate_hz,
        }
    }

    /// The waiting samples of each lane, to append to; all lanes must stay equally long.
    pub fn pending_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.pending
    }

    /// Length of what waits, in seconds.
    pub fn pending_s(&self) -> f64 {
        self.pending[0].len() as f64 / f64::from(self.rate_hz)
    }

    /// Delay of the filter, in seconds.
    pub fn delay_s(&self) -> f64 {
        self.engine.as_ref().map_or(0.0, |engine| {
            engine.output_delay() as f64 / f64::from(SAMPLE_RATE_HZ)
        })
    }

    /// Fills the next frame of each lane if enough samples wait.
    pub fn next_frame(&mut self, frames: &mut [Vec<f32>]) -> bool {
        let Step {
            lanes,
            frame_samples,
        } = self.step;
        let needed = self
            .engine
            .as_ref()
            .map_or(frame_samples, Async::input_frames_next);
        if self.pending[0].len() < needed {
            return false;
        }
        for (lane, pending) in self.pending.iter_mut().enumerate() {
            self.input[lane * needed..][..needed].copy_from_slice(&pending[..needed]);
            pending.drain(..needed);
        }
        if let Some(engine) = &mut self.engine {
            let input = &self.input[..needed * lanes];
            convert(engine, input, needed, &mut self.output, frame_samples);
        } else {
            self.output.copy_from_slice(&self.input);
        }
        for (frame, samples) in frames.iter_mut().zip(self.output.chunks(frame_samples)) {
            frame.copy_from_slice(samples);
        }
        true
    }
}

/// Turns frames at 48 kHz into device samples, at a ratio that can be bent.
pub struct ToDevice {
    engine: Async<f32>,
    step: Step,
    input: Vec<f32>,
    output: Vec<f32>,
    rate_hz: u32,
}

impl ToDevice {
    /// To `rate_hz`, above 0.
    pub fn new(rate_hz: u32, step: Step) -> Self {
        let engine = engine(SAMPLE_RATE_HZ, rate_hz, step, FixedAsync::Input);
        Self {
            step,
            input: vec![0.0; step.frame_samples * step.lanes],
            output: vec![0.0; engine.output_frames_max() * step.lanes],
            rate_hz,
            engine,
        }
    }

    /// Delay of the filter, in seconds.
    pub fn delay_s(&self) -> f64 {
        self.engine.output_delay() as f64 / f64::from(self.rate_hz)
    }

    /// Resamples one frame per lane, bending the ratio smoothly to `bend` (1 is the nominal one).
    /// Gives the samples lane after lane, and how many each has.
    pub fn process(&mut self, frames: &[Vec<f32>], bend: f64) -> (&[f32], usize) {
        self.engine
            .set_resample_ratio_relative(bend, true)
            .expect("the controller keeps the bend in bounds");
        let Step {
            lanes,
            frame_samples,
        } = self.step;
        for (input, frame) in self.input.chunks_mut(frame_samples).zip(frames) {
            input.copy_from_slice(frame);
        }
        let count = self.engine.output_frames_next();
        let output = &mut self.output[..count * lanes];
        convert(&mut self.engine, &self.input, frame_samples, output, count);
        (&self.output[..count * lanes], count)
    }
}

fn engine(from_hz: u32, to_hz: u32, step: Step, fixed: FixedAsync) -> Async<f32> {
    // The transition band is that of 64 taps at the lower rate.
    let taps = TAPS * (from_hz as usize).div_ceil(to_hz.max(1) as usize).max(1);
    let parameters = SincInterpolationParameters::new(taps, WindowFunction::BlackmanHarris2)
        .oversampling_factor(256)
        .interpolation(SincInterpolationType::Quadratic);
    let ratio = f64::from(to_hz) / f64::from(from_hz);
    let most = 1.0 + 1.5 * drift::MAX_BEND;
    Async::new_sinc(
        ratio,
        most,
        &parameters,
        step.frame_samples,
        step.lanes,
        fixed,
    )
    .expect("a ratio of two positive rates")
}

/// One step of an engine whose buffers have the lengths that it announced.
fn convert(
    engine: &mut Async<f32>,
    input: &[f32],
    input_frames: usize,
    output: &mut [f32],
    output_frames: usize,
) {
    let lanes = engine.nbr_channels();
    let source = SequentialSlice::new(input, lanes, input_frames);
    let target = SequentialSlice::new_mut(output, lanes, output_frames);
    let (source, mut target) = source
        .ok()
        .zip(target.ok())
        .expect("the slices hold all lanes");
    engine
        .process_into_buffer(&source, &mut target, None)
        .expect("the buffers have the announced lengths");
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME_SAMPLES, sinad_db, sine, step};
    use super::*;

    const RATES_HZ: [u32; 7] = [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000];

    #[test]
    fn a_tone_keeps_its_purity_on_the_way_in() {
        for rate_hz in RATES_HZ {
            let mut resampler = ToInternal::new(rate_hz, step(1));
            let mut frames = vec![vec![0.0; FRAME_SAMPLES]];
            let mut output = Vec::new();
            for chunk in sine(1000.0, f64::from(rate_hz), rate_hz as usize / 2).chunks(117) {
                resampler.pending_mut()[0].extend_from_slice(chunk);
                while resampler.next_frame(&mut frames) {
                    output.extend_from_slice(&frames[0]);
                }
            }
            assert!(output.len() > 22_000, "{rate_hz} Hz gives {}", output.len());
            let sinad = sinad_db(&output[4800..], 1000.0, 48_000.0);
            assert!(sinad > 80.0, "{rate_hz} Hz: {sinad} dB");
        }
    }

    #[test]
    fn a_tone_keeps_its_purity_on_the_way_out_of_each_lane() {
        for rate_hz in RATES_HZ {
            let mut resampler = ToDevice::new(rate_hz, step(2));
            let mut outputs = [Vec::new(), Vec::new()];
            let tones = [1000.0, 1500.0];
            let inputs = tones.map(|hz| sine(hz, 48_000.0, 24_000));
            for n in 0..50 {
                let frames = inputs
                    .each_ref()
                    .map(|input| input[n * FRAME_SAMPLES..][..FRAME_SAMPLES].to_vec());
                let (samples, count) = resampler.process(&frames, 1.0);
                for (output, lane) in outputs.iter_mut().zip(samples.chunks(count)) {
                    output.extend_from_slice(lane);
                }
            }
            for (output, tone) in outputs.iter().zip(tones) {
                let steady = &output[output.len() / 5..];
                let sinad = sinad_db(steady, tone, f64::from(rate_hz));
                assert!(sinad > 75.0, "{rate_hz} Hz: {sinad} dB");
            }
        }
    }
}
