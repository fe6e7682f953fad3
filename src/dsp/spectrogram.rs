//! Power over time and frequency of a stream of any length, in bounded memory.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Columns are merged in pairs when there are this many, so a picture has half to all of them.
const MAX_COLUMNS: usize = 2048;

/// Records a mono stream.
pub struct Recorder {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    pending: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    rate_hz: u32,
    samples: u64,
    /// Mean power per bin over `frames_per_column` frames; the last column may have fewer.
    columns: Vec<Vec<f32>>,
    frames_per_column: usize,
    frames_in_last: usize,
}

/// What a [`Recorder`] saw.
pub struct Spectrogram {
    pub rate_hz: u32,
    pub seconds: f64,
    /// In order of time; each from 0 Hz to rate/2 in equal steps. A sine of full scale has 0.5,
    /// its mean square.
    pub columns: Vec<Vec<f32>>,
}

impl Recorder {
    /// Frames of about 20 ms, half overlapped.
    pub fn new(rate_hz: u32) -> Recorder {
        let size = (rate_hz as usize / 50).next_power_of_two();
        let fft = RealFftPlanner::new().plan_fft_forward(size);
        let window = (0..size)
            .map(|n| {
                (std::f32::consts::PI * (n as f32 + 0.5) / size as f32)
                    .sin()
                    .powi(2)
            })
            .collect();
        Recorder {
            window,
            pending: Vec::new(),
            frame: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            fft,
            rate_hz,
            samples: 0,
            columns: Vec::new(),
            frames_per_column: 1,
            frames_in_last: 0,
        }
    }

    /// Adds samples.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        let size = self.window.len();
        let mut start = 0;
        while start + size <= self.pending.len() {
            for ((windowed, sample), window) in self
                .frame
                .iter_mut()
                .zip(&self.pending[start..])
                .zip(&self.window)
            {
                *windowed = sample * window;
            }
            self.fft
                .process(&mut self.frame, &mut self.spectrum)
                .expect("buffers were made by this transform");
            self.add_frame();
            start += size / 2;
        }
        self.pending.drain(..start);
    }

    fn add_frame(&mut self) {
        // A sine of amplitude 1 has the magnitude Σ window / 2 in its bin.
        let gain = 2.0 / (self.window.len() as f32 / 2.0).powi(2);
        if self.columns.is_empty() || self.frames_in_last == self.frames_per_column {
            if self.columns.len() == MAX_COLUMNS {
                self.merge_pairs();
            }
            self.columns.push(vec![0.0; self.spectrum.len()]);
            self.frames_in_last = 0;
        }
        let column = self.columns.last_mut().expect("a column was just made");
        let kept = self.frames_in_last as f32 / (self.frames_in_last + 1) as f32;
        for (mean, value) in column.iter_mut().zip(&self.spectrum) {
            *mean = *mean * kept + value.norm_sqr() * gain * (1.0 - kept);
        }
        self.frames_in_last += 1;
    }

    fn merge_pairs(&mut self) {
        self.columns = self
            .columns
            .chunks(2)
            .map(|pair| {
                pair[0]
                    .iter()
                    .zip(&pair[1])
                    .map(|(a, b)| 0.5 * (a + b))
                    .collect()
            })
            .collect();
        self.frames_per_column *= 2;
    }

    /// The picture's data.
    pub fn finish(self) -> Spectrogram {
        Spectrogram {
            rate_hz: self.rate_hz,
            seconds: self.samples as f64 / f64::from(self.rate_hz),
            columns: self.columns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_tone_has_its_power_in_its_bin_for_any_length() {
        for seconds in [1, 60] {
            let mut recorder = Recorder::new(16_000);
            for second in 0..seconds {
                let tone: Vec<f32> = (0..16_000)
                    .map(|n| {
                        (2.0 * std::f32::consts::PI * 1000.0 * (second * 16_000 + n) as f32
                            / 16_000.0)
                            .sin()
                    })
                    .collect();
                recorder.push(&tone);
            }
            let spectrogram = recorder.finish();
            assert!(spectrogram.columns.len() <= MAX_COLUMNS);
            assert_eq!(spectrogram.seconds, f64::from(seconds));
            let bins = spectrogram.columns[0].len();
            let bin = 1000 * (bins - 1) / 8000;
            for column in &spectrogram.columns {
                assert!((column[bin] - 0.5).abs() < 0.05, "{}", column[bin]);
                assert!(column[3 * bin] < 1e-6);
            }
        }
    }
}
