//! Mains hum: 50 or 60 Hz with harmonics, the frequency wandering as the grid's does.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::draw::Span;
use super::wavetable::Wavetable;

/// `len` samples of hum at an arbitrary level.
pub fn generate(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mains_hz = if rng.random() { 50.0 } else { 60.0 };
    let harmonics = rng.random_range(4..=40);
    let fall = Span::new(0.4, 1.6).draw(rng);
    // Rectifiers hum at the even harmonics, transformers at the odd ones.
    let (even, odd) = (rng.random::<f32>(), rng.random::<f32>());
    let amplitudes: Vec<f32> = (1..=harmonics)
        .map(|k| {
            let parity = if k % 2 == 0 { even } else { odd };
            parity * Span::new(0.2, 1.0).draw(rng) / (k as f32).powf(fall)
        })
        .collect();
    let mut hum = vec![0.0; len];
    Wavetable::new(&amplitudes, rng).add(&mut hum, mains_hz, 0.002, rng);
    hum
}
