//! Short-time objective intelligibility: STOI and ESTOI, from about 0 (not a word) to 1.
//!
//! C. H. Taal, R. C. Hendriks, R. Heusdens, J. Jensen: "An Algorithm for Intelligibility Prediction
//! of Time-Frequency Weighted Noisy Speech", IEEE TASLP 19(7), 2011 (STOI); J. Jensen, C. H. Taal:
//! "An Algorithm for Predicting the Intelligibility of Speech Masked by Modulated Noise Maskers",
//! IEEE/ACM TASLP 24(11), 2016 (ESTOI). In the details that the papers leave open (resampling,
//! which frames count as silent, the last frame) it follows the package pystoi, as published
//! figures do.

use realfft::RealFftPlanner;

use super::octave_resample::resample;

const RATE_HZ: u32 = 10_000;
const FRAME_SAMPLES: usize = 256;
const HOP_SAMPLES: usize = FRAME_SAMPLES / 2;
const FFT_SAMPLES: usize = 512;
/// Third-octave bands from 150 Hz upwards.
const BANDS: usize = 15;
const LOWEST_BAND_HZ: f64 = 150.0;
/// Frames per segment: 384 ms.
const SEGMENT_FRAMES: usize = 30;
/// Frames of the reference this far below its loudest one are silence and do not count.
const DYNAMIC_RANGE_DB: f64 = 40.0;
/// Lower bound of the signal-to-distortion ratio in a band.
const CLIPPING_DB: f64 = -15.0;

/// How well a listener would understand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intelligibility {
    pub stoi: f64,
    /// The same for noise that comes and goes.
    pub estoi: f64,
}

/// STOI and ESTOI of `estimate` against the clean `reference`, both at `rate_hz` and of one length;
/// `None` for less than 0.4 s of speech.
pub fn intelligibility(
    reference: &[f32],
    estimate: &[f32],
    rate_hz: u32,
) -> Option<Intelligibility> {
    let [reference, estimate] =
        [reference, estimate].map(|samples| resample(samples, rate_hz, RATE_HZ));
    let (reference, estimate) = without_silence(&reference, &estimate);
    let (reference, estimate) = (band_magnitudes(&reference), band_magnitudes(&estimate));
    let segments = (reference.len() + 1).checked_sub(SEGMENT_FRAMES)?;
    if segments == 0 {
        return None;
    }
    let (mut stoi, mut estoi) = (0.0, 0.0);
    for start in 0..segments {
        let reference = segment(&reference[start..start + SEGMENT_FRAMES]);
        let estimate = segment(&estimate[start..start + SEGMENT_FRAMES]);
        stoi += stoi_of_segment(&reference, &estimate);
        estoi += estoi_of_segment(reference, estimate);
    }
    Some(Intelligibility {
        stoi: stoi / (segments * BANDS) as f64,
        estoi: estoi / (segments * SEGMENT_FRAMES) as f64,
    })
}

/// Magnitudes over time, one row per band.
type Segment = [[f64; SEGMENT_FRAMES]; BANDS];

fn segment(frames: &[[f64; BANDS]]) -> Segment {
    std::array::from_fn(|band| std::array::from_fn(|frame| frames[frame][band]))
}

/// Sum over the bands of the correlation of the magnitudes' courses (equations 3 to 5 of 2011).
fn stoi_of_segment(reference: &Segment, estimate: &Segment) -> f64 {
    let ceiling = 1.0 + 10f64.powf(-CLIPPING_DB / 20.0);
    let of_band = |(reference, estimate): (&[f64; SEGMENT_FRAMES], &[f64; SEGMENT_FRAMES])| {
        let gain = norm(reference) / (norm(estimate) + f64::EPSILON);
        let mut clipped: [f64; SEGMENT_FRAMES] =
            std::array::from_fn(|frame| (gain * estimate[frame]).min(ceiling * reference[frame]));
        let mut reference = *reference;
        normalise(&mut reference);
        normalise(&mut clipped);
        dot(&reference, &clipped)
    };
    reference.iter().zip(estimate).map(of_band).sum()
}

/// Sum over the frames of the correlation of the spectra, after each band's course was brought to
/// zero mean and unit norm (equations 3 to 7 of 2016).
fn estoi_of_segment(mut reference: Segment, mut estimate: Segment) -> f64 {
    reference.iter_mut().for_each(normalise);
    estimate.iter_mut().for_each(normalise);
    let of_frame = |frame: usize| {
        let column = |segment: &Segment| -> [f64; BANDS] {
            let mut spectrum = std::array::from_fn(|band| segment[band][frame]);
            normalise(&mut spectrum);
            spectrum
        };
        dot(&column(&reference), &column(&estimate))
    };
    (0..SEGMENT_FRAMES).map(of_frame).sum()
}

/// Zero mean and unit norm; what does not vary becomes zero.
fn normalise<const N: usize>(values: &mut [f64; N]) {
    let mean = values.iter().sum::<f64>() / N as f64;
    values.iter_mut().for_each(|value| *value -= mean);
    let norm = norm(values) + f64::EPSILON;
    values.iter_mut().for_each(|value| *value /= norm);
}

fn norm(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Where frames begin. pystoi leaves the last one out where it ends with the signal.
fn frame_starts(samples: usize) -> impl Iterator<Item = usize> {
    (0..samples.saturating_sub(FRAME_SAMPLES)).step_by(HOP_SAMPLES)
}

/// Hann window without its zeros.
fn window() -> [f64; FRAME_SAMPLES] {
    let step = std::f64::consts::PI / (FRAME_SAMPLES + 1) as f64;
    std::array::from_fn(|n| ((n + 1) as f64 * step).sin().powi(2))
}

/// Both signals without the frames in which the reference is silent: what is left, overlapped and
/// added.
fn without_silence(reference: &[f64], estimate: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let window = window();
    let windowed = |signal: &[f64], start: usize| -> [f64; FRAME_SAMPLES] {
        std::array::from_fn(|n| window[n] * signal[start + n])
    };
    let level_db = |start: usize| {
        let frame = windowed(reference, start);
        20.0 * (norm(&frame) + f64::EPSILON).log10()
    };
    let levels: Vec<(usize, f64)> = frame_starts(reference.len())
        .map(|start| (start, level_db(start)))
        .collect();
    let loudest = levels.iter().fold(f64::MIN, |max, level| max.max(level.1));
    let kept: Vec<usize> = levels
        .iter()
        .filter(|(_, level)| loudest - DYNAMIC_RANGE_DB < *level)
        .map(|(start, _)| *start)
        .collect();
    let join = |signal: &[f64]| {
        let overlap = FRAME_SAMPLES - HOP_SAMPLES;
        let mut joined = vec![0.0; kept.len() * HOP_SAMPLES + overlap];
        for (place, &start) in kept.iter().enumerate() {
            let target = &mut joined[place * HOP_SAMPLES..][..FRAME_SAMPLES];
            let frame = windowed(signal, start);
            target.iter_mut().zip(frame).for_each(|(sum, s)| *sum += s);
        }
        joined
    };
    (join(reference), join(estimate))
}

/// Magnitude per frame and third-octave band (equation 1 of 2011).
fn band_magnitudes(signal: &[f64]) -> Vec<[f64; BANDS]> {
    let fft = RealFftPlanner::new().plan_fft_forward(FFT_SAMPLES);
    let (mut frame, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let window = window();
    let bin = |hz: f64| (hz * FFT_SAMPLES as f64 / f64::from(RATE_HZ)).round() as usize;
    let edge = |band: usize| bin(LOWEST_BAND_HZ * 2f64.powf((2.0 * band as f64 - 1.0) / 6.0));
    frame_starts(signal.len())
        .map(|start| {
            frame.fill(0.0);
            for (n, windowed) in frame[..FRAME_SAMPLES].iter_mut().enumerate() {
                *windowed = window[n] * signal[start + n];
            }
            fft.process(&mut frame, &mut spectrum)
                .expect("buffers were made by this transform");
            std::array::from_fn(|band| {
                let bins = &spectrum[edge(band)..edge(band + 1)];
                bins.iter().map(|bin| bin.norm_sqr()).sum::<f64>().sqrt()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::speech_like;
    use super::*;

    #[test]
    fn a_perfect_copy_has_one_at_any_level() {
        let reference = speech_like(16_000);
        let copy: Vec<f32> = reference.iter().map(|sample| 0.3 * sample).collect();
        let value = intelligibility(&reference, &copy, 16_000).unwrap();
        assert!((value.stoi - 1.0).abs() < 1e-9 && (value.estoi - 1.0).abs() < 1e-9);
    }

    #[test]
    fn too_little_speech_has_no_value() {
        for samples in [0, 1, 200, 3000] {
            let short = &speech_like(10_000)[..samples];
            assert_eq!(intelligibility(short, short, 10_000), None);
        }
        let silence = [0.0; 3000];
        assert_eq!(intelligibility(&silence, &silence, 10_000), None);
    }
}
