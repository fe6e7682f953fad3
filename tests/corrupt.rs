//! `denoised corrupt`, run as a user runs it.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder with a clean recording, a folder of noise and one of voices.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        let tone = |hz: f32| move |n: usize| 0.2 * (n as f32 * hz * TAU / 48_000.0).sin();
        write_wav(&bench.path("clean.wav"), 48_000, 1, 48_000, tone(440.0));
        let mut state = 1u32;
        write_wav(&bench.path("noise/rain.wav"), 44_100, 1, 90_000, |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        });
        for (name, hz) in [("a", 200.0), ("b", 310.0)] {
            write_wav(
                &bench.path(&format!("voices/{name}.wav")),
                16_000,
                1,
                9_000,
                tone(hz),
            );
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `denoised corrupt` in the folder; returns success and what it printed to stderr.
    fn corrupt(&self, args: &str) -> (bool, String) {
        let mut command = Command::cargo_bin("denoised").unwrap();
        let output = command
            .current_dir(self.0.path())
            .arg("corrupt")
            .args(args.split_whitespace())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    fn succeeds(&self, args: &str) {
        let (success, stderr) = self.corrupt(args);
        assert!(success, "{args}: {stderr}");
    }

    /// Must fail and say `word`.
    fn fails(&self, args: &str, word: &str) {
        let (success, stderr) = self.corrupt(args);
        assert!(!success && stderr.contains(word), "{args}: {stderr}");
    }

    fn read(&self, name: &str) -> (hound::WavSpec, Vec<f32>) {
        let mut reader = hound::WavReader::open(self.path(name)).unwrap();
        let samples = reader
            .samples::<i16>()
            .map(|x| f32::from(x.unwrap()) / 32_768.0)
            .collect();
        (reader.spec(), samples)
    }
}

fn write_wav(
    path: &Path,
    rate: u32,
    channels: u16,
    frames: usize,
    mut sample: impl FnMut(usize) -> f32,
) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for frame in 0..frames {
        let value = (sample(frame) * 32_767.0) as i16;
        (0..channels).for_each(|_| writer.write_sample(value).unwrap());
    }
    writer.finalize().unwrap();
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

#[test]
fn noise_comes_at_the_requested_ratio_and_the_target_is_the_clean_speech() {
    let bench = Bench::new();
    bench.succeeds("clean.wav --noise noise --snr 12 -o noisy.wav --target target.wav");
    let (clean_spec, clean) = bench.read("clean.wav");
    let (spec, noisy) = bench.read("noisy.wav");
    assert_eq!(spec, clean_spec);
    assert_eq!(bench.read("target.wav").1, clean);
    let noise: Vec<f32> = noisy.iter().zip(&clean).map(|(x, s)| x - s).collect();
    let snr_db = 20.0 * (rms(&clean) / rms(&noise)).log10();
    assert!((snr_db - 12.0).abs() < 0.1, "{snr_db}");
}

#[test]
fn the_seed_makes_it_reproducible() {
    let bench = Bench::new();
    for (name, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        bench.succeeds(&format!(
            "clean.wav --noise noise --speech voices --recipe training --seed {seed} -o {name}.wav"
        ));
    }
    let bytes = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert!(bytes("a.wav") == bytes("b.wav") && bytes("a.wav") != bytes("c.wav"));
}

#[test]
fn every_flag_changes_the_sound() {
    let bench = Bench::new();
    let flags = [
        "--synthetic white,hum",
        "--synthetic clicks --snr 0..10",
        "--speech voices --snr -5",
        "--rir noise",
        "--reverb 0.4",
        "--clip 6",
        "--quantise 6",
        "--packet-loss 0.3",
        "--level -30",
        "--band-limit 4000 --noise noise",
        "--noise noise --synthetic fan",
    ];
    let clean = bench.read("clean.wav").1;
    for flag in flags {
        bench.succeeds(&format!("clean.wav {flag} --force -o noisy.wav"));
        let noisy = bench.read("noisy.wav").1;
        assert!(noisy.len() == clean.len() && noisy != clean, "{flag}");
    }
}

#[test]
fn other_rates_keep_length_rate_and_ratio() {
    let bench = Bench::new();
    write_wav(&bench.path("phone.wav"), 8_000, 2, 16_001, |n| {
        0.2 * (n as f32 * 0.3).sin()
    });
    bench.succeeds("phone.wav --synthetic white --snr 6 -o noisy.wav --target target.wav");
    let (spec, noisy) = bench.read("noisy.wav");
    assert_eq!(
        (spec.sample_rate, spec.channels, noisy.len()),
        (8_000, 1, 16_001)
    );
    let target = bench.read("target.wav").1;
    let noise: Vec<f32> = noisy.iter().zip(&target).map(|(x, s)| x - s).collect();
    let snr_db = 20.0 * (rms(&target) / rms(&noise)).log10();
    assert!((snr_db - 6.0).abs() < 0.2, "{snr_db}");
}

#[test]
fn folders_keep_their_tree() {
    let bench = Bench::new();
    bench.succeeds("voices clean.wav --synthetic pink -o out --target targets");
    for name in ["out/a.wav", "out/b.wav", "out/clean.wav", "targets/a.wav"] {
        assert!(bench.path(name).exists(), "{name}");
    }
    assert_ne!(bench.read("out/a.wav").1, bench.read("targets/a.wav").1);
}

#[test]
fn mistakes_are_explained() {
    let bench = Bench::new();
    std::fs::write(bench.path("text.wav"), "no sound at all").unwrap();
    std::fs::write(bench.path("recipe.toml"), "untouched = 7").unwrap();
    std::fs::create_dir(bench.path("empty")).unwrap();
    bench.fails("clean.wav -o noisy.wav", "choose a corruption");
    bench.fails("clean.wav --snr 5 -o noisy.wav", "--snr needs noise");
    bench.fails("clean.wav --synthetic babble -o noisy.wav", "--speech");
    bench.fails("clean.wav --band-limit 400 -o noisy.wav", "--band-limit");
    bench.fails("clean.wav --noise empty -o noisy.wav", "empty");
    bench.fails("clean.wav --noise nowhere -o noisy.wav", "nowhere");
    bench.fails(
        "clean.wav --clip 6 --recipe training -o noisy.wav",
        "--recipe",
    );
    bench.fails("clean.wav --recipe recipe.toml -o noisy.wav", "recipe.toml");
    bench.fails(
        "clean.wav --snr 9..1 --synthetic pink -o noisy.wav",
        "lower end first",
    );
    bench.fails(
        "clean.wav --clip 6 -o clean.wav --force",
        "the input itself",
    );
    bench.fails("text.wav --clip 6 -o noisy.wav", "text.wav");
    assert!(!bench.path("noisy.wav").exists());

    bench.succeeds("clean.wav --clip 6 -o noisy.wav");
    bench.fails("clean.wav --clip 9 -o noisy.wav", "--force");
    bench.succeeds("clean.wav --clip 9 -o noisy.wav --force");
    bench.fails("text.wav clean.wav --clip 6 -o out", "text.wav");
    assert!(bench.path("out/clean.wav").exists(), "the others go on");
}
