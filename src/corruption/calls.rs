//! Calls: birds, whistles, squeaking doors and toys, as short gliding tones with few harmonics, the same again and again.

use std::f32::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::RATE_HZ;
use super::draw::{Probability, Span, uniform};
use super::level::amplitude;
use super::rhythm::Rhythm;

const HIGHEST_HZ: f32 = 20_000.0;

/// One call.
struct Call {
    hz: f32,
    /// From its beginning to its end.
    glide_octaves: f32,
    trill_hz: f32,
    trill_octaves: f32,
    /// Amplitudes of the tone and its harmonics.
    harmonics: Vec<f32>,
    /// Share of the tone that is chopped by noise.
    roughness: f32,
    seconds: f32,
}

/// `len` samples with calls at random intervals, at an arbitrary level; at least one call.
pub fn generate(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let call = call(rng);
    let rhythm = Rhythm {
        event_s: call.seconds,
        interval_s: Span::new(0.03, 1.5).draw_log(rng),
        spread: Span::new(0.6, 1.5),
        pause: Probability::new(0.15),
        pause_s: Span::new(0.5, 3.0),
    };
    let first_s = Span::new(0.0, 0.4 * (len as f32 / RATE_HZ).min(2.0));
    let mut calls = vec![0.0; len];
    rhythm.play(first_s, len, rng, |position, rng| {
        let strength = amplitude(Span::new(-10.0, 0.0).draw(rng));
        let pitch = 1.0 + 0.03 * uniform(rng.random());
        add_call(&mut calls[position..], &call, pitch, strength, rng);
    });
    calls
}

fn call(rng: &mut ChaCha8Rng) -> Call {
    // Above the pitch of voices.
    let hz = Span::new(600.0, 6000.0).draw_log(rng);
    let count = Span::new(1.0, 6.0).draw_count(rng);
    let tilt_db = Span::new(3.0, 15.0).draw(rng);
    let harmonic = |n: usize, jitter: f32| amplitude(-tilt_db * n as f32 + 6.0 * jitter);
    Call {
        hz,
        glide_octaves: 0.8 * uniform(rng.random()),
        trill_hz: Span::new(5.0, 60.0).draw_log(rng),
        trill_octaves: if rng.random() {
            Span::new(0.01, 0.3).draw_log(rng)
        } else {
            0.0
        },
        harmonics: (0..count)
            .map(|n| harmonic(n, uniform(rng.random())))
            .collect(),
        roughness: rng.random::<f32>().powi(2),
        seconds: Span::new(0.04, 0.7).draw_log(rng),
    }
}

fn add_call(out: &mut [f32], call: &Call, pitch: f32, strength: f32, rng: &mut ChaCha8Rng) {
    let samples = call.seconds * RATE_HZ;
    let (mut phase, mut chopped) = (0.0f32, 0.0f32);
    for (n, sample) in out.iter_mut().take(samples as usize).enumerate() {
        let (at, seconds) = (n as f32 / samples, n as f32 / RATE_HZ);
        let octaves = call.glide_octaves * (at - 0.5)
            + call.trill_octaves * (TAU * call.trill_hz * seconds).sin();
        let hz = call.hz * pitch * octaves.exp2();
        phase = (phase + TAU * hz / RATE_HZ) % TAU;
        let audible = call.harmonics.iter().enumerate();
        let tone: f32 = audible
            .map(|(k, amplitude)| (k as f32 + 1.0, amplitude))
            .filter(|(k, _)| k * hz < HIGHEST_HZ)
            .map(|(k, amplitude)| amplitude * (k * phase).sin())
            .sum();
        // Noise up to some 200 Hz.
        chopped += 0.03 * (uniform(rng.random()) - chopped);
        let roughness = 1.0 + call.roughness * (8.0 * chopped - 1.0).clamp(-1.0, 1.0);
        *sample += strength * (PI * at).sin() * roughness * tone;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::biquad::{Biquad, Cascade};
    use super::super::level::rms;
    use super::*;

    #[test]
    fn calls_lie_above_the_pitch_of_voices() {
        for seed in 0..20 {
            let mut calls = generate(96_000, &mut ChaCha8Rng::seed_from_u64(seed));
            let all = rms(&calls);
            Cascade::new([Biquad::low_pass(120.0, 0.7), Biquad::low_pass(120.0, 0.7)])
                .process(&mut calls);
            let low = rms(&calls);
            assert!(all > 0.0 && low < 0.2 * all, "seed {seed}: {low} of {all}");
        }
    }
}
