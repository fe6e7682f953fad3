//! [`Stft`](super::super::stft::Stft) of single frames.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Analysis and synthesis of a stream.
#[derive(Clone)]
pub struct FrameStft {
    analysis: Arc<[f32]>,
    /// Over the last two hops of a frame.
    synthesis: Arc<[f32]>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// The samples that the next frame looks back at, and itself: `[window]`.
    samples: Vec<f32>,
    /// The unfinished half of the last frame: `[hop]`.
    overlap: Vec<f32>,
    windowed: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl FrameStft {
    /// With these windows, and silence before the first frame.
    pub fn new(analysis: Vec<f32>, synthesis: Vec<f32>) -> Self {
        let (window, hop) = (analysis.len(), synthesis.len() / 2);
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (
            planner.plan_fft_forward(window),
            planner.plan_fft_inverse(window),
        );
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        // The inverse transform multiplies by the length of the window.
        let synthesis = synthesis.iter().map(|x| x / window as f32);
        Self {
            analysis: analysis.into(),
            synthesis: synthesis.collect(),
            samples: vec![0.0; window],
            overlap: vec![0.0; hop],
            windowed: vec![0.0; window],
            spectrum: forward.make_output_vec(),
            scratch: vec![Complex32::default(); scratch],
            forward,
            inverse,
        }
    }

    /// Analyses the next hop of `input`, lets `change` have the spectrum, and gives a hop of output, later by one.
    pub fn step(
        &mut self,
        input: &[f32],
        output: &mut [f32],
        change: impl FnOnce(&mut [Complex32]),
    ) {
        let hop = self.overlap.len();
        let kept = self.samples.len() - hop;
        self.samples.copy_within(hop.., 0);
        self.samples[kept..].copy_from_slice(input);
        let windowed = self.samples.iter().zip(&*self.analysis);
        for (place, (sample, weight)) in self.windowed.iter_mut().zip(windowed) {
            *place = sample * weight;
        }
        self.forward
            .process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers were made for this length");
        change(&mut self.spectrum);
        // Of a real signal, and what a real filter leaves of it, these are real.
        let last = self.spectrum.len() - 1;
        (self.spectrum[0].im, self.spectrum[last].im) = (0.0, 0.0);
        self.inverse
            .process_with_scratch(&mut self.spectrum, &mut self.windowed, &mut self.scratch)
            .expect("the buffers were made for this length");
        let (first, second) = self.windowed[kept - hop..].split_at(hop);
        let (rising, falling) = self.synthesis.split_at(hop);
        for i in 0..hop {
            output[i] = self.overlap[i] + first[i] * rising[i];
            self.overlap[i] = second[i] * falling[i];
        }
    }
}

impl fmt::Debug for FrameStft {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("FrameStft")
            .field("window", &self.samples.len())
            .field("hop", &self.overlap.len())
            .finish_non_exhaustive()
    }
}
