//! Samples that a recording device has cut off at full scale.

/// Full scale of 16 bits and a little less: converters and filters after them differ.
const FULL_SCALE: f32 = 0.999;
/// So many samples in a row at full scale are no peak that just reaches it.
const MIN_RUN: u64 = 3;

/// Counts clipped samples of one channel.
#[derive(Debug, Clone, Default)]
pub struct ClippingMeter {
    run: u64,
    clipped: u64,
    samples: u64,
}

impl ClippingMeter {
    /// Adds samples, full scale at 1.0.
    pub fn push(&mut self, samples: &[f32]) {
        for sample in samples {
            if sample.abs() >= FULL_SCALE {
                self.run += 1;
            } else {
                self.end_run();
            }
        }
        self.samples += samples.len() as u64;
    }

    /// Share of the samples that are clipped.
    pub fn share(mut self) -> f64 {
        self.end_run();
        self.clipped as f64 / self.samples.max(1) as f64
    }

    fn end_run(&mut self) {
        if self.run >= MIN_RUN {
            self.clipped += self.run;
        }
        self.run = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_tops_count_and_single_peaks_do_not() {
        let tone = |amplitude: f32| -> Vec<f32> {
            (0..1000)
                .map(|n| (amplitude * (n as f32 * 0.3).sin()).clamp(-1.0, 1.0))
                .collect()
        };
        let share = |samples: &[f32]| {
            let mut meter = ClippingMeter::default();
            samples.chunks(7).for_each(|chunk| meter.push(chunk));
            meter.share()
        };
        assert_eq!(share(&tone(1.0)), 0.0);
        // A sine of amplitude 2 is beyond 1 in two thirds of the time.
        assert!((share(&tone(2.0)) - 2.0 / 3.0).abs() < 0.02);
    }
}
