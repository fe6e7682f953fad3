//! `denoised eval`, `models` and `info` as their users meet them. The weights are untrained: these
//! tests are about files and figures, not about how well noise goes.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use common::MODEL;

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn denoised(folder: &Path, arguments: &[&str]) -> Said {
    denoised_with(Path::new("/no/python"), folder, arguments)
}

fn denoised_with(python: &Path, folder: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
        .current_dir(folder)
        .env("DENOISED_MODEL", &MODEL.1)
        .env("DENOISED_PYTHON", python)
        .args(arguments)
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn eval(folder: &Path, more: &[&str]) -> Said {
    let mut arguments = vec!["eval", "--noisy", "noisy", "--clean", "clean"];
    arguments.extend(more);
    denoised(folder, &arguments)
}

/// One worker, so that the helper gets its requests in order.
const EVAL_ONE_BY_ONE: [&str; 8] = [
    "eval", "--noisy", "noisy", "--clean", "clean", "--json", "--jobs", "1",
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn wav(path: PathBuf, samples: &[f32]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples
        .iter()
        .for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
}

/// A second and a half of a swelling tone.
fn tone() -> Vec<f32> {
    (0..24_000)
        .map(|n| {
            let seconds = n as f32 / 16_000.0;
            let envelope = (std::f32::consts::TAU * 2.0 * seconds).sin().max(0.0);
            0.4 * envelope * (std::f32::consts::TAU * 440.0 * seconds).sin()
        })
        .collect()
}

/// A tone that the clean one does not contain, `gain` loud.
fn with_hum(gain: f32) -> Vec<f32> {
    let hum = |n: usize| (std::f32::consts::TAU * 1000.0 * n as f32 / 16_000.0).sin();
    let samples = tone().into_iter().enumerate();
    samples.map(|(n, sample)| sample + gain * hum(n)).collect()
}

/// Two pairs: one at low and one at high SNR.
fn pairs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, gain) in [("a <loud>.wav", 0.4), ("b.wav", 0.04)] {
        wav(folder.path().join("clean").join(name), &tone());
        wav(folder.path().join("noisy").join(name), &with_hum(gain));
    }
    folder
}

#[test]
fn figures_of_the_noisy_input_follow_from_how_it_was_made() {
    let folder = pairs();
    let said = eval(folder.path(), &["--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let report = json(&said.out);
    let files = report["files"].as_array().unwrap();
    // Energies: the tone has 0.4² / 8 a sample, the other 0.4² / 2 or 0.04² / 2.
    for (file, expected_db) in files.iter().zip([-6.02, 13.98]) {
        let noisy = &file["signals"][0];
        assert_eq!(noisy["signal"], "noisy");
        let value = noisy["scores"]["si_sdr_db"].as_f64().unwrap();
        assert!((value - expected_db).abs() < 0.1, "{value}");
        let model = &file["signals"][1];
        assert_eq!(model["signal"], "model");
        for key in [
            "si_sdr_db",
            "stoi",
            "estoi",
            "lsd_db",
            "segmental_snr_db",
            "real_time_factor",
        ] {
            assert!(model["scores"][key].is_number(), "no {key} in {model}");
        }
    }
    // Of each band there are two signals.
    let bands: Vec<&Value> = report["summary"].as_array().unwrap().iter().collect();
    let bands: Vec<i64> = bands.iter().filter_map(|g| g["band_db"].as_i64()).collect();
    assert_eq!(bands.len(), 4);
    assert!(bands[0] < bands[2]);
    assert!(said.out.contains("PESQ-WB and DNSMOS were not measured"));
}

#[test]
fn what_does_not_fit_is_named_and_the_others_go_on() {
    let folder = pairs();
    let path = |name: &str| folder.path().join(name);
    wav(path("noisy/alone.wav"), &tone());
    wav(path("clean/unheard.wav"), &tone());
    wav(path("noisy/short.wav"), &tone()[..9_000]);
    wav(path("clean/short.wav"), &tone());
    wav(path("noisy/silent.wav"), &tone());
    wav(path("clean/silent.wav"), &[0.0; 24_000]);
    fs::write(path("noisy/broken.wav"), "RIFF").unwrap();
    wav(path("clean/broken.wav"), &tone());
    let said = eval(folder.path(), &["--json"]);
    assert_eq!(said.code, 1);
    for (name, reason) in [
        ("alone.wav", "no recording of this name in clean"),
        ("unheard.wav", "no recording of this name in noisy"),
        ("short.wav", "9000 samples, the clean one 24000"),
        ("silent.wav", "is silent"),
        ("broken.wav", ""),
    ] {
        let named = |line: &str| line.contains(name) && line.contains(reason);
        assert!(said.err.lines().any(named), "{name}: {}", said.err);
    }
    assert_eq!(json(&said.out)["files"].as_array().unwrap().len(), 2);
    assert_eq!(json(&said.out)["left_out"].as_array().unwrap().len(), 5);
}

#[test]
fn a_report_is_complete_in_itself_and_not_replaced_by_accident() {
    let folder = pairs();
    let said = eval(folder.path(), &["--out", "report"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("a <loud>.wav") && said.out.contains("SI-SDR dB"));
    let read = |name: &str| fs::read_to_string(folder.path().join("report").join(name)).unwrap();
    let page = read("index.html");
    assert!(page.contains("a &lt;loud&gt;.wav") && !page.contains("<loud>"));
    // Two files of noisy, clean and one model's output.
    assert_eq!(page.matches("src=\"data:image/png;base64,iVBOR").count(), 6);
    assert_eq!(page.matches("src=\"data:audio/wav;base64,UklGR").count(), 6);
    assert_eq!(page.matches("src=").count(), 12);
    assert!(page.contains("<span class=\"nowrap\">SI-SDR −6.0"));
    assert_eq!(page.matches("the reference</figcaption>").count(), 2);
    assert!(!page.contains("://"));
    let rows = read("eval.csv").lines().count();
    assert_eq!(rows, 1 + 4);
    assert_eq!(
        json(&read("eval.json"))["files"].as_array().unwrap().len(),
        2
    );

    let again = eval(folder.path(), &["--out", "report"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("--force"), "{}", again.err);
    let forced = eval(
        folder.path(),
        &["--out", "report", "--force", "--examples", "0"],
    );
    assert_eq!(forced.code, 0, "{}", forced.err);
    assert!(!read("index.html").contains("data:"));
    assert_eq!(
        fs::read_dir(folder.path().join("report")).unwrap().count(),
        3
    );
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_work() {
    let folder = pairs();
    fs::write(folder.path().join("file"), "").unwrap();
    let said = eval(folder.path(), &["--out", "file/report"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("file/report") && said.err.contains("--out"),
        "{}",
        said.err
    );
    // The tables would come with the work.
    assert_eq!(said.out, "");
}

#[test]
fn models_are_compared_by_name() {
    let folder = pairs();
    let other = folder.path().join("other.safetensors");
    fs::copy(&MODEL.1, &other).unwrap();
    let shipped = MODEL.1.to_str().unwrap();
    let said = eval(
        folder.path(),
        &["--json", "--models", shipped, "other.safetensors"],
    );
    assert_eq!(said.code, 0, "{}", said.err);
    let report = json(&said.out);
    let signals = report["files"][0]["signals"].as_array().unwrap();
    let names: Vec<&str> = signals
        .iter()
        .map(|s| s["signal"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["noisy", "model", "other"]);
    assert_eq!(
        signals[1]["scores"]["si_sdr_db"],
        signals[2]["scores"]["si_sdr_db"]
    );

    let said = eval(folder.path(), &["--models", "missing.safetensors"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("missing.safetensors"), "{}", said.err);
}

#[test]
fn a_helper_that_ends_costs_only_its_own_figures() {
    let folder = pairs();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python-that-ends.sh");
    let said = denoised_with(&python, folder.path(), &EVAL_ONE_BY_ONE);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("Python helper"), "{}", said.err);
    let report = json(&said.out);
    assert_eq!(report["files"].as_array().unwrap().len(), 2);
    // Three of the four signals were tried.
    let statements = report["not_measured"].as_array().unwrap();
    assert_eq!(statements.len(), 1 + 3, "{statements:?}");
    let says = |index: usize, words: &str| statements[index].as_str().unwrap().contains(words);
    assert!(says(0, "DNSMOS was not measured"), "{statements:?}");
    assert!(says(1, "PESQ-WB of a <loud>.wav (noisy)"), "{statements:?}");
    assert!(says(3, "b.wav (noisy)"), "{statements:?}");
    assert!(says(3, "not asked again"), "{statements:?}");
}

/// Has PESQ; the first to be asked ends, and those after it find 2.5 in everything.
const PYTHON_THAT_ENDS_ONCE: &str = r#"#!/bin/sh
case "$*" in
    *--probe) echo '{"pesq": [], "dnsmos": []}'; exit ;;
esac
mkdir ended 2>/dev/null && exit
# The number of samples, then two signals of 24000.
while [ "$(head -c 192004 | wc -c)" -eq 192004 ]; do echo '{"pesq_wb": 2.5}'; done
"#;

#[test]
fn a_helper_that_ends_is_started_again() {
    let folder = pairs();
    let python = folder.path().join("python");
    fs::write(&python, PYTHON_THAT_ENDS_ONCE).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let said = denoised_with(&python, folder.path(), &EVAL_ONE_BY_ONE);
    assert_eq!(said.code, 0, "{}", said.err);
    let report = json(&said.out);
    let pesq = |file: usize, signal: usize| {
        report["files"][file]["signals"][signal]["scores"]["pesq_wb"].as_f64()
    };
    assert_eq!(
        [pesq(0, 0), pesq(0, 1), pesq(1, 0), pesq(1, 1)],
        [None, Some(2.5), Some(2.5), Some(2.5)]
    );
    let statements = report["not_measured"].as_array().unwrap();
    assert_eq!(statements.len(), 1, "{statements:?}");
    let statement = statements[0].as_str().unwrap();
    let lost = "PESQ-WB and DNSMOS of a <loud>.wav (noisy) not measured";
    assert!(statement.contains(lost), "{statement}");
    // The mean of either signal is over the one file that has the value for both.
    for group in &report["summary"].as_array().unwrap()[..2] {
        assert_eq!(group["means"]["pesq_wb"], 2.5);
        assert_eq!(group["fewer_files"]["pesq_wb"], 1);
    }
}

#[test]
fn info_tells_what_is_in_a_weights_file() {
    let folder = tempfile::tempdir().unwrap();
    let model = MODEL.1.to_str().unwrap();
    let said = denoised(folder.path(), &["info", model, "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let info = json(&said.out);
    assert_eq!(info["latent"], 8);
    assert_eq!(info["algorithmic_latency_ms"], 20.0);
    assert_eq!(info["metadata"]["denoised.model"]["channels"], 16);
    assert!(info["parameters"].as_u64().unwrap() > 1000);
    let said = denoised(folder.path(), &["info", model]);
    assert!(said.out.contains("denoised.training"), "{}", said.out);
}

#[test]
fn a_file_that_is_no_model_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = fs::read(&MODEL.1).unwrap();
    fs::write(path("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fs::write(path("empty.safetensors"), "").unwrap();
    fs::write(path("foreign.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    for (name, reason) in [
        ("cut.safetensors", "damaged"),
        ("empty.safetensors", "not a safetensors file"),
        ("foreign.safetensors", "not one that denoised has written"),
        ("missing.safetensors", "cannot read"),
    ] {
        let said = denoised(folder.path(), &["info", name]);
        assert_eq!(said.code, 1, "{name}");
        assert!(
            said.err.contains(name) && said.err.contains(reason),
            "{}",
            said.err
        );
    }
}

#[test]
fn the_shipped_model_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let said = denoised(folder.path(), &["models", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let cards = json(&said.out);
    let shipped = cards
        .as_array()
        .unwrap()
        .iter()
        .find(|card| card["name"] == "denoised");
    let shipped = shipped.unwrap();
    assert!(shipped["training"]["updates"].as_u64().unwrap() > 0);
    let said = denoised(folder.path(), &["models"]);
    assert!(said.out.contains("latency") && said.out.contains("denoised.safetensors"));
}
