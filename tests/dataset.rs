//! `denoised data check` on recordings with known faults, and the judgement of a room's noise.

#[path = "common/wav.rs"]
mod wav;

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use denoised::audio::decode::read_mono;
use denoised::dataset::room::Room;
use denoised::model::Model;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Device;

const RATE_HZ: u32 = 48_000;

fn write(path: &Path, samples: &[f32]) {
    wav::write(path, samples, RATE_HZ);
}

fn noise(seconds: f32, rms: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let amplitude = rms * 3f32.sqrt();
    (0..(seconds * RATE_HZ as f32) as usize)
        .map(|_| amplitude * rng.random_range(-1.0f32..1.0))
        .collect()
}

/// Harmonics of 200 Hz up to `top_hz`, on for the first half of each second.
fn voice(seconds: f64, top_hz: f64, amplitude: f64) -> Vec<f32> {
    let harmonics = (top_hz / 200.0) as usize;
    (0..(seconds * f64::from(RATE_HZ)) as usize)
        .map(|n| {
            let time = n as f64 / f64::from(RATE_HZ);
            let sum: f64 = (1..=harmonics)
                .map(|k| (TAU * 200.0 * k as f64 * time + (k * k) as f64).sin())
                .sum();
            // Ramps of 20 ms: a sudden start would be a click, which has every frequency.
            let into_s = time.fract().min(0.5 - time.fract()).clamp(0.0, 0.02);
            let gain = 0.5 - 0.5 * (TAU * 25.0 * into_s).cos();
            (gain * amplitude * sum / (harmonics as f64).sqrt()) as f32
        })
        .collect()
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn check(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("denoised"));
    let output = command
        .args(["data", "check"])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn faults_of_recordings_are_measured_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let quiet = noise(6.0, 0.001);
    write(
        &path("good/a.wav"),
        &sum(&voice(6.0, 23_800.0, 0.1), &quiet),
    );
    write(
        &path("narrow/a.wav"),
        &sum(&voice(6.0, 7000.0, 0.1), &noise(6.0, 1e-5)),
    );
    write(
        &path("clipped/a.wav"),
        &sum(&voice(6.0, 23_800.0, 1.0), &quiet),
    );
    // The voice has an RMS of 0.1 / √2 while it is on: 17 dB over 0.01, 37 over 0.001.
    write(
        &path("noisy/a.wav"),
        &sum(&voice(6.0, 23_800.0, 0.1), &noise(6.0, 0.01)),
    );
    write(&path("gated/a.wav"), &voice(6.0, 23_800.0, 0.1));
    write(&path("silent/a.wav"), &vec![0.0; 96_000]);
    fs::create_dir_all(path("the-copy")).unwrap();
    fs::copy(path("good/a.wav"), path("the-copy/b.wav")).unwrap();
    fs::write(path("good/broken.wav"), "not audio").unwrap();

    let root = folder.path().to_str().unwrap();
    let (code, json, _) = check(&["--json", root]);
    assert_eq!(code, 0);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let folder_of = |name: &str| {
        let mut all = report["folders"].as_array().unwrap().iter();
        all.find(|folder| folder["label"].as_str().unwrap().ends_with(name))
            .unwrap()
            .clone()
    };
    let near = |name: &str, key: &str, wanted: f64, tolerance: f64| {
        let value = folder_of(name)[key].as_f64().unwrap();
        assert!(
            (value - wanted).abs() <= tolerance,
            "{name}: {key} is {value}, not {wanted}"
        );
    };
    near("good", "bandwidth_hz", 24_000.0, 0.0);
    near("good", "clipped", 0.0, 0.0);
    near("narrow", "bandwidth_hz", 7000.0, 500.0);
    near("gated", "digital_silence", 0.5, 0.02);
    near("silent", "silent_files", 1.0, 0.0);
    near("good", "speech_over_floor_db", 37.0, 1.0);
    near("noisy", "speech_over_floor_db", 17.2, 1.0);
    assert!(folder_of("clipped")["clipped"].as_f64().unwrap() > 0.01);
    let advice = |name: &str| folder_of(name)["advice"].to_string();
    assert_eq!(advice("good"), "[]");
    for (name, words) in [
        ("narrow", "put 7"),
        ("clipped", "less gain"),
        ("noisy", "not clean"),
        ("gated", "digital silence"),
        ("silent", "without any sound"),
    ] {
        assert!(advice(name).contains(words), "{name}: {}", advice(name));
    }
    assert!(!advice("gated").contains("not clean"));
    let duplicates = report["duplicates"].to_string();
    assert!(
        duplicates.contains("the-copy/b.wav") && duplicates.contains("good/a.wav"),
        "{duplicates}"
    );
    assert!(report["unreadable"].to_string().contains("broken.wav"));

    let (code, text, _) = check(&[root]);
    assert!(
        code == 0 && text.contains("over floor dB") && text.contains("→"),
        "{text}"
    );
}

#[test]
fn nothing_usable_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let (code, _, error) = check(&[root]);
    assert!(code == 1 && error.contains("names no audio"), "{error}");
    write(&folder.path().join("a.wav"), &vec![0.0; 9600]);
    let (code, _, error) = check(&[root]);
    assert!(code == 1 && error.contains("nothing usable"), "{error}");
    let (code, _, _) = check(&["/nonexistent"]);
    assert_eq!(code, 1);
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.wav"), &noise(1.0, 0.1));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = std::process::Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
        .args(["data", "check"])
        .arg(folder.path())
        .stdout(writer)
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{said}");
}

#[test]
fn a_room_is_judged_by_level_clipping_and_speech() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = Model::load(&root.join("models/denoised.safetensors"), Device::Cpu).unwrap();
    let examine = |samples: &[f32]| Room::examine(samples, RATE_HZ, &model).unwrap();
    let says =
        |samples: &[f32], words: &str| examine(samples).problems().join("; ").contains(words);

    let fan = noise(6.0, 0.01);
    assert_eq!(examine(&fan).problems(), Vec::<String>::new());
    assert!(says(&[0.0; 96_000], "muted"));
    assert!(says(&noise(6.0, 5e-5), "very quiet"));
    let loud: Vec<f32> = fan.iter().map(|x| (100.0 * x).clamp(-1.0, 1.0)).collect();
    assert!(says(&loud, "gain down"));

    let sample: PathBuf = root.join("samples/clean/russian-keyboard.wav");
    let (speech, _) = read_mono(&sample).unwrap();
    let room = examine(&sum(&speech, &fan[..speech.len()]));
    assert!(room.speech_like > 0.2, "{}", room.speech_like);
    assert!(room.problems().join("; ").contains("may be speech"));
}
