//! Moves formants without the pitch: another vocal tract for the same melody.
//!
//! In each STFT frame the spectral envelope (cepstral smoothing, Oppenheim and Schafer) is divided
//! out and put back stretched along frequency; phases stay, so harmonics stay where they were.

use realfft::num_complex::Complex32;

use crate::dsp::fft;

const WINDOW: usize = 1024;
const HOP: usize = WINDOW / 2;
const BINS: usize = WINDOW / 2 + 1;
/// Cepstral coefficients kept: below the pitch period of a child's voice at 48 kHz.
const LIFTER: usize = 90;
/// Frames without any sample above this are left as silence (-90 dBFS).
const SILENCE: f32 = 3e-5;
/// No bin changes by more than this factor (15 dB): envelopes of silence mean nothing.
const LARGEST_GAIN: f32 = 5.6;

/// Stretches the spectral envelope of 48 kHz speech by `factor`: 1.1 raises formants by a tenth.
pub fn shift_formants(samples: &mut [f32], factor: f32) {
    let forward = fft::forward(WINDOW);
    let inverse = fft::inverse(WINDOW);
    let mut scratch =
        vec![Complex32::default(); forward.get_scratch_len().max(inverse.get_scratch_len())];
    let window: Vec<f32> = (0..WINDOW)
        .map(|n| (std::f32::consts::PI * (n as f32 + 0.5) / WINDOW as f32).sin())
        .collect();
    let mut padded = vec![0.0; HOP];
    padded.extend_from_slice(samples);
    padded.resize(padded.len().next_multiple_of(HOP) + HOP, 0.0);
    let mut output = vec![0.0; padded.len()];
    let mut frame = vec![0.0; WINDOW];
    let mut spectrum = vec![Complex32::default(); BINS];
    let mut cepstrum_input = vec![Complex32::default(); BINS];
    let mut cepstrum = vec![0.0; WINDOW];
    let mut envelope = vec![Complex32::default(); BINS];
    // Where each bin's envelope comes from: the bin below, and the share of the one above it.
    let sources: Vec<(usize, f32)> = (0..BINS)
        .map(|bin| {
            let source = bin as f32 / factor;
            let below = (source as usize).min(BINS - 2);
            (below, (source - below as f32).min(1.0))
        })
        .collect();

    for start in (0..padded.len() - HOP).step_by(HOP) {
        if padded[start..start + WINDOW]
            .iter()
            .all(|x| x.abs() < SILENCE)
        {
            continue;
        }
        for (target, (x, w)) in frame.iter_mut().zip(padded[start..].iter().zip(&window)) {
            *target = x * w;
        }
        transform(forward.process_with_scratch(&mut frame, &mut spectrum, &mut scratch));
        for (log, bin) in cepstrum_input.iter_mut().zip(&spectrum) {
            *log = Complex32::new((bin.norm_sqr() + 1e-9).ln() * 0.5, 0.0);
        }
        transform(inverse.process_with_scratch(&mut cepstrum_input, &mut cepstrum, &mut scratch));
        cepstrum[LIFTER..=WINDOW - LIFTER].fill(0.0);
        transform(forward.process_with_scratch(&mut cepstrum, &mut envelope, &mut scratch));
        for (bin, (value, &(below, share))) in spectrum.iter_mut().zip(&sources).enumerate() {
            let wanted = envelope[below].re * (1.0 - share) + envelope[below + 1].re * share;
            let gain = ((wanted - envelope[bin].re) / WINDOW as f32).exp();
            *value *= gain.clamp(1.0 / LARGEST_GAIN, LARGEST_GAIN);
        }
        // The first and last bins of a real signal's spectrum are real.
        spectrum[0].im = 0.0;
        spectrum[BINS - 1].im = 0.0;
        transform(inverse.process_with_scratch(&mut spectrum, &mut frame, &mut scratch));
        for (target, (x, w)) in output[start..].iter_mut().zip(frame.iter().zip(&window)) {
            *target += x * w / WINDOW as f32;
        }
    }
    let count = samples.len();
    samples.copy_from_slice(&output[HOP..HOP + count]);
}

/// Transforms fail only for buffers of the wrong length, and these are constants.
fn transform<E: std::fmt::Debug>(result: Result<(), E>) {
    result.expect("buffers have the length of the transform");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vowel: pulses at 120 Hz through one resonance.
    fn vowel(formant_hz: f32) -> Vec<f32> {
        let radius = 0.985f32;
        let angle = std::f32::consts::TAU * formant_hz / 48_000.0;
        let (a, b) = (2.0 * radius * angle.cos(), -radius * radius);
        let (mut y1, mut y2) = (0.0, 0.0);
        (0..48_000)
            .map(|n| {
                let y = if n % 400 == 0 { 0.05 } else { 0.0 } + a * y1 + b * y2;
                (y2, y1) = (y1, y);
                y
            })
            .collect()
    }

    /// Power at each harmonic of 120 Hz (Goertzel by direct sums over one second).
    fn harmonics(samples: &[f32], count: usize) -> Vec<f32> {
        (1..=count)
            .map(|k| {
                let angle = std::f32::consts::TAU * 120.0 * k as f32 / 48_000.0;
                let (re, im) = samples
                    .iter()
                    .enumerate()
                    .fold((0.0, 0.0), |(re, im), (n, x)| {
                        let phase = angle * (n % 400) as f32;
                        (re + x * phase.cos(), im + x * phase.sin())
                    });
                re * re + im * im
            })
            .collect()
    }

    fn strongest(harmonics: &[f32]) -> usize {
        (0..harmonics.len())
            .max_by(|&a, &b| harmonics[a].total_cmp(&harmonics[b]))
            .unwrap()
            + 1
    }

    #[test]
    fn the_formant_moves_and_the_pitch_stays() {
        let mut samples = vowel(1200.0);
        assert_eq!(strongest(&harmonics(&samples, 30)), 10);
        let energy: f32 = samples.iter().map(|x| x * x).sum();
        shift_formants(&mut samples, 1.2);
        let shifted = harmonics(&samples, 30);
        assert!(
            (11..=13).contains(&strongest(&shifted)),
            "{}",
            strongest(&shifted)
        );
        let harmonic: f32 = shifted.iter().sum::<f32>() * 2.0 / samples.len() as f32;
        assert!(
            harmonic > 0.7 * samples.iter().map(|x| x * x).sum::<f32>(),
            "still periodic"
        );
        assert!(samples.iter().map(|x| x * x).sum::<f32>() > 0.2 * energy);
    }

    #[test]
    fn factor_one_changes_nothing() {
        let original = vowel(900.0);
        let mut samples = original.clone();
        shift_formants(&mut samples, 1.0);
        let worst = original
            .iter()
            .zip(&samples)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
    }
}
