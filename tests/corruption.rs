//! The corruption process as training uses it: what a drawn pair promises.

use std::f32::consts::{PI, TAU};
use std::sync::LazyLock;

use denoised::corruption::clips::Clips;
use denoised::corruption::coloured::shaped_noise;
use denoised::corruption::draw::{Probability, Span};
use denoised::corruption::level::{active_rms, decibels, rms};
use denoised::corruption::noise::{Kind, Noise};
use denoised::corruption::{Corrupted, Recipe, Rooms, Sources};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use realfft::RealFftPlanner;

const RATE: usize = 48_000;

/// Syllables of a buzzing voice with pauses, 0.1 peak or so.
fn speech(seconds: f32) -> Vec<f32> {
    (0..(seconds * RATE as f32) as usize)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            let syllable = (3.0 * TAU * t).sin().max(0.0);
            let buzz: f32 = (1..30)
                .map(|k| (t * 140.0 * k as f32 * TAU).sin() / k as f32)
                .sum();
            0.1 * syllable * buzz
        })
        .collect()
}

/// What all tests mix from: four recordings of noise, one shorter than any clip, two voices and a
/// measured room.
struct Material {
    noise: Vec<Vec<f32>>,
    voices: Vec<Vec<f32>>,
    rooms: Rooms,
}

static MATERIAL: LazyLock<Material> = LazyLock::new(|| {
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    let mut noise =
        |seconds: f32| shaped_noise((seconds * RATE as f32) as usize, -1.0, &[], &mut rng);
    Material {
        noise: [0.3, 2.0, 5.0, 10.0].map(&mut noise).into(),
        voices: vec![speech(3.0), speech(7.0)],
        rooms: Rooms::new([noise(0.2)]),
    }
});

fn sources() -> Sources<'static> {
    Sources {
        noise: Some(&MATERIAL.noise),
        speech: Some(&MATERIAL.voices),
        rooms: Some(&MATERIAL.rooms),
    }
}

fn corrupt(recipe: &Recipe, clean: &[f32], seed: u64) -> Corrupted {
    recipe.corrupt(clean, &sources(), &mut ChaCha8Rng::seed_from_u64(seed))
}

fn only(kind: Kind, snr_db: f32) -> Recipe {
    Recipe {
        noise: Noise::exactly([kind], Span::fixed(snr_db)),
        ..Recipe::nothing()
    }
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Energy above `hz` over all energy, in dB, by one windowed spectrum.
fn share_above_db(samples: &[f32], hz: f32) -> f32 {
    let len = samples.len();
    let mut windowed: Vec<f32> = samples
        .iter()
        .enumerate()
        .map(|(n, x)| x * (PI * n as f32 / len as f32).sin().powi(4))
        .collect();
    let plan = RealFftPlanner::new().plan_fft_forward(len);
    let mut spectrum = plan.make_output_vec();
    plan.process(&mut windowed, &mut spectrum).unwrap();
    let energy = |bins: &[realfft::num_complex::Complex<f32>]| -> f64 {
        bins.iter().map(|bin| f64::from(bin.norm_sqr())).sum()
    };
    let bin = (hz / RATE as f32 * len as f32).ceil() as usize;
    10.0 * (energy(&spectrum[bin..]) / energy(&spectrum)).log10() as f32
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_ratio_of_speech_to_noise_is_the_requested_one(
        seed: u64,
        snr_db in -5f32..40.0,
        kind in prop::sample::select(vec![
            Kind::File, Kind::Coloured, Kind::White, Kind::Hum, Kind::Fan, Kind::Babble, Kind::Clicks,
            Kind::Struck, Kind::Calls,
        ]),
    ) {
        let clean = speech(2.0);
        let pair = corrupt(&only(kind, snr_db), &clean, seed);
        let noise = difference(&pair.noisy, &pair.target);
        let measured = decibels(active_rms(&pair.target) / rms(&noise));
        prop_assert!((measured - snr_db).abs() < 0.1, "{kind:?}: {measured} for {snr_db}");
        prop_assert_eq!(pair.snr_db, snr_db);
    }

    #[test]
    fn any_draw_is_finite_and_within_full_scale(seed: u64, seconds in 0f32..3.0) {
        let clean = speech(seconds);
        let pair = corrupt(&Recipe::default(), &clean, seed);
        prop_assert_eq!(pair.noisy.len(), clean.len());
        prop_assert_eq!(pair.target.len(), clean.len());
        prop_assert!(pair.noisy.iter().all(|x| x.abs() < 1.5));
        prop_assert!(pair.target.iter().all(|x| x.abs() <= 1.0001));
    }

    #[test]
    fn the_seed_decides_everything(seed in 0u64..1 << 40) {
        let clean = speech(1.0);
        let [a, b, c] = [seed, seed, seed + 1].map(|seed| corrupt(&Recipe::default(), &clean, seed));
        prop_assert!(a.noisy == b.noisy && a.target == b.target);
        prop_assert!(a.noisy != c.noisy);
    }
}

#[test]
fn a_band_limit_leaves_nothing_above_it_on_either_side() {
    let mut recipe = Recipe::default();
    recipe.band_limit.probability = Probability::ALWAYS;
    recipe.speech_free = Probability::NEVER;
    recipe.packet_loss.probability = Probability::NEVER;
    recipe.clipping.probability = Probability::ALWAYS;
    recipe.rumble.probability = Probability::NEVER;
    for seed in 0..12 {
        let pair = corrupt(&recipe, &speech(3.0), seed);
        assert!((3400.0..=20_000.0).contains(&pair.band_limit_hz));
        for side in [&pair.noisy, &pair.target] {
            let above = share_above_db(side, pair.band_limit_hz);
            assert!(
                above < -60.0,
                "seed {seed}, {} Hz: {above} dB",
                pair.band_limit_hz
            );
        }
        // And it is no more of a cut than it says.
        let below = share_above_db(&pair.noisy, 0.5 * pair.band_limit_hz);
        assert!(below > -60.0, "seed {seed}: {below} dB");
    }
}

#[test]
fn a_room_keeps_noisy_and_target_aligned() {
    let mut recipe = Recipe::nothing();
    recipe.room.probability = Probability::ALWAYS;
    let clean = shaped_noise(RATE / 2, 0.0, &[], &mut ChaCha8Rng::seed_from_u64(1));
    let correlation = |a: &[f32], b: &[f32], lag: usize| -> f64 {
        a[lag..].iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
    };
    for measured in [Probability::NEVER, Probability::ALWAYS] {
        recipe.room.measured = measured;
        for seed in 0..6 {
            let pair = corrupt(&recipe, &clean, seed);
            for (a, b) in [(&pair.noisy, &pair.target), (&pair.target, &clean)] {
                let peak = correlation(a, b, 0);
                let later = (1..700)
                    .map(|lag| correlation(a, b, lag))
                    .fold(0.0, f64::max);
                let earlier = (1..700)
                    .map(|lag| correlation(b, a, lag))
                    .fold(0.0, f64::max);
                assert!(
                    peak > later && peak > earlier,
                    "seed {seed}: {peak} {later} {earlier}"
                );
            }
            assert!(pair.noisy != pair.target);
        }
    }
}

#[test]
fn damage_touches_the_noisy_side_only() {
    let clean = speech(2.0);
    let with = |change: fn(&mut Recipe)| {
        let mut recipe = Recipe::nothing();
        change(&mut recipe);
        let pair = corrupt(&recipe, &clean, 4);
        assert!(pair.target == clean && pair.noisy != clean);
        pair.noisy
    };
    let peak = clean.iter().fold(0f32, |peak, x| peak.max(x.abs()));

    let clipped = with(|recipe| {
        recipe.clipping.probability = Probability::ALWAYS;
        recipe.clipping.soft = Probability::NEVER;
        recipe.clipping.depth_db = Span::fixed(6.0206);
    });
    assert!(clipped.iter().all(|x| x.abs() <= 0.5001 * peak));
    let quantised = with(|recipe| {
        recipe.quantisation.probability = Probability::ALWAYS;
        recipe.quantisation.mu_law = Probability::NEVER;
        recipe.quantisation.bits = Span::fixed(4.0);
    });
    let mut steps: Vec<i32> = quantised
        .iter()
        .map(|x| (x / peak * 8000.0).round() as i32)
        .collect();
    steps.sort_unstable();
    steps.dedup();
    assert!(steps.len() <= 17, "{} steps of 4 bits", steps.len());
    let lost = with(|recipe| {
        recipe.packet_loss.probability = Probability::ALWAYS;
        recipe.packet_loss.share = Span::fixed(0.2);
    });
    let kept = clean.iter().zip(&lost).filter(|(a, b)| a == b).count() as f32 / clean.len() as f32;
    assert!((0.65..0.95).contains(&kept), "{kept}");
    with(|recipe| recipe.rumble.probability = Probability::ALWAYS);
}

#[test]
fn untouched_clips_teach_identity_and_speech_free_ones_silence() {
    let clean = speech(2.0);
    let untouched = Recipe {
        untouched: Probability::ALWAYS,
        ..Recipe::default()
    };
    let silent = Recipe {
        untouched: Probability::NEVER,
        speech_free: Probability::ALWAYS,
        ..Recipe::default()
    };
    for seed in 0..20 {
        let pair = corrupt(&untouched, &clean, seed);
        assert!(pair.noisy == pair.target && pair.snr_db == f32::INFINITY);
        assert!(rms(&pair.target) > 0.0);
        let pair = corrupt(&silent, &clean, seed);
        assert!(pair.target.iter().all(|x| *x == 0.0) && rms(&pair.noisy) > 0.0);
        assert_eq!(pair.snr_db, f32::NEG_INFINITY);
    }
}

#[test]
fn silence_nothing_and_single_samples_are_corrupted_without_nan() {
    for clean in [
        vec![],
        vec![0.5],
        vec![0.0; 30_000],
        vec![0.0],
        vec![1e-30; 5000],
    ] {
        for seed in 0..30 {
            let pair = corrupt(&Recipe::default(), &clean, seed);
            assert_eq!(pair.noisy.len(), clean.len());
            assert!(
                pair.noisy.iter().chain(&pair.target).all(|x| x.is_finite()),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn sources_that_are_missing_or_empty_are_done_without() {
    struct Nothing;
    impl Clips for Nothing {
        fn draw(&self, _: &mut ChaCha8Rng, _: usize) -> Option<Vec<f32>> {
            None
        }
    }
    let empty = Sources {
        noise: Some(&Nothing),
        speech: Some(&Nothing),
        rooms: None,
    };
    for sources in [empty, Sources::default()] {
        for seed in 0..30 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let recipe = Recipe {
                untouched: Probability::NEVER,
                ..Recipe::default()
            };
            let pair = recipe.corrupt(&speech(0.5), &sources, &mut rng);
            assert!(pair.noisy != pair.target);
        }
        let pair = only(Kind::File, 0.0).corrupt(
            &speech(0.5),
            &sources,
            &mut ChaCha8Rng::seed_from_u64(1),
        );
        assert!(pair.noisy == pair.target && pair.snr_db == f32::INFINITY);
    }
}

#[test]
fn the_training_recipe_survives_toml_and_wrong_ones_are_explained() {
    let text = toml::to_string(&Recipe::default()).unwrap();
    assert_eq!(toml::from_str::<Recipe>(&text).unwrap(), Recipe::default());
    let partial: Recipe =
        toml::from_str("[noise]\nsnr_db = [0, 5]\nweights = { hum = 1 }").unwrap();
    assert_eq!(partial.noise.snr_db, Span::new(0.0, 5.0));
    assert_eq!(partial.room, Recipe::default().room);
    for (wrong, word) in [
        ("untouched = 1.5", "probability"),
        ("[noise]\nsnr_db = [5, 0]", "lower end first"),
        ("[nose]", "nose"),
    ] {
        let message = toml::from_str::<Recipe>(wrong).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn absurd_recipes_still_give_sound() {
    let absurd: Recipe = toml::from_str(
        "band_limit = { probability = 1, limit_hz = [0, 1] }
         level = { probability = 1, speech_dbfs = [-1e9, 1e9] }
         room = { probability = 1, measured = 0, rt60_s = [-1, 0], distance_m = [-5, 1e9] }
         noise = { snr_db = [-1e9, 1e9], file = { speed_probability = 1, speed = [-1, 1e9] } }",
    )
    .unwrap();
    for seed in 0..20 {
        let pair = corrupt(&absurd, &speech(0.3), seed);
        assert!(
            pair.noisy.iter().chain(&pair.target).all(|x| x.is_finite()),
            "seed {seed}"
        );
    }
}

/// `cargo test --release --test corruption -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn throughput() {
    let clean = speech(6.0);
    let clips = 200;
    let before = cpu_seconds();
    for seed in 0..clips {
        std::hint::black_box(corrupt(&Recipe::default(), &clean, seed));
    }
    let speed = clips as f64 * 6.0 / (cpu_seconds() - before);
    println!("{speed:.0} audio-seconds per CPU-second");
}

/// CPU time of this thread, which other programs on the machine do not change.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of this function.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}
