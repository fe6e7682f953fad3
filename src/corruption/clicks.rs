//! Clicks: keyboards, mice, knocks and crackle, as bursts of short ringing impulses.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::RATE_HZ;
use super::draw::{Probability, Span, uniform};
use super::level::amplitude;
use super::rhythm::Rhythm;

/// A kind of click; each single click varies around it.
struct Character {
    ring_hz: Span,
    decay_ms: Span,
    /// Share of noise in the impulse; the rest rings.
    noise: f32,
    /// A key sounds twice, when pressed and when released.
    released: bool,
}

/// `len` samples with clicks at random intervals, at an arbitrary level; at least one click.
pub fn generate(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let centre_hz = Span::new(300.0, 6000.0).draw_log(rng);
    let decay_ms = Span::new(0.1, 12.0).draw_log(rng);
    let character = Character {
        ring_hz: Span::new(0.7 * centre_hz, 1.4 * centre_hz),
        decay_ms: Span::new(0.6 * decay_ms, 1.5 * decay_ms),
        noise: rng.random(),
        released: rng.random(),
    };
    let interval_s = Span::new(0.05, 0.6).draw_log(rng);
    let rhythm = Rhythm {
        event_s: 0.0,
        interval_s,
        spread: Span::new(0.4, 1.8),
        pause: Probability::new(0.12),
        pause_s: Span::new(0.3, 2.0),
    };
    let first_s = Span::new(0.0, interval_s.min(0.5 * len as f32 / RATE_HZ));
    let mut clicks = vec![0.0; len];
    rhythm.play(first_s, len, rng, |position, rng| {
        let strength = amplitude(Span::new(-14.0, 0.0).draw(rng));
        add_click(&mut clicks[position..], &character, strength, rng);
        if character.released {
            let release = position + Span::new(50.0, 130.0).draw_ms(rng);
            if release < len {
                add_click(&mut clicks[release..], &character, 0.5 * strength, rng);
            }
        }
    });
    clicks
}

fn add_click(out: &mut [f32], character: &Character, strength: f32, rng: &mut ChaCha8Rng) {
    let decay_samples = character.decay_ms.draw(rng) * RATE_HZ / 1000.0;
    let decay = (-1.0 / decay_samples).exp();
    let (sin, cos) = (TAU * character.ring_hz.draw(rng) / RATE_HZ).sin_cos();
    let (mut re, mut im) = (strength, 0.0f32);
    // 7 time constants: −60 dB.
    let len = ((7.0 * decay_samples) as usize).max(1);
    for sample in out.iter_mut().take(len) {
        let envelope = re.abs().max(im.abs());
        *sample +=
            (1.0 - character.noise) * re + character.noise * envelope * uniform(rng.random());
        (re, im) = (decay * (re * cos - im * sin), decay * (re * sin + im * cos));
    }
}
