//! Fans, air conditioning, computers: shaped rush of air, blade tones and sometimes a motor whine.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::coloured::{Bump, shaped_noise};
use super::draw::{Probability, Span};
use super::wavetable::Wavetable;

/// `len` samples of fan noise at an arbitrary level.
pub fn generate(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let bumps: Vec<Bump> = (0..rng.random_range(1..=3))
        .map(|_| Bump {
            hz: Span::new(120.0, 4000.0).draw_log(rng),
            octaves: Span::new(0.2, 1.0).draw(rng),
            gain_db: Span::new(3.0, 15.0).draw(rng),
        })
        .collect();
    let mut fan = shaped_noise(len, Span::new(-2.0, -0.5).draw(rng), &bumps, rng);

    let turns_hz = Span::new(8.0, 60.0).draw_log(rng);
    let blades = rng.random_range(3..=11) as f32;
    tone(&mut fan, turns_hz * blades, 0.01, rng);
    if Probability::new(0.3).hit(rng) {
        tone(&mut fan, Span::new(400.0, 3000.0).draw_log(rng), 0.005, rng);
    }
    fan
}

fn tone(out: &mut [f32], hz: f32, wander: f32, rng: &mut ChaCha8Rng) {
    let strength = Span::new(0.02, 0.7).draw_log(rng);
    let amplitudes: Vec<f32> = (1..=rng.random_range(1..=5))
        .map(|k| strength * rng.random::<f32>() / k as f32)
        .collect();
    Wavetable::new(&amplitudes, rng).add(out, hz, wander, rng);
}
