//! A simulated room: a shoebox with microphone and source at random places.
//!
//! The image-source method (Allen & Berkley, 1979) makes the first 60 ms; exponentially decaying
//! noise follows, at the energy density the images would have: 4πc/V per second where the direct
//! sound has 1 at 1 m. The noise's high frequencies decay faster, as in air and cloth.

use std::f32::consts::{FRAC_PI_2, PI};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::RATE_HZ;
use super::draw::{Span, uniform};

const SOUND_M_PER_S: f32 = 343.0;
/// Images up to here, noise from the start of the cross-fade on; in seconds after the emission.
const IMAGES_END_S: f32 = 0.06;
const TAIL_START_S: f32 = 0.04;
/// Above this frequency the tail decays faster.
const DAMPED_ABOVE_HZ: f32 = 3000.0;

/// The impulse response of a random room with the reverberation time `rt60_s` (at mid
/// frequencies), from the direct sound on, which has the amplitude 1.
pub fn simulate(rt60_s: f32, distance_m: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let size = [
        Span::new(3.0, 9.0),
        Span::new(2.5, 6.0),
        Span::new(2.3, 3.5),
    ]
    .map(|side| side.draw(rng));
    let [microphone, source] = places(size, distance_m, rng);
    let direct_m = distance(microphone, source);
    let direct = (direct_m / SOUND_M_PER_S * RATE_HZ) as usize;

    let mut taps = vec![0.0; direct + (rt60_s.max(IMAGES_END_S) * RATE_HZ) as usize];
    add_images(&mut taps, size, microphone, source, rt60_s);
    add_tail(&mut taps, size, rt60_s, rng);
    taps.drain(..direct);
    taps.iter_mut().for_each(|tap| *tap *= direct_m);
    taps
}

/// Places for microphone and source, `distance_m` apart where the room is large enough.
fn places(size: [f32; 3], distance_m: f32, rng: &mut ChaCha8Rng) -> [[f32; 3]; 2] {
    const WALL_M: f32 = 0.3;
    let microphone = size.map(|side| Span::new(WALL_M, side - WALL_M).draw(rng));
    let azimuth = PI * uniform(rng.random());
    let rise = 0.3 * uniform(rng.random());
    let flat = (1.0 - rise * rise).sqrt();
    let direction = [flat * azimuth.cos(), flat * azimuth.sin(), rise];
    let mut source = [0.0; 3];
    for axis in 0..3 {
        let wanted = microphone[axis] + distance_m * direction[axis];
        // Outside the room: to the other side, and into the room if that is outside too.
        let inside = WALL_M..=size[axis] - WALL_M;
        let mirrored = microphone[axis] - distance_m * direction[axis];
        let place = if inside.contains(&wanted) {
            wanted
        } else {
            mirrored
        };
        source[axis] = place.clamp(*inside.start(), *inside.end());
    }
    // Not on top of each other.
    if distance(microphone, source) < 0.1 {
        source[2] = if microphone[2] > size[2] / 2.0 {
            microphone[2] - 0.1
        } else {
            microphone[2] + 0.1
        };
    }
    [microphone, source]
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f32>()
        .sqrt()
}

/// Amplitude left after `seconds`: −60 dB after the reverberation time.
fn decay(seconds: f32, rt60_s: f32) -> f32 {
    (-6.9078 * seconds / rt60_s).exp()
}

fn add_images(
    taps: &mut [f32],
    size: [f32; 3],
    microphone: [f32; 3],
    source: [f32; 3],
    rt60_s: f32,
) {
    let reach_m = IMAGES_END_S * SOUND_M_PER_S;
    // Along each axis: the offsets of all images within reach, squared.
    let offsets = [0, 1, 2].map(|axis| {
        let count = (reach_m / (2.0 * size[axis])).ceil() as i32;
        (-count..=count)
            .flat_map(|n| [1.0, -1.0].map(|side| side * source[axis] + 2.0 * n as f32 * size[axis]))
            .map(|image| (image - microphone[axis]).powi(2))
            .filter(|square| *square < reach_m * reach_m)
            .collect::<Vec<f32>>()
    });
    for x in &offsets[0] {
        for y in &offsets[1] {
            for z in &offsets[2] {
                let meters = (x + y + z).sqrt();
                if meters >= reach_m {
                    continue;
                }
                let seconds = meters / SOUND_M_PER_S;
                let share = 1.0 - tail_share(seconds);
                // Walls absorb a share per hit, hits come at an even pace: the loss follows time.
                if let Some(tap) = taps.get_mut((seconds * RATE_HZ) as usize) {
                    *tap += share.sqrt() * decay(seconds, rt60_s) / meters;
                }
            }
        }
    }
}

fn add_tail(taps: &mut [f32], size: [f32; 3], rt60_s: f32, rng: &mut ChaCha8Rng) {
    let volume: f32 = size.iter().product();
    // Uniform noise of amplitude √3 has unit variance.
    let level = (3.0 * 4.0 * PI * SOUND_M_PER_S / (volume * RATE_HZ)).sqrt();
    let high_rt60_s = rt60_s * Span::new(0.4, 0.9).draw(rng);
    let smoothing = 1.0 - (-2.0 * PI * DAMPED_ABOVE_HZ / RATE_HZ).exp();
    let start = (TAIL_START_S * RATE_HZ) as usize;
    let per_sample = |rt60_s: f32| decay(1.0 / RATE_HZ, rt60_s);
    let (low_step, high_step) = (per_sample(rt60_s), per_sample(high_rt60_s));
    let mut low_gain = level * decay(TAIL_START_S, rt60_s);
    let mut high_gain = level * decay(TAIL_START_S, high_rt60_s);
    let mut low = 0.0;
    for (n, tap) in taps.iter_mut().enumerate().skip(start) {
        let white = uniform(rng.random());
        low += smoothing * (white - low);
        let share = tail_share(n as f32 / RATE_HZ);
        *tap += share.sqrt() * (low_gain * low + high_gain * (white - low));
        low_gain *= low_step;
        high_gain *= high_step;
    }
}

/// Share of the energy that the noise tail supplies at a time after the emission.
fn tail_share(seconds: f32) -> f32 {
    let position = ((seconds - TAIL_START_S) / (IMAGES_END_S - TAIL_START_S)).clamp(0.0, 1.0);
    (position * FRAC_PI_2).sin().powi(2)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::biquad::{Biquad, Cascade};
    use super::*;

    /// Reverberation time by Schroeder's backward integration, −5 to −25 dB, around 1 kHz.
    fn measured_rt60(taps: &[f32]) -> f32 {
        let mut band = taps.to_vec();
        Cascade::new([Biquad::band_pass(1000.0, 0.7); 3]).process(&mut band);
        let mut left: f64 = band.iter().map(|x| f64::from(x * x)).sum();
        let total = left;
        let [mut from, mut to] = [None, None];
        for (n, x) in band.iter().enumerate() {
            left -= f64::from(x * x);
            let db = 10.0 * (left / total).log10();
            if db <= -5.0 && from.is_none() {
                from = Some(n);
            }
            if db <= -25.0 && to.is_none() {
                to = Some(n);
            }
        }
        (to.unwrap() - from.unwrap()) as f32 / RATE_HZ * 3.0
    }

    #[test]
    fn reverberation_time_is_the_requested_one() {
        for rt60_s in [0.2, 0.4, 0.8] {
            let seeds = 12;
            let measured: Vec<f32> = (0..seeds)
                .map(|seed| {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    measured_rt60(&simulate(rt60_s, 1.5, &mut rng))
                })
                .collect();
            let mean = measured.iter().sum::<f32>() / seeds as f32;
            assert!(
                (mean / rt60_s - 1.0).abs() < 0.15,
                "wanted {rt60_s}, measured {measured:?}"
            );
        }
    }
}
