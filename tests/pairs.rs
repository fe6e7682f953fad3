//! Recorded pairs: what passes, what is left out and why, and training on them from the command line.

#[path = "common/wav.rs"]
mod wav;

use std::f32::consts::TAU;
use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use denoised::dsp::si_sdr::si_sdr_db;
use denoised::model::checkpoint::Checkpoint;
use denoised::training::batch::Examples;
use denoised::training::config::PairsConfig;
use denoised::training::corpus::Corpus;
use denoised::training::pairs::Pairs;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Device;

const RATE_HZ: u32 = 16_000;

/// Syllables of changing pitch with pauses: as hard to align as speech.
fn speech(seed: u64, seconds: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut samples = vec![0.0; (seconds * RATE_HZ as f32) as usize];
    for syllable in samples.chunks_mut(RATE_HZ as usize / 5) {
        let pitch_hz = rng.random_range(90.0f32..250.0);
        let length = syllable.len() as f32;
        for (n, sample) in syllable.iter_mut().enumerate() {
            let envelope = (TAU * n as f32 / length).sin().max(0.0);
            let harmonics = (1..20)
                .map(|k| (TAU * pitch_hz * k as f32 * n as f32 / RATE_HZ as f32).sin() / k as f32);
            *sample = 0.2 * envelope * harmonics.sum::<f32>();
        }
    }
    samples
}

fn noise(seed: u64, samples: usize, amplitude: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..samples)
        .map(|_| amplitude * rng.random_range(-1.0f32..1.0))
        .collect()
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// The folders `noisy` and `clean` below `root`.
struct Folders(PathBuf);

impl Folders {
    fn pair(&self, name: &str, noisy: &[f32], clean: &[f32]) {
        wav::write(&self.0.join("noisy").join(name), noisy, RATE_HZ);
        wav::write(&self.0.join("clean").join(name), clean, RATE_HZ);
    }

    fn good(&self, name: &str, seed: u64) {
        let clean = speech(seed, 3.0);
        let noisy = sum(&clean, &noise(seed, clean.len(), 0.1));
        self.pair(name, &noisy, &clean);
    }
}

#[test]
fn every_kind_of_bad_pair_is_named_with_its_fault() {
    let folder = tempfile::tempdir().unwrap();
    let folders = Folders(folder.path().to_owned());
    folders.good("deep/down/good.wav", 1);
    let clean = speech(2, 3.0);
    let rush = noise(2, clean.len(), 0.1);
    let noisy = sum(&clean, &rush);
    folders.pair("silent-clean.wav", &noisy, &vec![0.0; clean.len()]);
    folders.pair("silent-noisy.wav", &vec![0.0; clean.len()], &clean);
    folders.pair("swapped.wav", &clean, &noisy);
    folders.pair("other.wav", &noisy, &speech(3, 3.0));
    folders.pair("length.wav", &noisy, &clean[..RATE_HZ as usize]);
    folders.pair("rate.wav", &noisy, &clean);
    wav::write(&folder.path().join("clean/rate.wav"), &clean, 22_050);
    folders.pair("broken.wav", &noisy, &clean);
    fs::write(folder.path().join("noisy/broken.wav"), b"RIFF....").unwrap();
    wav::write(&folder.path().join("noisy/alone.wav"), &noisy, RATE_HZ);

    let corpus = Corpus::new(Some(folder.path().join("cache"))).unwrap();
    let checked = Pairs::open(
        &folder.path().join("noisy"),
        &folder.path().join("clean"),
        &PairsConfig::default(),
        &corpus,
    )
    .unwrap();
    assert_eq!(checked.pairs.count(), 1, "{:?}", checked.left_out);
    let reason = |name: &str| {
        let mut all = checked.left_out.iter();
        let found = all.find(|(path, _)| path.contains(name));
        found
            .unwrap_or_else(|| panic!("{name} is not named"))
            .1
            .clone()
    };
    for (name, words) in [
        ("silent-clean", "the clean file is silent"),
        ("silent-noisy", "the noisy file is silent"),
        ("swapped", "swapped?"),
        ("other", "does not hold the sound"),
        ("length", "only 1.0 s are common"),
        ("rate", "16000 Hz, the clean one 22050 Hz"),
        ("broken", "the noisy file cannot be decoded"),
        ("alone", "has no file of this name"),
    ] {
        assert!(reason(name).contains(words), "{name}: {}", reason(name));
    }
}

#[test]
fn misaligned_and_inverted_pairs_are_laid_over_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let folders = Folders(folder.path().to_owned());
    let clean = speech(5, 3.0);
    let rush = noise(5, clean.len(), 0.02);
    // The clean recording began 0.3 s earlier than the noisy one, upside down and four times as loud.
    let early = 4800;
    let loud: Vec<f32> = clean.iter().map(|x| -4.0 * 0.2 * x).collect();
    let quiet: Vec<f32> = sum(&clean[early..], &rush)
        .iter()
        .map(|x| 0.2 * x)
        .collect();
    folders.pair("moved.wav", &quiet, &loud);

    let corpus = Corpus::new(Some(folder.path().join("cache"))).unwrap();
    let config = PairsConfig {
        level_probability: 0.0,
        ..PairsConfig::default()
    };
    let [noisy, clean] = ["noisy", "clean"].map(|side| folder.path().join(side));
    let checked = Pairs::open(&noisy, &clean, &config, &corpus).unwrap();
    assert!(checked.left_out.is_empty(), "{:?}", checked.left_out);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..5 {
        let example = checked.pairs.draw(&mut rng, 48_000);
        let fit = si_sdr_db(&example.target, &example.noisy);
        assert!(fit > 12.0, "{fit} dB");
        // Not only scale-invariantly: level and sign fit, too.
        let product: f32 = example
            .noisy
            .iter()
            .zip(&example.target)
            .map(|(a, b)| a * b)
            .sum();
        let energy: f32 = example.target.iter().map(|x| x * x).sum();
        assert!((product / energy - 1.0).abs() < 0.1, "{}", product / energy);
        assert_eq!(example.bandwidth_hz, 8000.0);
    }
}

#[test]
fn sides_that_exceed_full_scale_keep_their_levels_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let clean = speech(6, 3.0);
    let noisy = sum(&clean, &noise(6, clean.len(), 0.1));
    let highest = noisy.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let [noisy, clean] = [("noisy", noisy), ("clean", clean)].map(|(side, samples)| {
        let side = folder.path().join(side);
        fs::create_dir(&side).unwrap();
        let mut writer = hound::WavWriter::create(side.join("loud.wav"), spec).unwrap();
        for sample in samples {
            writer.write_sample(1.3 / highest * sample).unwrap();
        }
        writer.finalize().unwrap();
        side
    });
    let corpus = Corpus::new(Some(folder.path().join("cache"))).unwrap();
    let config = PairsConfig {
        level_probability: 0.0,
        ..PairsConfig::default()
    };
    let checked = Pairs::open(&noisy, &clean, &config, &corpus).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let example = checked.pairs.draw(&mut rng, 96_000);
    let sides = example.noisy.iter().zip(&example.target);
    let product: f32 = sides.map(|(a, b)| a * b).sum();
    let energy: f32 = example.target.iter().map(|x| x * x).sum();
    assert!(
        (product / energy - 1.0).abs() < 0.05,
        "{}",
        product / energy
    );
}

#[test]
fn pairs_alone_train_a_model_and_a_seed_reproduces_it() {
    let folder = tempfile::tempdir().unwrap();
    let folders = Folders(folder.path().to_owned());
    for seed in 0..3 {
        folders.good(&format!("{seed}.wav"), seed);
    }
    let recipe = "batch_clips = 2\nclip_seconds = 0.5\nvalidation_clips = 2\n[model]\nbands = 24\n\
                  pattern_group_bands = 8\nfilter_bins = 16\nfilter_taps = 2\nchannels = 16\nlatent = 8\n\
                  context_dilations = [1]\nrecurrences = 1\n";
    fs::write(folder.path().join("tiny.toml"), recipe).unwrap();
    let train = |out: &str, seed: &str| -> Checkpoint {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("denoised"));
        let arguments = format!(
            "train --pairs noisy clean --config tiny.toml --updates 3 --threads 1 --cache cache --out {out} --seed {seed}"
        );
        command
            .current_dir(folder.path())
            .args(arguments.split(' '))
            .assert()
            .success();
        Checkpoint::load(&folder.path().join(out), Device::Cpu).unwrap()
    };
    let [first, again, other] = [
        ("a.safetensors", "7"),
        ("b.safetensors", "7"),
        ("c.safetensors", "8"),
    ]
    .map(|(out, seed)| train(out, seed));
    let differs = |other: &Checkpoint| {
        let mut tensors = first.tensors.iter();
        tensors.any(|(name, tensor)| !tensor.equal(&other.tensors[name]))
    };
    assert!(!differs(&again) && differs(&other));
}
