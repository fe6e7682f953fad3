//! Struck things: glasses, bowls, pans, pipes and bells, whose modes ring on.
//!
//! Each mode is a sine that dies away. Those of solid bodies are not multiples of one pitch, and high ones die sooner (Cook,
//! "Real Sound Synthesis for Interactive Applications", 2002). What rings like that is easily taken for a vowel.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::RATE_HZ;
use super::draw::{Probability, Span, uniform};
use super::level::amplitude;
use super::rhythm::Rhythm;

const HIGHEST_HZ: f32 = 20_000.0;

struct Mode {
    hz: f32,
    decay_ms: f32,
    strength: f32,
}

/// `len` samples in which one thing, or several alike, are struck at random intervals, at an arbitrary level; at least once.
pub fn generate(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let body = body(rng);
    let contact = rng.random::<f32>();
    let alike = if rng.random() { 0.0 } else { 0.12 };
    let interval_s = Span::new(0.1, 2.0).draw_log(rng);
    let rhythm = Rhythm {
        event_s: 0.0,
        interval_s,
        spread: Span::new(0.5, 1.6),
        pause: Probability::new(0.1),
        pause_s: Span::new(0.5, 3.0),
    };
    let first_s = Span::new(0.0, interval_s.min(0.5 * len as f32 / RATE_HZ));
    let mut struck = vec![0.0; len];
    rhythm.play(first_s, len, rng, |position, rng| {
        let strength = amplitude(Span::new(-14.0, 0.0).draw(rng));
        let pitch = 1.0 + alike * uniform(rng.random());
        let out = &mut struck[position..];
        body.iter()
            .for_each(|mode| add_mode(out, mode, pitch, strength));
        add_contact(out, contact * strength, rng);
    });
    struck
}

fn body(rng: &mut ChaCha8Rng) -> Vec<Mode> {
    let lowest_hz = Span::new(150.0, 4000.0).draw_log(rng);
    let decay_ms = Span::new(15.0, 800.0).draw_log(rng);
    let damping = Span::new(0.3, 1.2).draw(rng);
    let mut hz = lowest_hz;
    let mut modes = Vec::new();
    for _ in 0..Span::new(1.0, 9.0).draw_count(rng) {
        if hz >= HIGHEST_HZ {
            break;
        }
        modes.push(Mode {
            hz,
            decay_ms: decay_ms * (lowest_hz / hz).powf(damping) * Span::new(0.6, 1.4).draw(rng),
            strength: amplitude(Span::new(-24.0, 0.0).draw(rng)),
        });
        hz *= Span::new(1.12, 2.0).draw(rng);
    }
    modes
}

fn add_mode(out: &mut [f32], mode: &Mode, pitch: f32, strength: f32) {
    let decay_samples = mode.decay_ms * RATE_HZ / 1000.0;
    let decay = (-1.0 / decay_samples).exp();
    let (sin, cos) = (TAU * pitch * mode.hz.min(HIGHEST_HZ / pitch) / RATE_HZ).sin_cos();
    let (mut re, mut im) = (strength * mode.strength, 0.0f32);
    // 7 time constants: −60 dB.
    for sample in out.iter_mut().take((7.0 * decay_samples) as usize) {
        // From zero, without a step.
        *sample += im;
        (re, im) = (decay * (re * cos - im * sin), decay * (re * sin + im * cos));
    }
}

/// The noise of the blow itself.
fn add_contact(out: &mut [f32], strength: f32, rng: &mut ChaCha8Rng) {
    let decay_samples = Span::new(0.3, 4.0).draw_log(rng) * RATE_HZ / 1000.0;
    let mut envelope = strength;
    for sample in out.iter_mut().take((7.0 * decay_samples) as usize) {
        *sample += envelope * uniform(rng.random());
        envelope *= 1.0 - 1.0 / decay_samples;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::level::rms;
    use super::*;

    #[test]
    fn a_mode_begins_without_a_step_and_has_died_away_after_seven_of_its_decays() {
        let mode = Mode {
            hz: 1000.0,
            decay_ms: 50.0,
            strength: 1.0,
        };
        let mut out = vec![0.0; 48_000];
        add_mode(&mut out, &mode, 1.0, 1.0);
        assert_eq!(out[0], 0.0);
        let [first, later] = [0, 2400].map(|at| rms(&out[at..at + 480]));
        assert!((later / first - (-1f32).exp()).abs() < 0.01);
        assert!(rms(&out[16_800..]) == 0.0 && out[16_700].abs() < 2e-3);
    }

    #[test]
    fn something_is_struck_in_any_stretch() {
        for seed in 0..20 {
            let struck = generate(12_000, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(rms(&struck) > 0.0 && struck.iter().all(|x| x.is_finite()));
        }
    }
}
