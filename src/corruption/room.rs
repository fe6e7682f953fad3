//! Rooms: simulated shoeboxes and measured impulse responses.
//!
//! The simulation uses the image-source method (Allen & Berkley, 1979) for the first 60 ms and an
//! exponentially decaying noise after that, at the energy density the images would have: 4πc/V
//! per second with a direct sound of 1 at 1 m. High frequencies decay faster, as in air and cloth.

use std::f32::consts::{FRAC_PI_2, PI};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::RATE_HZ;
use super::convolution::convolve;
use super::draw::{Probability, Span, uniform};
use super::level::peak;

const SOUND_M_PER_S: f32 = 343.0;
/// Images up to here, noise from the start of the cross-fade on; in seconds after the emission.
const IMAGES_END_S: f32 = 0.06;
const TAIL_START_S: f32 = 0.04;
/// What of a response is longer is cut.
const LONGEST_S: f32 = 2.0;
/// Reflections up to here stay in the target, those after fade out until the end of the early part.
const EARLY_WHOLE_S: f32 = 0.02;
const EARLY_END_S: f32 = 0.05;
/// Above this frequency the tail decays faster.
const DAMPED_ABOVE_HZ: f32 = 3000.0;

/// How often there is a room, and which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Room {
    /// How often there is one.
    pub probability: Probability,
    /// How often it is a measured one, where there are any.
    pub measured: Probability,
    /// Reverberation time of a simulated room, in seconds.
    pub rt60_s: Span,
    /// Distance from mouth to microphone in a simulated room, in metres.
    pub distance_m: Span,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            probability: Probability::new(0.4),
            measured: Probability::new(0.2),
            rt60_s: Span::new(0.1, 0.8),
            distance_m: Span::new(0.2, 3.0),
        }
    }
}

impl Room {
    /// Never used.
    pub fn off() -> Self {
        Self {
            probability: Probability::NEVER,
            ..Self::default()
        }
    }

    /// The response for one clip, or None for a dry one.
    pub fn draw(&self, measured: Option<&Rooms>, rng: &mut ChaCha8Rng) -> Option<Response> {
        if !self.probability.hit(rng) {
            return None;
        }
        if let Some(rooms) = measured
            && !rooms.is_empty()
            && self.measured.hit(rng)
        {
            return Some(rooms.responses[rng.random_range(0..rooms.responses.len())].clone());
        }
        let rt60_s = self.rt60_s.draw(rng);
        Some(Response::simulate(
            rt60_s,
            self.distance_m.draw_log(rng),
            rng,
        ))
    }
}

/// Measured impulse responses.
#[derive(Default)]
pub struct Rooms {
    responses: Vec<Response>,
}

impl Rooms {
    /// From recordings of impulse responses at 48 kHz; silent ones are left out.
    pub fn new(recordings: impl IntoIterator<Item = Vec<f32>>) -> Self {
        let responses = recordings
            .into_iter()
            .filter_map(Response::measured)
            .collect();
        Self { responses }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }
}

/// An impulse response whose direct sound has the amplitude 1.
#[derive(Clone, Debug)]
pub struct Response {
    taps: Vec<f32>,
    /// Where the direct sound is; the part before is the ringing of the measurement.
    direct: usize,
}

impl Response {
    /// None for silence.
    fn measured(mut taps: Vec<f32>) -> Option<Self> {
        let highest = peak(&taps);
        let direct = taps.iter().position(|tap| tap.abs() == highest)?;
        if !(highest > 0.0 && highest.is_finite()) {
            return None;
        }
        // The delay before the direct sound is of no use; a little ringing is.
        let start = direct.saturating_sub((0.001 * RATE_HZ) as usize);
        taps.drain(..start);
        taps.truncate((LONGEST_S * RATE_HZ) as usize);
        let direct = direct - start;
        let gain = 1.0 / taps[direct];
        taps.iter_mut().for_each(|tap| *tap *= gain);
        Some(Self { taps, direct })
    }

    /// A shoebox of random size with the reverberation time `rt60_s` (at mid frequencies).
    pub fn simulate(rt60_s: f32, distance_m: f32, rng: &mut ChaCha8Rng) -> Self {
        let size = [
            Span::new(3.0, 9.0),
            Span::new(2.5, 6.0),
            Span::new(2.3, 3.5),
        ]
        .map(|side| side.draw(rng));
        let [microphone, source] = places(size, distance_m, rng);
        let direct_m = distance(microphone, source);
        let direct = (direct_m / SOUND_M_PER_S * RATE_HZ) as usize;

        let decay_s = rt60_s.clamp(0.02, LONGEST_S);
        let end = direct + (decay_s.max(IMAGES_END_S) * RATE_HZ) as usize;
        let mut taps = vec![0.0; end];
        add_images(&mut taps, size, microphone, source, decay_s);
        add_tail(&mut taps, size, decay_s, rng);
        taps.drain(..direct.min(end - 1));
        taps.iter_mut().for_each(|tap| *tap *= direct_m);
        Self { taps, direct: 0 }
    }

    /// The impulse response; the direct sound has the amplitude 1.
    pub fn taps(&self) -> &[f32] {
        &self.taps
    }

    /// The sound in the room, aligned with `dry`.
    pub fn reverberate(&self, dry: &[f32]) -> Vec<f32> {
        let [wet] = convolve(dry, [&self.taps], self.direct);
        wet
    }

    /// The sound in the room, and what of it is direct or early: the two are aligned with `dry`.
    pub fn reverberate_with_early(&self, dry: &[f32]) -> [Vec<f32>; 2] {
        let whole = self.direct + (EARLY_WHOLE_S * RATE_HZ) as usize;
        let end = self.direct + (EARLY_END_S * RATE_HZ) as usize;
        let mut early = self.taps.clone();
        early.truncate(end);
        for (n, tap) in early.iter_mut().enumerate().skip(whole) {
            let position = (n - whole) as f32 / (end - whole) as f32;
            *tap *= 0.5 + 0.5 * (PI * position).cos();
        }
        convolve(dry, [&self.taps, &early], self.direct)
    }
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
    use super::super::biquad::{Biquad, Cascade};
    use super::*;
    use rand::SeedableRng;

    /// Reverberation time by Schroeder's backward integration, −5 to −25 dB, around 1 kHz.
    fn measured_rt60(response: &Response) -> f32 {
        let mut band = response.taps.clone();
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
                    measured_rt60(&Response::simulate(rt60_s, 1.5, &mut rng))
                })
                .collect();
            let mean = measured.iter().sum::<f32>() / seeds as f32;
            assert!(
                (mean / rt60_s - 1.0).abs() < 0.15,
                "wanted {rt60_s}, measured {measured:?}"
            );
        }
    }

    #[test]
    fn direct_sound_stays_in_place_and_in_the_target() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut late = vec![0.0; 9000];
        late[700] = 0.5;
        late[5000] = 0.2;
        let measured = Rooms::new([late, vec![0.0; 10]]);
        assert_eq!(measured.responses.len(), 1);
        for response in [
            Response::simulate(0.5, 0.5, &mut rng),
            measured.responses[0].clone(),
        ] {
            let mut click = vec![0.0; 20_000];
            click[100] = 1.0;
            let [wet, early] = response.reverberate_with_early(&click);
            assert!((wet[100] - 1.0).abs() < 0.2 && (early[100] - wet[100]).abs() < 1e-3);
            let late = 100 + (EARLY_END_S * RATE_HZ) as usize;
            assert!(peak(&early[late + 1..]) < 1e-5 && peak(&wet[late + 1..]) > 1e-3);
        }
    }
}
