//! Convolution by FFT, overlap-add.

use realfft::num_complex::Complex;

use crate::dsp::fft;

/// Longest FFT: above it the working set leaves the cache and long files would cost gigabytes.
const MAX_FFT_LEN: usize = 1 << 19;

/// Convolves `signal` with each of the `filters` (equally long), sharing the signal's transform.
///
/// The outputs are as long as the signal and start `delay` samples into the full convolution, so a
/// filter whose main tap is at `delay` does not shift the signal.
pub fn convolve<const N: usize>(
    signal: &[f32],
    filters: [&[f32]; N],
    delay: usize,
) -> [Vec<f32>; N] {
    let taps = filters
        .iter()
        .map(|filter| filter.len())
        .max()
        .unwrap_or(0)
        .max(1);
    let fft_len = fft_len(signal.len(), taps);
    let hop = fft_len + 1 - taps;
    let forward = fft::forward(fft_len);
    let inverse = fft::inverse(fft_len);
    let mut time = forward.make_input_vec();
    let mut input = forward.make_output_vec();
    let mut product = inverse.make_input_vec();
    let mut scratch =
        vec![Complex::default(); forward.get_scratch_len().max(inverse.get_scratch_len())];

    let responses = filters.map(|filter| {
        let mut response = forward.make_output_vec();
        time.fill(0.0);
        for (padded, tap) in time.iter_mut().zip(filter) {
            *padded = tap / fft_len as f32;
        }
        forward
            .process_with_scratch(&mut time, &mut response, &mut scratch)
            .expect("the plan made the buffers");
        response
    });

    let mut outputs = [(); N].map(|()| vec![0.0; signal.len()]);
    for (index, block) in signal.chunks(hop).enumerate() {
        time[..block.len()].copy_from_slice(block);
        time[block.len()..].fill(0.0);
        forward
            .process_with_scratch(&mut time, &mut input, &mut scratch)
            .expect("the plan made the buffers");
        for (response, output) in responses.iter().zip(&mut outputs) {
            for ((product, &input), &response) in product.iter_mut().zip(&input).zip(response) {
                *product = input * response;
            }
            // Rounding may leave imaginary dust where a real signal's spectrum is real.
            product[0].im = 0.0;
            product[fft_len / 2].im = 0.0;
            inverse
                .process_with_scratch(&mut product, &mut time, &mut scratch)
                .expect("the plan made the buffers, and both ends are real");
            let start = index * hop;
            let skipped = delay.saturating_sub(start).min(fft_len);
            let place = &mut output[(start + skipped).saturating_sub(delay).min(signal.len())..];
            let valid = block.len() + taps - 1;
            for (output, sample) in place.iter_mut().zip(&time[skipped..valid.max(skipped)]) {
                *output += sample;
            }
        }
    }
    outputs
}

/// One transform for the whole signal where that fits, short blocks that stay in cache for short filters.
fn fft_len(signal: usize, taps: usize) -> usize {
    let whole = fft::fast_len(signal + taps);
    if taps <= 4096 {
        whole.min((8 * taps).next_power_of_two())
    } else {
        whole.min(MAX_FFT_LEN.max((2 * taps).next_power_of_two()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(signal: &[f32], filter: &[f32], delay: usize) -> Vec<f32> {
        (0..signal.len())
            .map(|n| {
                (0..filter.len())
                    .filter(|&k| n + delay >= k && n + delay - k < signal.len())
                    .map(|k| filter[k] * signal[n + delay - k])
                    .sum()
            })
            .collect()
    }

    #[test]
    fn equals_the_definition_at_any_length_and_delay() {
        let wave = |n: usize| -> Vec<f32> { (0..n).map(|i| ((i * i) as f32).sin()).collect() };
        for (len, taps, delay) in [
            (1, 1, 0),
            (1, 9, 4),
            (100, 7, 3),
            (5000, 33, 16),
            (700, 900, 450),
        ] {
            let (signal, a, b) = (wave(len), wave(taps), vec![0.5; taps]);
            let fast = convolve(&signal, [&a, &b], delay);
            for (fast, filter) in fast.iter().zip([&a, &b]) {
                for (x, y) in fast.iter().zip(direct(&signal, filter, delay)) {
                    assert!((x - y).abs() < 1e-3, "len {len} taps {taps}: {x} {y}");
                }
            }
        }
        let [empty] = convolve(&[], [&[1.0]], 0);
        assert!(empty.is_empty());
    }
}
