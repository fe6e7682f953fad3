//! A small training run from audio files to weights.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use denoised::model::ModelConfig;
use denoised::model::checkpoint::Checkpoint;
use denoised::model::tensor_file::TensorFile;
use denoised::training::batch::Material;
use denoised::training::config::Keep;
use denoised::training::journal::Entry;
use denoised::training::mixtures::Mixtures;
use denoised::training::pack::Pack;
use denoised::training::start::{Run, Start};
use denoised::training::voices::Voices;
use denoised::training::{Outcome, TrainingConfig, listing, train};
use indicatif::ProgressBar;
use tch::{Device, Tensor};

/// First weights come from libtorch's one random generator: runs at the same time would share it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn tiny() -> TrainingConfig {
    TrainingConfig {
        updates: 40,
        batch_clips: 3,
        clip_seconds: 0.5,
        learning_rate: 1.5e-3,
        warmup_updates: 5,
        validation_clips: 2,
        model: ModelConfig {
            bands: 24,
            pattern_channels: 4,
            pattern_group_bands: 8,
            filter_bins: 16,
            filter_taps: 2,
            channels: 16,
            latent: 8,
            context_dilations: vec![1, 4],
            recurrences: 1,
            ..ModelConfig::default()
        },
        ..TrainingConfig::default()
    }
}

/// A run in which nothing gets better: its steps are too small to change a 32-bit weight.
fn standing_still() -> TrainingConfig {
    TrainingConfig {
        learning_rate: 1e-30,
        weight_decay: 0.0,
        average_decay: 0.0,
        ..tiny()
    }
}

/// Voices of three speakers: tones that swell and fade.
fn speech(folder: &Path) -> PathBuf {
    for (speaker, pitch_hz) in [("low", 120.0f32), ("middle", 190.0), ("high", 310.0)] {
        std::fs::create_dir_all(folder.join(speaker)).unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer =
            hound::WavWriter::create(folder.join(speaker).join("tone.wav"), spec).unwrap();
        for n in 0..16_000 {
            let seconds = n as f32 / 16_000.0;
            let envelope = (std::f32::consts::TAU * 3.0 * seconds).sin().max(0.0);
            let voice: f32 = (1..8)
                .map(|k| (std::f32::consts::TAU * pitch_hz * k as f32 * seconds).sin() / k as f32)
                .sum();
            writer
                .write_sample((voice * envelope * 8000.0) as i16)
                .unwrap();
        }
        writer.finalize().unwrap();
    }
    folder.to_owned()
}

fn run(folder: &Path, name: &str, config: &TrainingConfig) -> Run {
    let material = || {
        let listed = listing::read(&[folder.join("speech")]).unwrap();
        let pack = Pack::open(&listed, &folder.join("cache"), &ProgressBar::hidden()).unwrap();
        Material::new(Mixtures {
            voices: Voices::new(Arc::new(pack), config.voices.clone()),
            noise: None,
            rooms: None,
            recipe: config.corruption.clone(),
        })
    };
    Run {
        out: folder.join(name),
        device: Device::Cpu,
        replicas: 2,
        loader_threads: 2,
        // After every update: the state on disk is always the newest.
        validation_interval: Duration::ZERO,
        resumable: true,
        training: material(),
        validation: material(),
        opinion: None,
    }
}

fn rows(log: &Path) -> usize {
    std::fs::read_to_string(log).map_or(0, |text| text.lines().count().saturating_sub(1))
}

fn entries(log: &Path) -> Vec<Entry> {
    let mut reader = csv::Reader::from_path(log).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    speech(&folder.path().join("speech"));
    let config = tiny();
    let never = AtomicBool::new(false);
    let start = || Start::Fresh(Box::new(config.clone()));

    let outcome = train(
        run(folder.path(), "whole.safetensors", &config),
        start(),
        &never,
    )
    .unwrap();
    assert_eq!(outcome, Outcome::Finished);

    let flag = Arc::new(AtomicBool::new(false));
    let log = folder.path().join("parts.log.csv");
    let watcher = std::thread::spawn({
        let (flag, log) = (Arc::clone(&flag), log.clone());
        move || {
            while rows(&log) < 5 {
                std::thread::sleep(Duration::from_millis(1));
            }
            flag.store(true, Ordering::Relaxed);
        }
    });
    let outcome = train(
        run(folder.path(), "parts.safetensors", &config),
        start(),
        &flag,
    )
    .unwrap();
    watcher.join().unwrap();
    assert_eq!(outcome, Outcome::Interrupted);
    assert!((5..40).contains(&rows(&log)));

    let resume = Start::Resume {
        updates: None,
        minutes: None,
    };
    let outcome = train(
        run(folder.path(), "parts.safetensors", &config),
        resume,
        &never,
    )
    .unwrap();
    assert_eq!(outcome, Outcome::Finished);
    assert_eq!(rows(&log), 40);

    let load = |name: &str| Checkpoint::load(&folder.path().join(name), Device::Cpu).unwrap();
    let (whole, parts) = (load("whole.safetensors"), load("parts.safetensors"));
    assert_eq!(whole.summary, parts.summary);
    for (name, tensor) in &whole.tensors {
        assert!(tensor.equal(&parts.tensors[name]), "{name} differs");
    }
    assert!(folder.path().join("whole.png").exists());

    // The best weights may be older than the interruption; the state is as of the last update.
    let state = |name: &str| {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        TensorFile::parse(&bytes, Device::Cpu).unwrap().tensors
    };
    let (whole, parts) = (
        state("whole.state.safetensors"),
        state("parts.state.safetensors"),
    );
    for group in ["weights/", "average/", "first_moment/", "second_moment/"] {
        assert!(whole.keys().any(|name| name.starts_with(group)), "{group}");
    }
    assert_eq!(whole.len(), parts.len());
    for (name, tensor) in &whole {
        assert!(tensor.equal(&parts[name]), "{name} differs");
    }
}

/// Trains with `change` made to the tiny recipe, into `name`; how it ended, and the log's rows.
fn trained(folder: &Path, name: &str, change: TrainingConfig) -> (anyhow::Result<Outcome>, usize) {
    speech(&folder.join("speech"));
    let run = run(folder, name, &change);
    let log = run.out.with_extension("log.csv");
    let ended = train(run, Start::Fresh(Box::new(change)), &AtomicBool::new(false));
    (ended, rows(&log))
}

#[test]
fn divergence_is_taken_back_and_in_the_end_told() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let once = TrainingConfig {
        updates: 1,
        ..tiny()
    };
    let (ended, _) = trained(folder.path(), "first.safetensors", once);
    ended.unwrap();
    let first = Checkpoint::load(&path("first.safetensors"), Device::Cpu).unwrap();
    // Harmless for the first updates, then beyond what numbers can hold.
    let config = TrainingConfig {
        learning_rate: 1e35,
        warmup_updates: 1_000_000_000_000,
        updates: 1_000_000_000_001,
        weight_decay: 0.0,
        ..tiny()
    };
    let run = run(folder.path(), "wild.safetensors", &config);
    let start = Start::FineTune(Box::new(config), Box::new(first));
    let ended = train(run, start, &AtomicBool::new(false));
    let message = format!("{:#}", ended.unwrap_err());
    for words in [
        "diverged 5 times",
        "lower learning_rate",
        "keeps the weights",
    ] {
        assert!(message.contains(words), "{message}");
    }
    // What was good once, at least the weights of before, has only numbers in it.
    let kept = Checkpoint::load(&path("wild.safetensors"), Device::Cpu).unwrap();
    for (name, tensor) in &kept.tensors {
        assert!(tensor.abs().max().double_value(&[]).is_finite(), "{name}");
    }
}

#[test]
fn a_run_whose_weights_are_lost_leaves_some_again_when_it_goes_on() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let config = TrainingConfig {
        updates: 2,
        ..standing_still()
    };
    let (ended, _) = trained(folder.path(), "lost.safetensors", config.clone());
    ended.unwrap();
    let out = folder.path().join("lost.safetensors");
    for updates in [None, Some(3)] {
        std::fs::remove_file(&out).unwrap();
        let run = run(folder.path(), "lost.safetensors", &config);
        let start = Start::Resume {
            updates,
            minutes: None,
        };
        train(run, start, &AtomicBool::new(false)).unwrap();
        Checkpoint::load(&out, Device::Cpu).unwrap();
    }
}

#[test]
fn a_run_ends_when_validation_stalls_or_time_is_up() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let stalling = TrainingConfig {
        patience: 3,
        ..standing_still()
    };
    let (ended, made) = trained(folder.path(), "stalled.safetensors", stalling);
    assert_eq!((ended.unwrap(), made), (Outcome::Finished, 4));

    let timed = TrainingConfig {
        updates: u64::MAX,
        minutes: 0.02,
        ..tiny()
    };
    let (ended, made) = trained(folder.path(), "timed.safetensors", timed);
    assert_eq!(ended.unwrap(), Outcome::Finished);
    assert!(made >= 1);

    let log = folder.path().join("timed.log.csv");
    let resume = |updates, minutes| {
        let run = run(folder.path(), "timed.safetensors", &tiny());
        let start = Start::Resume { updates, minutes };
        train(run, start, &AtomicBool::new(false)).unwrap();
        rows(&log)
    };
    // The time is up, but it is the number that is asked for now.
    assert_eq!(resume(Some(made as u64 + 3), None), made + 3);
    let used = entries(&log).last().unwrap().running_minutes;
    assert!(resume(None, Some(used + 0.005)) > made + 3);
}

#[test]
fn what_cannot_be_written_costs_only_itself() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let once = TrainingConfig {
        updates: 1,
        ..tiny()
    };
    let (ended, _) = trained(folder.path(), "first.safetensors", once);
    ended.unwrap();
    let first = Checkpoint::load(&path("first.safetensors"), Device::Cpu).unwrap();

    // Neither the weights nor the picture can have their names.
    for name in ["blocked.safetensors", "blocked.png"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    let state = path("blocked.state.safetensors");
    let flag = Arc::new(AtomicBool::new(false));
    let interrupting = std::thread::spawn({
        let (flag, state) = (Arc::clone(&flag), state.clone());
        move || {
            let wait_until = |happened: &dyn Fn() -> bool| {
                let begun = Instant::now();
                while !happened() && begun.elapsed() < Duration::from_secs(30) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            wait_until(&|| state.exists());
            std::fs::remove_file(&state).ok();
            flag.store(true, Ordering::Relaxed);
            // Only being interrupted again gives up the weights.
            wait_until(&|| !flag.load(Ordering::Relaxed));
            flag.store(true, Ordering::Relaxed);
        }
    });
    let endless = TrainingConfig {
        updates: 1_000_000,
        ..tiny()
    };
    let run = Run {
        validation_interval: Duration::from_secs(3600),
        ..run(folder.path(), "blocked.safetensors", &endless)
    };
    let start = Start::FineTune(Box::new(endless), Box::new(first));
    let error = format!("{:#}", train(run, start, &flag).unwrap_err());
    interrupting.join().unwrap();
    assert!(error.contains("blocked.safetensors"), "{error}");
    assert!(state.exists());
}

#[test]
fn an_out_that_cannot_be_written_is_told_before_anything_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    speech(&folder.path().join("speech"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    for (out, problem) in [
        ("speech", "--out speech is a folder"),
        ("new/", "--out new/ is a folder"),
        ("file/mine.safetensors", "choose another --out"),
    ] {
        let ended = std::process::Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
            .current_dir(folder.path())
            .args("train --force --speech speech --cache cache --out".split(' '))
            .arg(out)
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(
            !ended.status.success() && said.contains(problem),
            "{out}: {said}"
        );
    }
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn nothing_is_replaced_or_ignored_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    speech(&folder.path().join("speech"));
    std::fs::write(folder.path().join("mine.png"), "precious").unwrap();
    for (arguments, problem) in [
        ("--speech speech --out mine.safetensors", "mine.png exists"),
        ("--pairs a b --out new.safetensors --rir speech", "--speech"),
    ] {
        let ended = std::process::Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
            .current_dir(folder.path())
            .args(["train", "--cache", "cache"])
            .args(arguments.split(' '))
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(
            !ended.status.success() && said.contains(problem),
            "{arguments}: {said}"
        );
    }
}

#[test]
fn training_learns_and_fine_tuning_starts_from_what_was_learned() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    speech(&folder.path().join("speech"));
    let config = TrainingConfig {
        updates: 120,
        average_decay: 0.9,
        ..tiny()
    };
    let never = AtomicBool::new(false);
    let start = Start::Fresh(Box::new(config.clone()));
    train(
        run(folder.path(), "first.safetensors", &config),
        start,
        &never,
    )
    .unwrap();
    let first_loss = |name: &str| entries(&folder.path().join(name))[0].validation_loss;
    let checkpoint =
        Checkpoint::load(&folder.path().join("first.safetensors"), Device::Cpu).unwrap();
    let learned = checkpoint.summary.validation_loss;
    let untrained = first_loss("first.log.csv");
    assert!(learned < 0.95 * untrained, "{learned} against {untrained}");

    let gentle = TrainingConfig {
        updates: 2,
        learning_rate: 1e-5,
        ..config
    };
    let start = Start::FineTune(Box::new(gentle.clone()), Box::new(checkpoint));
    train(
        run(folder.path(), "second.safetensors", &gentle),
        start,
        &never,
    )
    .unwrap();
    let second = first_loss("second.log.csv");
    assert!(
        second < 1.1 * learned.abs() + learned,
        "{second} after {learned}"
    );

    let on_frames_of = |hop_samples, channels| {
        let config = TrainingConfig {
            model: ModelConfig {
                hop_samples,
                context_dilations: vec![2, 8],
                channels,
                ..gentle.model.clone()
            },
            ..gentle.clone()
        };
        let weights = Checkpoint::load(&folder.path().join("first.safetensors"), Device::Cpu);
        let start = Start::FineTune(Box::new(config.clone()), Box::new(weights.unwrap()));
        let run = run(folder.path(), "shorter.safetensors", &config);
        train(run, start, &never)
    };
    on_frames_of(240, 16).unwrap();
    let shorter = Checkpoint::load(&folder.path().join("shorter.safetensors"), Device::Cpu);
    assert_eq!(shorter.unwrap().config.hop_samples, 240);
    let third = first_loss("shorter.log.csv");
    assert!(third < untrained, "{third}, untrained {untrained}");
    let refused = on_frames_of(240, 32).unwrap_err();
    assert!(format!("{refused:#}").contains("the architecture needs"));
}

#[test]
fn the_last_weights_lie_part_of_the_way_from_the_first_ones_also_after_a_resume() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    speech(&folder.path().join("speech"));
    let never = AtomicBool::new(false);
    let config = TrainingConfig {
        updates: 3,
        ..tiny()
    };
    let train = |name: &str, config: &TrainingConfig, start| {
        train(run(folder.path(), name, config), start, &never).unwrap();
    };
    train(
        "first.safetensors",
        &config,
        Start::Fresh(Box::new(config.clone())),
    );
    let load = |name: &str| Checkpoint::load(&folder.path().join(name), Device::Cpu).unwrap();
    let first = load("first.safetensors");

    let gentle = TrainingConfig {
        way: 0.25,
        keep: Keep::Last,
        average_decay: 0.5,
        learning_rate: 0.02,
        ..config.clone()
    };
    let start = Start::FineTune(
        Box::new(gentle.clone()),
        Box::new(load("first.safetensors")),
    );
    train("second.safetensors", &gentle, start);
    let resume = Start::Resume {
        updates: Some(6),
        minutes: None,
    };
    train("second.safetensors", &gentle, resume);

    let second = load("second.safetensors");
    assert_eq!(second.summary.updates, 6);
    let state = std::fs::read(folder.path().join("second.state.safetensors")).unwrap();
    let trained = TensorFile::parse(&state, Device::Cpu).unwrap().tensors;
    let mut moved = 0f64;
    for (name, tensor) in &second.tensors {
        let trained = &trained[&format!("average/{name}")];
        let expected = &first.tensors[name] * 0.75 + trained * 0.25;
        let largest = |difference: Tensor| difference.abs().max().double_value(&[]);
        // Within the 16-bit floats on disk.
        let off = largest(tensor - &expected) / (1.0 + largest(expected));
        assert!(off < 1e-3, "{name}: {off}");
        moved = largest(trained - &first.tensors[name]).max(moved);
    }
    assert!(moved > 0.02, "{moved}");
}

#[test]
fn a_killed_run_leaves_whole_files_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    speech(&path("speech"));
    let recipe = toml::to_string(&TrainingConfig {
        updates: 1_000_000,
        ..tiny()
    });
    std::fs::write(path("tiny.toml"), recipe.unwrap()).unwrap();
    let log = path("killed.log.csv");
    for start in ["--config tiny.toml", "--resume", "--resume"] {
        let arguments = format!(
            "train --speech speech {start} --validate-every 1e-6 --threads 1 --cache cache --out killed.safetensors"
        );
        let before = rows(&log);
        let mut run = std::process::Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
            .current_dir(folder.path())
            .args(arguments.split(' '))
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while rows(&log) < before + 3 {
            assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
            std::thread::sleep(Duration::from_millis(3));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        Checkpoint::load(&path("killed.safetensors"), Device::Cpu).unwrap();
        let state = std::fs::read(path("killed.state.safetensors")).unwrap();
        TensorFile::parse(&state, Device::Cpu).unwrap();
    }
}
