//! One channel's way through the worker.
//!
//! ```text
//! input ─ gain ─┬──────────────┬─ (1−n) ─┬─ delay ─ (1 − Σ shares) ─┬─ output
//!               └─ + corruption ──── n ──┴─ model ──────── share ───┘
//! ```
//! The dry path is delayed as much as the model delays, so no crossfade combs. Mode, attenuation
//! limit and mix are nothing but the noise share n and the model's share, and every change of them
//! is a ramp. A model that was at rest first runs unheard until it knows the sound, and a change
//! of model happens when the new one does.

use std::time::Duration;

use super::Corruption;
use super::denoise::Denoise;
use super::ramp::Ramp;
use super::settings::Sound;
use super::stats::Level;
use crate::dsp::level::is_digital_silence;

/// How long a model hears before it is heard.
const WARM_UP_S: f64 = 0.1;
/// No sound is 24 dB above full scale.
const LOUDEST: f32 = 16.0;

/// One channel: gain, corruption, models and the dry path.
pub struct Lane {
    gain: Ramp,
    noise: Ramp,
    corruption: Option<Corruption>,
    /// The full model, then the light one if there is one.
    tiers: Vec<Tier>,
    active: Option<usize>,
    delay: Vec<f32>,
    /// Length of a frame.
    frame_s: f64,
    warm_up_frames: usize,
    silent_frames: u64,
    idle_frames: u64,
    corrupted: Vec<f32>,
    dry: Vec<f32>,
}

struct Tier {
    model: Box<dyn Denoise>,
    share: Ramp,
    /// Frames heard since it was last reset; 0 while it rests.
    heard: usize,
    output: Vec<f32>,
}

/// Mean squares of one frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Powers {
    pub captured: f32,
    /// What the model hears, delayed to be in line with `played`.
    pub dry: f32,
    pub played: f32,
}

impl Powers {
    /// Sums over channels.
    pub fn add(&mut self, other: Self) {
        self.captured += other.captured;
        self.dry += other.dry;
        self.played += other.played;
    }

    /// Moves a `share` of the way to `other`: a running mean.
    pub fn approach(&mut self, other: Self, share: f32) {
        self.captured += share * (other.captured - self.captured);
        self.dry += share * (other.dry - self.dry);
        self.played += share * (other.played - self.played);
    }
}

impl Lane {
    /// A lane of the given models, which must all delay equally; the first one's frames are the lane's.
    pub fn new(models: Vec<Box<dyn Denoise>>, sound: &Sound, idle_after: Duration) -> Self {
        let frame = models.first().map_or(0, |model| model.frame_samples());
        let delay = models.first().map_or(0, |model| model.delay_samples());
        let frame_s = frame as f64 / f64::from(crate::SAMPLE_RATE_HZ);
        let tier = |model| Tier {
            model,
            share: Ramp::new(0.0),
            heard: 0,
            output: vec![0.0; frame],
        };
        let mut lane = Self {
            gain: Ramp::new(amplitude(sound.input_gain_db)),
            noise: Ramp::new(f32::from(sound.mode.corrupts())),
            corruption: None,
            tiers: models.into_iter().map(tier).collect(),
            active: None,
            delay: Vec::with_capacity(delay + frame),
            frame_s,
            warm_up_frames: (WARM_UP_S / frame_s).ceil() as usize,
            silent_frames: 0,
            idle_frames: 0,
            corrupted: vec![0.0; frame],
            dry: vec![0.0; frame],
        };
        lane.delay.resize(delay, 0.0);
        lane.set_idle_after(idle_after);
        // The first frame has no past that a model would have to hear first.
        let wet = wet_share(sound);
        if let Some(tier) = lane.tiers.first_mut().filter(|_| wet > 0.0) {
            tier.share = Ramp::new(wet);
            tier.heard = lane.warm_up_frames;
            lane.active = Some(0);
        }
        lane
    }

    /// Replaces the noise of the corrupting modes.
    pub fn set_corruption(&mut self, corruption: Option<Corruption>) {
        self.corruption = corruption;
    }

    /// What [`Lane::set_corruption`] set.
    pub fn into_corruption(self) -> Option<Corruption> {
        self.corruption
    }

    /// Samples that [`Lane::process`] takes at a time.
    pub fn frame_samples(&self) -> usize {
        self.dry.len()
    }

    /// How much later than the input the output is, in seconds.
    pub fn delay_s(&self) -> f64 {
        self.delay.len() as f64 / f64::from(crate::SAMPLE_RATE_HZ)
    }

    /// How long a digital silence must last for the models to rest.
    pub fn set_idle_after(&mut self, silence: Duration) {
        self.idle_frames = (silence.as_secs_f64() / self.frame_s) as u64;
    }

    /// Whether the models rest because there is nothing to clean.
    pub fn idle(&self) -> bool {
        self.silent_frames > self.idle_frames
    }

    /// Processes one frame in place, on the way to what `sound` asks for and `level` permits.
    pub fn process(&mut self, frame: &mut [f32], sound: &Sound, level: Level) -> Powers {
        for sample in frame.iter_mut() {
            // What a broken driver delivers must not stay in any memory.
            *sample = if sample.is_finite() {
                sample.clamp(-LOUDEST, LOUDEST)
            } else {
                0.0
            };
        }
        let captured = mean_square(frame);
        self.prepare_source(frame, sound);
        self.delay.extend_from_slice(frame);
        self.dry.copy_from_slice(&self.delay[..frame.len()]);
        self.delay.drain(..frame.len());
        let dry = mean_square(&self.dry);
        self.run_models(frame, sound, level);

        frame.copy_from_slice(&self.dry);
        for tier in self.tiers.iter_mut().filter(|tier| tier.heard > 0) {
            for ((out, dry), clean) in frame.iter_mut().zip(&self.dry).zip(&tier.output) {
                *out += tier.share.advance() * (clean - dry);
            }
        }
        Powers {
            captured,
            dry,
            played: mean_square(frame),
        }
    }

    /// Gain and corruption, and whether it is silent after them.
    fn prepare_source(&mut self, frame: &mut [f32], sound: &Sound) {
        self.gain.go_to(amplitude(sound.input_gain_db));
        for sample in frame.iter_mut() {
            *sample *= self.gain.advance();
        }
        self.noise.go_to(f32::from(sound.mode.corrupts()));
        if let Some(corrupt) = &mut self.corruption
            && !self.noise.rests_at(0.0)
        {
            self.corrupted.copy_from_slice(frame);
            corrupt(&mut self.corrupted);
            for (sample, noisy) in frame.iter_mut().zip(&self.corrupted) {
                *sample += self.noise.advance() * (noisy - *sample);
            }
        }
        if is_digital_silence(frame) {
            self.silent_frames += 1;
        } else {
            self.silent_frames = 0;
        }
    }

    fn run_models(&mut self, source: &[f32], sound: &Sound, level: Level) {
        let wet = wet_share(sound);
        let wanted = match level {
            _ if wet == 0.0 => None,
            Level::Full => Some(0),
            Level::Light => Some(self.tiers.len() - 1),
            Level::Bypass => None,
        };
        let idle = self.idle();
        let ready = wanted.is_none_or(|n| self.tiers[n].heard >= self.warm_up_frames || idle);
        if ready {
            self.active = wanted;
        }
        for (n, tier) in self.tiers.iter_mut().enumerate() {
            tier.share
                .go_to(if self.active == Some(n) { wet } else { 0.0 });
            let needed = wanted == Some(n) || !tier.share.rests_at(0.0);
            if !needed {
                tier.heard = 0;
                continue;
            }
            if tier.heard == 0 {
                tier.model.reset();
            }
            tier.heard += 1;
            if idle {
                tier.output.fill(0.0);
            } else {
                tier.model.process(source, &mut tier.output);
            }
        }
    }
}

/// How much of the model's output is heard.
fn wet_share(sound: &Sound) -> f32 {
    if sound.mode.cleans() {
        sound.mix * (1.0 - amplitude(-sound.atten_limit_db))
    } else {
        0.0
    }
}

fn mean_square(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
}

/// −∞ dB is 0.
fn amplitude(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::f32::consts::TAU;
    use std::rc::Rc;

    use super::super::Mode;
    use super::super::testing::{FRAME_SAMPLES, roughness, sine};
    use super::*;

    /// Takes everything down by `gain`, one frame later, and counts its work.
    struct Quieter {
        gain: f32,
        past: Vec<f32>,
        calls: Rc<Cell<usize>>,
    }

    impl Denoise for Quieter {
        fn frame_samples(&self) -> usize {
            FRAME_SAMPLES
        }

        fn delay_samples(&self) -> usize {
            FRAME_SAMPLES
        }

        fn process(&mut self, input: &[f32], output: &mut [f32]) {
            self.calls.set(self.calls.get() + 1);
            for (out, past) in output.iter_mut().zip(&self.past) {
                *out = self.gain * past;
            }
            self.past.copy_from_slice(input);
        }

        fn reset(&mut self) {
            self.past.fill(0.0);
        }
    }

    struct Bench {
        lane: Lane,
        sound: Sound,
        level: Level,
        calls: Rc<Cell<usize>>,
    }

    impl Bench {
        fn new(gains: &[f32], sound: Sound) -> Self {
            let calls = Rc::new(Cell::new(0));
            let model = |&gain| -> Box<dyn Denoise> {
                Box::new(Quieter {
                    gain,
                    past: vec![0.0; FRAME_SAMPLES],
                    calls: Rc::clone(&calls),
                })
            };
            let models = gains.iter().map(model).collect();
            Self {
                lane: Lane::new(models, &sound, Duration::from_secs(1)),
                sound,
                level: Level::Full,
                calls,
            }
        }

        fn run(&mut self, input: &[f32]) -> Vec<f32> {
            let mut output = input.to_vec();
            for frame in output.chunks_exact_mut(FRAME_SAMPLES) {
                self.lane.process(frame, &self.sound, self.level);
            }
            output
        }
    }

    fn in_mode(mode: Mode) -> Sound {
        Sound {
            mode,
            ..Sound::default()
        }
    }

    fn peak(samples: &[f32]) -> f32 {
        samples.iter().fold(0.0, |peak, x| x.abs().max(peak))
    }

    #[test]
    fn bypass_is_the_input_delayed_like_the_model() {
        let input = sine(440.0, 48_000.0, 4800);
        let output = Bench::new(&[0.1], in_mode(Mode::Bypass)).run(&input);
        assert_eq!(output[FRAME_SAMPLES..], input[..4800 - FRAME_SAMPLES]);
    }

    #[test]
    fn limit_and_mix_let_the_input_through() {
        let input = sine(440.0, 48_000.0, 48_000);
        for (atten_limit_db, mix, expected) in [
            (f32::INFINITY, 1.0, 0.0),
            (20.0, 1.0, 0.05),
            (f32::INFINITY, 0.5, 0.25),
            (0.0, 1.0, 0.5),
        ] {
            let sound = Sound {
                atten_limit_db,
                mix,
                ..Sound::default()
            };
            let level = peak(&Bench::new(&[0.0], sound).run(&input)[960..]);
            assert!((level - expected).abs() < 1e-4, "{level} for {expected}");
        }
    }

    #[test]
    fn every_change_of_mode_is_smooth() {
        // The roughness of the tone itself, and some for the fades.
        let limit = 1.5 * 0.5 * (TAU * 440.0 / 48_000.0).powi(2);
        for from in Mode::ALL {
            for to in Mode::ALL {
                let mut bench = Bench::new(&[0.2], in_mode(from));
                bench.lane.set_corruption(Some(Box::new(|frame| {
                    frame.iter_mut().for_each(|x| *x *= 1.4);
                })));
                let input = sine(440.0, 48_000.0, 96_000);
                bench.run(&input[..480]);
                let mut output = bench.run(&input[480..48_000]);
                bench.sound.mode = to;
                output.extend(bench.run(&input[48_000..]));
                let rough = roughness(&output[960..]);
                assert!(rough < 1.4 * limit, "{from} to {to}: {rough}");
                let noise = if to.corrupts() { 1.4 } else { 1.0 };
                let model = if to.cleans() { 0.2 } else { 1.0 };
                let end = peak(&output[80_000..]);
                assert!(
                    (end - 0.5 * noise * model).abs() < 1e-3,
                    "{from} to {to}: {end}"
                );
            }
        }
    }

    #[test]
    fn the_light_model_takes_over_without_a_gap() {
        let mut bench = Bench::new(&[0.2, 0.3], Sound::default());
        let input = sine(440.0, 48_000.0, 144_000);
        let mut output = bench.run(&input[..48_000]);
        bench.level = Level::Light;
        output.extend(bench.run(&input[48_000..96_000]));
        // At no time more than either model lets through: the dry path stays shut.
        assert!(peak(&output[960..]) < 0.151);
        assert!((peak(&output[80_000..]) - 0.15).abs() < 1e-3);
        bench.level = Level::Bypass;
        output.extend(bench.run(&input[96_000..]));
        assert!((peak(&output[120_000..]) - 0.5).abs() < 1e-3);
        assert!(roughness(&output[960..]) < 2.0 * 0.5 * (TAU * 440.0 / 48_000.0).powi(2));
    }

    #[test]
    fn silence_costs_nothing_and_the_onset_after_it_is_whole() {
        let mut bench = Bench::new(&[0.5], Sound::default());
        let tone = sine(440.0, 48_000.0, 9600);
        bench.run(&tone);
        bench.run(&vec![0.0; 48_000 * 2]);
        let before = bench.calls.get();
        let silence = bench.run(&vec![0.0; 48_000 * 10]);
        assert!(bench.lane.idle());
        assert_eq!(bench.calls.get(), before);
        assert_eq!(peak(&silence), 0.0);
        // The voice may begin anywhere in a frame.
        let mut onset = vec![0.0; 9600];
        onset[123..].copy_from_slice(&tone[..9600 - 123]);
        let output = bench.run(&onset);
        let expected = onset[..9600 - FRAME_SAMPLES].iter().map(|x| 0.5 * x);
        for (found, expected) in output[FRAME_SAMPLES..].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn bypass_does_not_run_the_model() {
        let mut bench = Bench::new(&[0.5], in_mode(Mode::Bypass));
        bench.run(&sine(440.0, 48_000.0, 48_000));
        assert_eq!(bench.calls.get(), 0);
    }

    #[test]
    fn broken_samples_leave_no_trace() {
        let mut bench = Bench::new(&[0.5], Sound::default());
        bench.run(&[f32::NAN; 480]);
        bench.run(&[f32::INFINITY; 480]);
        bench.run(&[f32::MAX; 480]);
        bench.run(&[0.1; 480]);
        let mut frame = [0.1; 480];
        let powers = bench.lane.process(&mut frame, &bench.sound, Level::Full);
        assert!(powers.captured < 0.02 && powers.played < 0.02);
        assert!(frame.iter().all(|x| (x - 0.05).abs() < 1e-6));
    }
}
