//! `denoised adapt` as its users meet it, on a small untrained model.

mod common;
#[path = "common/wav.rs"]
mod wav;

use std::f32::consts::TAU;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use denoised::model::checkpoint::Checkpoint;
use tch::Device;

use common::MODEL;

const RATE_HZ: u32 = 16_000;

fn write(path: &Path, seconds: f32, sample: impl Fn(f32) -> f32) {
    let times = 0..(seconds * RATE_HZ as f32) as u32;
    let samples: Vec<f32> = times
        .map(|n| 0.25 * sample(n as f32 / RATE_HZ as f32))
        .collect();
    wav::write(path, &samples, RATE_HZ);
}

/// Exit code and standard error of `denoised adapt …` in `folder`.
fn adapt(folder: &Path, arguments: &str) -> (i32, String) {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
        .current_dir(folder)
        .args(["adapt", "--threads", "1", "--cache", "cache", "--init"])
        .arg(&MODEL.1)
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn a_room_gives_weights_and_what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (voice, pitch_hz) in [("a", 120.0), ("b", 210.0)] {
        write(&path("voices").join(voice).join("1.wav"), 2.0, |time| {
            (TAU * 3.0 * time).sin().max(0.0) * (TAU * pitch_hz * time).sin()
        });
    }
    let rumble = |time: f32| 0.3 * (TAU * 50.0 * time).sin() + 0.1 * (TAU * 1370.0 * time).sin();
    write(&path("room.wav"), 6.0, rumble);
    write(&path("short.wav"), 1.0, rumble);
    let recipe = "batch_clips = 2\nclip_seconds = 0.5\nvalidation_clips = 2\n";
    fs::write(path("quick.toml"), recipe).unwrap();

    let short = "--noise short.wav --speech voices --out room.safetensors";
    let (code, said) = adapt(folder.path(), short);
    assert!(code == 1 && said.contains("record at least 5 s"), "{said}");
    assert!(!path("room.safetensors").exists());

    for (arguments, problem) in [
        ("--minutes 1e300 --out room.safetensors", "minutes must be"),
        ("--out voices", "--out voices is a folder"),
    ] {
        let (code, said) = adapt(folder.path(), &format!("--noise room.wav {arguments}"));
        assert!(code == 1 && said.contains(problem), "{said}");
    }

    let voices = "--noise room.wav --speech voices --config quick.toml --minutes 0.02 --out voices.safetensors";
    let (code, said) = adapt(folder.path(), voices);
    assert_eq!(code, 0, "{said}");
    let whole = "--noise room.wav --config quick.toml --minutes 0.02 --out room.safetensors";
    let (code, said) = adapt(folder.path(), whole);
    assert_eq!(code, 0, "{said}");
    let adapted = Checkpoint::load(&path("room.safetensors"), Device::Cpu).unwrap();
    let before = Checkpoint::load(&MODEL.1, Device::Cpu).unwrap();
    assert!(adapted.tensors.keys().eq(before.tensors.keys()));
    assert!(path("room.png").exists() && !path("room.state.safetensors").exists());

    let (code, said) = adapt(folder.path(), whole);
    assert!(code == 1 && said.contains("--force"), "{said}");
}
