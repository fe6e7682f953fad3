//! The whole pipeline on devices without hardware: the test is the sound card.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use denoised::pipeline::{
    Corruption, DeviceChoice, DeviceErrorKind, Direction, Mode, ModelLoader, PipelineHandle,
    Settings, Sound, State, StreamEvent, StreamEventKind,
};

#[path = "common/card.rs"]
mod card;
use card::{Bench, SharedCard, no_realtime};

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, x| x.abs().max(peak))
}

fn largest_step(samples: &[f32]) -> f32 {
    let steps = samples.windows(2).map(|x| (x[1] - x[0]).abs());
    steps.fold(0.0, f32::max)
}

fn recorded(path: &Path) -> Vec<f32> {
    let reader = hound::WavReader::open(path).unwrap();
    let samples = reader.into_samples::<i16>();
    samples.map(|x| f32::from(x.unwrap()) / 32768.0).collect()
}

#[test]
fn sound_is_cleaned_played_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let [clean, raw] = ["clean.wav", "raw.wav"].map(|name| folder.path().join(name));
    let mut bench = Bench::start(Settings {
        record: Some(clean.clone()),
        record_raw: Some(raw.clone()),
        ..Settings::default()
    });
    let played = bench.run(100);
    assert!((peak(&played[30_000..]) - 0.25).abs() < 0.01);
    assert!(largest_step(&played) < 0.03, "the tone itself has 0.015");
    let snapshot = bench.pipeline.snapshot();
    assert!(
        (snapshot.input_dbfs + 9.0).abs() < 1.0,
        "{}",
        snapshot.input_dbfs
    );
    assert!(
        (snapshot.reduction_db - 6.0).abs() < 0.5,
        "{}",
        snapshot.reduction_db
    );
    assert!(
        (25.0..45.0).contains(&snapshot.latency_ms),
        "{} ms",
        snapshot.latency_ms
    );
    bench.pipeline.stop().unwrap();
    let (clean, raw) = (recorded(&clean), recorded(&raw));
    assert_eq!(raw.len(), 48_000);
    assert_eq!(clean.len(), 48_480, "what the model still held is there");
    for (clean, raw) in clean[480..].iter().zip(&raw) {
        assert!((clean - 0.5 * raw).abs() < 1e-3);
    }
}

#[test]
fn frames_are_as_long_as_the_model_wants_them() {
    let folder = tempfile::tempdir().unwrap();
    for frame in [240, 120] {
        let [clean, raw] =
            ["clean", "raw"].map(|name| folder.path().join(format!("{name}{frame}.wav")));
        let settings = Settings {
            record: Some(clean.clone()),
            record_raw: Some(raw.clone()),
            ..Settings::default()
        };
        let mut bench = Bench::start_with(SharedCard::new(), frame, settings);
        let played = bench.run(100);
        assert!((peak(&played[30_000..]) - 0.25).abs() < 0.01);
        let shown_ms = bench.pipeline.snapshot().frame_ms;
        assert!(
            (shown_ms - frame as f32 / 48.0).abs() < 1e-3,
            "{shown_ms} ms"
        );
        bench.pipeline.stop().unwrap();
        let (clean, raw) = (recorded(&clean), recorded(&raw));
        assert_eq!(clean.len(), raw.len() + frame);
        for (clean, raw) in clean[frame..].iter().zip(&raw) {
            assert!((clean - 0.5 * raw).abs() < 1e-3);
        }
    }
}

#[test]
fn modes_change_without_a_click() {
    let mut bench = Bench::start(Settings::default());
    let mut played = bench.run(50);
    for mode in [Mode::Bypass, Mode::Clean] {
        let sound = Sound {
            mode,
            ..Sound::default()
        };
        bench.pipeline.set_sound(sound);
        played.extend(bench.run(50));
    }
    assert!((peak(&played[40_000..48_000]) - 0.5).abs() < 0.01);
    assert!((peak(&played[64_000..]) - 0.25).abs() < 0.01);
    assert!(
        largest_step(&played) < 0.04,
        "the louder tone itself has 0.029"
    );
}

#[test]
fn latency_returns_after_a_stall_of_either_side() {
    let mut bench = Bench::start(Settings::default());
    bench.run(50);
    // The speaker stands still for 3 s, the worker does not.
    for _ in 0..300 {
        bench.capture();
        std::thread::sleep(Duration::from_millis(1));
    }
    bench.run_until_latency_returns();
    let dropped_ms = bench.pipeline.snapshot().dropped_ms;
    assert!(dropped_ms > 2000, "{dropped_ms} ms");
    // The microphone delivers 5 s at once, as after SIGCONT.
    for _ in 0..500 {
        bench.capture();
    }
    bench.run_until_latency_returns();
    let played = bench.run(50);
    assert!((peak(&played[12_000..]) - 0.25).abs() < 0.01);
}

#[test]
fn unplugging_is_survived_and_the_recording_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clean.wav");
    let mut bench = Bench::start(Settings {
        record: Some(path.clone()),
        ..Settings::default()
    });
    bench.run(50);
    bench.card.lock().plugged = false;
    bench.fault(DeviceErrorKind::NotAvailable);
    bench.wait_until("recovering", |bench| bench.state() == State::Recovering);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(bench.state(), State::Recovering);
    let error = bench.pipeline.snapshot().input.unwrap().error;
    assert_eq!(error.as_deref(), Some("not plugged in"));
    // It comes back as another kind of device.
    {
        let mut card = bench.card.lock();
        (card.plugged, card.rate_hz, card.channels) = (true, 44_100, 2);
    }
    let away = bench.wait_until("running again", |bench| {
        bench.run(1);
        bench.state() == State::Running
    });
    assert!(away < Duration::from_secs(3), "{away:?}");
    let played = bench.run(100);
    assert!((peak(&played[played.len() / 2..]) - 0.25).abs() < 0.01);
    let snapshot = bench.pipeline.snapshot();
    assert_eq!(
        (snapshot.reopens, snapshot.output.unwrap().rate_hz),
        (2, 44_100)
    );
    bench.pipeline.stop().unwrap();
    assert!(recorded(&path).len() > 140 * 480);
}

#[test]
fn xruns_are_counted_and_change_nothing() {
    let mut bench = Bench::start(Settings::default());
    bench.run(20);
    bench.fault(DeviceErrorKind::Xrun);
    bench.wait_until("counted", |bench| bench.pipeline.snapshot().xruns == 2);
    bench.wait_until("running", |bench| {
        bench.run(1);
        bench.state() == State::Running
    });
    assert_eq!(bench.card.lock().opened.len(), 2);
}

#[test]
fn the_model_rests_while_nobody_listens() {
    let mut bench = Bench::start(Settings::default());
    bench.run(50);
    for (listeners, expected) in [(false, 0.5), (true, 0.25)] {
        let event = StreamEvent {
            direction: Direction::Output,
            kind: StreamEventKind::Listeners(listeners),
        };
        let events = bench.card.lock().events.clone().unwrap();
        events.send(event).unwrap();
        bench.wait_until("the worker knows", |bench| {
            bench.run(1);
            bench.pipeline.snapshot().idle != listeners
        });
        let played = bench.run(100);
        assert!((peak(&played[24_000..]) - expected).abs() < 0.01);
    }
}

#[test]
fn a_second_channel_that_comes_later_has_its_noise() {
    let card = SharedCard::new();
    card.lock().channels = 2;
    let sound = Sound {
        mode: Mode::Corrupt,
        ..Sound::default()
    };
    let settings = Settings {
        sound,
        ..Settings::default()
    };
    let mut bench = Bench::start_on(card, settings.clone());
    let offsets = [0.1, 0.2];
    let noises = offsets.map(|offset| -> Corruption {
        Box::new(move |frame: &mut [f32]| frame.iter_mut().for_each(|x| *x += offset))
    });
    bench.pipeline.set_corruption(noises.into());
    bench.run(20);
    let stereo = Settings {
        stereo: true,
        ..settings
    };
    bench.pipeline.apply(stereo).unwrap();
    let played = bench.run(100);
    // A tenth of a second holds whole periods of the tone.
    let end = &played[played.len() - 9600..];
    for (channel, offset) in offsets.into_iter().enumerate() {
        let mean = end.iter().skip(channel).step_by(2).sum::<f32>() / 4800.0;
        assert!((mean - offset).abs() < 0.01, "{mean}");
    }
}

#[test]
fn the_default_device_is_followed() {
    let mut bench = Bench::start(Settings::default());
    // Before the first one appears there is none, as where a sound server starts late.
    for (n, default) in ["built-in", "headset"].into_iter().enumerate() {
        bench.card.lock().default = Some(default.into());
        bench.wait_until("both opened again", |bench| {
            bench.run(1);
            bench.card.lock().opened.len() == 4 + 2 * n
        });
    }
}

#[test]
fn only_what_changed_is_opened_again() {
    let mut bench = Bench::start(Settings::default());
    bench.run(20);
    let id = DeviceChoice::Id("headset".into());
    let settings = Settings {
        output: Some(id.clone()),
        ..Settings::default()
    };
    bench.pipeline.apply(settings.clone()).unwrap();
    bench.wait_until("opened", |bench| bench.card.lock().opened.len() == 3);
    assert_eq!(bench.card.lock().opened[2], (Direction::Output, id));
    assert_eq!(bench.pipeline.settings(), settings);
    // A recording that cannot be is an error, not an end.
    let settings = Settings {
        record: Some("/nonexistent/clean.wav".into()),
        ..settings
    };
    let error = bench.pipeline.apply(settings).unwrap_err();
    assert!(format!("{error:#}").contains("/nonexistent/clean.wav"));
    assert!((peak(&bench.run(100)[24_000..]) - 0.25).abs() < 0.01);
}

#[test]
fn a_recording_that_cannot_start_leaves_the_other_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [clean, raw] = ["stick/clean.wav", "raw.wav"].map(|name| folder.path().join(name));
    let settings = Settings {
        record_raw: Some(raw.clone()),
        ..Settings::default()
    };
    let mut bench = Bench::start(settings.clone());
    bench.run(20);
    let both = Settings {
        record: Some(clean.clone()),
        ..settings
    };
    for _ in 0..2 {
        let error = bench.pipeline.apply(both.clone()).unwrap_err();
        assert!(format!("{error:#}").contains("stick/clean.wav"));
        bench.run(20);
    }
    std::fs::create_dir(folder.path().join("stick")).unwrap();
    bench.pipeline.apply(both).unwrap();
    bench.run(20);
    bench.pipeline.stop().unwrap();
    assert_eq!(recorded(&raw).len(), 80 * 480, "in one file");
    assert!(recorded(&clean).len() > 10 * 480);
}

#[test]
fn a_model_that_does_not_load_is_an_error_at_the_start() {
    let load: ModelLoader = Box::new(|| bail!("no such model"));
    let backend = Box::new(SharedCard::new());
    let result = PipelineHandle::start(Settings::default(), backend, load, no_realtime());
    assert_eq!(result.err().unwrap().to_string(), "no such model");
}
