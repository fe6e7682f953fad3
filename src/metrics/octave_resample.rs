//! The sample rate changed as Octave's `resample` does it: published STOI figures rest on it.
//!
//! A sinc low-pass at the lower Nyquist frequency in a Kaiser window of 60 dB rejection whose
//! transition is a tenth of the cutoff, in one polyphase pass; the ends are padded with silence.

use std::f64::consts::PI;

const REJECTION_DB: f64 = 60.0;

/// Resamples a whole signal; the output has ceil(len × out/in) samples, aligned with the input.
pub fn resample(input: &[f32], rate_in_hz: u32, rate_out_hz: u32) -> Vec<f64> {
    if rate_in_hz == rate_out_hz {
        return input.iter().map(|&sample| f64::from(sample)).collect();
    }
    let divisor = greatest_common_divisor(rate_in_hz, rate_out_hz);
    let up = (rate_out_hz / divisor) as usize;
    let down = (rate_in_hz / divisor) as usize;
    let filter = low_pass(up, down);
    let middle = filter.len() / 2;
    (0..(input.len() * up).div_ceil(down))
        .map(|m| {
            // Of the input with up − 1 zeros after each sample, only the samples contribute.
            let newest = m * down + middle;
            let last = (newest / up).min(input.len() - 1);
            let first = (newest + 1).saturating_sub(filter.len()).div_ceil(up);
            let taps = filter[newest - last * up..].iter().step_by(up);
            let samples = input[first..=last].iter().rev();
            taps.zip(samples)
                .map(|(tap, &sample)| tap * f64::from(sample))
                .sum()
        })
        .collect()
}

/// The filter at the rate `up` times that of the input, of odd length and with a gain of `up`.
fn low_pass(up: usize, down: usize) -> Vec<f64> {
    let cutoff = 0.5 / up.max(down) as f64;
    let half = ((REJECTION_DB - 8.0) / (28.714 * cutoff / 10.0)).ceil();
    let beta = 0.1102 * (REJECTION_DB - 8.7);
    let tap = |n: f64| {
        let angle = 2.0 * PI * cutoff * n;
        let sinc = if n == 0.0 { 1.0 } else { angle.sin() / angle };
        sinc * bessel_i0(beta * (1.0 - (n / half).powi(2)).sqrt())
    };
    let mut taps: Vec<f64> = (-(half as i64)..=half as i64)
        .map(|n| tap(n as f64))
        .collect();
    let gain = up as f64 / taps.iter().sum::<f64>();
    taps.iter_mut().for_each(|tap| *tap *= gain);
    taps
}

/// Modified Bessel function of the first kind of order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * f64::EPSILON {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_length_place_and_level_at_any_rate() {
        let tone =
            |n: usize, rate_hz: u32| (2.0 * PI * 700.0 * n as f64 / f64::from(rate_hz)).sin();
        for rate_hz in [8_000, 16_000, 44_100, 48_000] {
            let samples = rate_hz as usize / 2 + 3;
            let input: Vec<f32> = (0..samples).map(|n| tone(n, rate_hz) as f32).collect();
            let output = resample(&input, rate_hz, 10_000);
            assert_eq!(output.len(), (samples * 10_000).div_ceil(rate_hz as usize));
            for (n, sample) in output.iter().enumerate().skip(500).take(4000) {
                let error = (sample - tone(n, 10_000)).abs();
                assert!(error < 2e-3, "{rate_hz} Hz, sample {n}: off by {error}");
            }
        }
    }

    #[test]
    fn nothing_stays_nothing() {
        assert!(resample(&[], 48_000, 10_000).is_empty());
    }
}
