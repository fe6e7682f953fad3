//! [`SpectralFilter`](super::super::filter::SpectralFilter) on single frames.

use std::collections::VecDeque;
use std::sync::Arc;

use realfft::num_complex::Complex32;

use super::arithmetic::sigmoid;
use super::bands::FrameBands;

/// Applies gains and filter taps; holds the low bins of the frames before.
#[derive(Debug, Clone)]
pub struct FrameFilter {
    bands: Arc<FrameBands>,
    /// As many frames as there are taps, the newest last.
    low: VecDeque<Vec<Complex32>>,
}

impl FrameFilter {
    /// Silence before the first frame.
    pub fn new(bands: Arc<FrameBands>, bins: usize, taps: usize) -> Self {
        Self {
            bands,
            low: vec![vec![Complex32::default(); bins]; taps].into(),
        }
    }

    /// Makes the next frame clean: `gains` of the bands before the sigmoid, `taps` `[taps, filter bins, 2]`.
    pub fn apply(&mut self, spectrum: &mut [Complex32], mut gains: Vec<f32>, taps: &[f32]) {
        self.low.rotate_left(1);
        if let Some(newest) = self.low.back_mut() {
            let bins = newest.len();
            newest.copy_from_slice(&spectrum[..bins]);
        }
        for (low, taps) in self
            .low
            .iter()
            .zip(taps.chunks_exact(taps.len() / self.low.len()))
        {
            for ((bin, low), tap) in spectrum.iter_mut().zip(low).zip(taps.chunks_exact(2)) {
                *bin += low * Complex32::new(tap[0], tap[1]);
            }
        }
        sigmoid(&mut gains);
        for (bin, gain) in spectrum.iter_mut().zip(self.bands.interpolate(&gains)) {
            *bin *= gain;
        }
    }
}
