//! `denoised corrupt`, run as a user runs it.

#[path = "common/bench.rs"]
mod bench;

use bench::{Bench, write_wav};

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
