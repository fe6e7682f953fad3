//! Devices and the virtual microphone on a PulseAudio server of the test's own, without hardware.
//!
//! Needs the `pulseaudio` program. Where it is missing the tests say so and pass, but not in CI.

use std::f32::consts::TAU;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use denoised::devices::CpalBackend;
use denoised::devices::pulse::{Connection, cookie};
use denoised::pipeline::queue::{
    CaptureDrain, PlaybackFeed, QueueState, capture_queue, playback_queue,
};
use denoised::pipeline::{
    Backend, DeviceChoice, DeviceErrorKind, DeviceInfo, Direction, OpenStream, StreamEvent,
    StreamEventKind, StreamWish,
};
use tempfile::TempDir;

/// The server may be slow to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sound in real time, and an environment that one test changes: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A server with a null sink "mic", whose monitor is a microphone, and one called "speaker".
struct Server {
    home: TempDir,
    process: Option<Child>,
    _alone: MutexGuard<'static, ()>,
}

impl Server {
    fn start() -> Option<Self> {
        if Command::new("pulseaudio")
            .arg("--version")
            .output()
            .is_err()
        {
            assert!(std::env::var_os("CI").is_none(), "pulseaudio is missing");
            eprintln!("not tested: pulseaudio is missing");
            return None;
        }
        let mut server = Self {
            home: tempfile::tempdir().unwrap(),
            process: None,
            _alone: ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner),
        };
        server.restart();
        Some(server)
    }

    fn restart(&mut self) {
        self.kill();
        let mut command = self.command("pulseaudio");
        command.args(["-n", "--daemonize=no", "--exit-idle-time=60"]);
        for module in [
            "module-native-protocol-unix",
            "module-null-sink sink_name=mic rate=48000",
            "module-null-sink sink_name=speaker rate=48000",
        ] {
            command.args(["-L", module]);
        }
        let process = command.stderr(Stdio::null()).spawn().unwrap();
        self.process = Some(process);
        let said = || self.run(&["mic", "status"]).1;
        eventually("the server starts", || !said().contains("unknown"));
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        // A killed server leaves the number of its process behind.
        let _ = fs::remove_file(self.home.path().join("pulse/pid"));
    }

    /// The configuration, and with it the server's cookie, is not where it is by default.
    fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let home = self.home.path();
        [
            ("HOME", home.into()),
            ("XDG_RUNTIME_DIR", home.into()),
            ("XDG_CONFIG_HOME", home.join("etc")),
        ]
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment());
        command
            .env_remove("PULSE_SERVER")
            .env_remove("PULSE_COOKIE");
        command
    }

    /// Exit code and standard output of denoised.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let program = assert_cmd::cargo::cargo_bin!("denoised");
        let output = self
            .command(&program.to_string_lossy())
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    }

    fn script(&self) -> PathBuf {
        self.home.path().join(".config/pulse/default.pa")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_virtual_microphone_comes_and_goes() {
    let Some(server) = Server::start() else {
        return;
    };
    let own = "load-module module-null-sink sink_name=own\n";
    fs::create_dir_all(server.script().parent().unwrap()).unwrap();
    fs::write(server.script(), own).unwrap();
    assert_eq!(server.run(&["mic", "status"]).0, 1);
    for _ in 0..2 {
        assert_eq!(server.run(&["mic", "install"]).0, 0);
        assert_eq!(server.run(&["mic", "status"]).0, 0);
        let (_, text) = server.run(&["devices"]);
        assert_eq!(text.matches("Denoised Microphone").count(), 1, "{text}");
        let script = fs::read_to_string(server.script()).unwrap();
        assert!(script.starts_with(own));
        assert_eq!(script.matches("source_name=denoised_mic").count(), 1);
    }
    assert_eq!(server.run(&["mic", "install", "--make-default"]).0, 0);
    assert!(server.run(&["mic", "status"]).1.contains("default"));
    assert!(server.run(&["mic", "remove"]).1.contains("removed"));
    assert!(server.run(&["mic", "remove"]).1.contains("not installed"));
    assert_eq!(server.run(&["mic", "status"]).0, 1);
    assert_eq!(fs::read_to_string(server.script()).unwrap(), own);

    let (code, json) = server.run(&["devices", "--json"]);
    assert_eq!(code, 0);
    let devices: serde_json::Value = serde_json::from_str(&json).unwrap();
    let ids: Vec<_> = devices
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["id"])
        .collect();
    assert!(ids.contains(&&"pulseaudio:mic.monitor".into()));
    assert!(!json.contains("denoised"));
}

#[test]
fn the_doctor_finds_what_is_wrong_and_says_what_helps() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let (code, text) = server.run(&["doctor"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("ok      server          pulseaudio"),
        "{text}"
    );
    // Nobody plays into the sink whose monitor is the microphone.
    assert!(text.contains("digital silence"), "{text}");
    assert!(text.contains("denoised mic install"), "{text}");

    let (code, text) = server.run(&["doctor", "--input", "nosuch", "--output", "none"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("PROBLEM input"), "{text}");
    assert!(text.contains("choose with --input"), "{text}");

    server.kill();
    let (_, json) = server.run(&["doctor", "--json", "--model", "/nonexistent.safetensors"]);
    let findings: serde_json::Value = serde_json::from_str(&json).unwrap();
    let verdict = |area: &str| {
        let mut all = findings.as_array().unwrap().iter();
        let finding = all.find(|finding| finding["area"] == area).unwrap();
        assert!(finding["remedy"].is_string(), "{finding}");
        finding["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("server"), "warning");
    assert_eq!(verdict("model"), "problem");
}

#[test]
fn a_rooms_noise_is_recorded_and_silence_refused() {
    let Some(server) = Server::start() else {
        return;
    };
    let file = server.home.path().join("room.wav");
    let output = file.to_str().unwrap();
    let record = [
        "capture-noise",
        "--seconds",
        "1",
        "--input",
        "mic.monitor",
        "--output",
        output,
    ];
    // Nobody plays into the sink.
    assert_eq!(server.run(&record).0, 1);
    assert!(!file.exists());

    let mut seed = 1u32;
    let noise: Vec<u8> = (0..48_000 * 20)
        .flat_map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 16) as i16 / 64).to_le_bytes()
        })
        .collect();
    let raw = server.home.path().join("noise.raw");
    fs::write(&raw, noise).unwrap();
    let mut player = server
        .command("pacat")
        .args([
            "--device=mic",
            "--rate=48000",
            "--channels=1",
            "--format=s16le",
        ])
        .arg(&raw)
        .spawn()
        .unwrap();
    let mut said = (1, String::new());
    eventually("the noise is recorded", || {
        said = server.run(&record);
        said.0 == 0
    });
    let level: f64 = said
        .1
        .split(" s at ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    player.kill().unwrap();
    player.wait().unwrap();
    // Uniform noise of ±1/64: 20 log10(1 / 64 / √3).
    assert!((level + 40.9).abs() < 1.0, "{}", said.1);
    assert!(said.1.contains("only 1 s long"), "{}", said.1);
    assert_eq!(hound::WavReader::open(&file).unwrap().len() / 480, 100);
    assert_eq!(server.run(&record).0, 1, "an existing file is kept");
}

/// Long, and much queued: what is tested comes and goes, and a busy machine keeps threads waiting.
const PERIOD_MS: f32 = 50.0;
const QUEUED_FRAMES: usize = 24_000;
const TONE_HZ: f32 = 1000.0;
/// Length of the pieces in which the tone is looked for.
const PIECE_S: f32 = 0.02;
/// A stream that has not called for so long is opened again.
const SILENCE: Duration = Duration::from_secs(5);

/// Streams of the pipeline's queues, without the pipeline.
struct Audio {
    backend: CpalBackend,
    events: (Sender<StreamEvent>, Receiver<StreamEvent>),
    input: Option<(OpenStream, CaptureDrain)>,
    output: Option<(OpenStream, PlaybackFeed)>,
    phase: f32,
}

impl Audio {
    fn open(&mut self) {
        let wish = StreamWish {
            period_ms: Some(PERIOD_MS),
            ..StreamWish::default()
        };
        let named = |name: &str| DeviceChoice::NamePart(name.into());
        eventually("the devices open", || {
            if self.output.is_none() {
                let (feed, side) = playback_queue();
                feed.state().set_bounds(1920, 4 * QUEUED_FRAMES);
                let events = self.events.0.clone();
                let opened = self.backend.open_output(&named("mic"), &wish, side, events);
                self.output = opened.ok().map(|stream| (stream, feed));
            }
            if self.input.is_none() {
                let (side, drain) = capture_queue(std::thread::current());
                let events = self.events.0.clone();
                let opened = self
                    .backend
                    .open_input(&named("mic.monitor"), &wish, side, events);
                self.input = opened.ok().map(|stream| (stream, drain));
            }
            self.input.is_some() && self.output.is_some()
        });
    }

    /// Plays a tone until a tenth of a second of it has come back, in pieces: on a busy machine there are gaps.
    fn hears_itself(&mut self) {
        let rising = |a: f32, b: f32| a < 0.0 && b >= 0.0;
        let mut heard: Vec<f32> = Vec::new();
        let mut tone_s = 0.0;
        eventually("the tone arrives", || {
            self.reopen_what_has_failed();
            let (stream, feed) = self.output.as_mut().unwrap();
            let channels = usize::from(stream.channels);
            while feed.state().queued_samples() < QUEUED_FRAMES * channels {
                let block: Vec<f32> = (0..480 * channels)
                    .map(|n| {
                        if n % channels == 0 {
                            self.phase = (self.phase + TONE_HZ / stream.rate_hz as f32).fract();
                        }
                        0.5 * (self.phase * TAU).sin()
                    })
                    .collect();
                feed.push(&block, channels);
            }
            let (stream, drain) = self.input.as_mut().unwrap();
            while drain.pop(|samples, channels, _| {
                heard.extend(samples.iter().step_by(channels));
            }) {}
            let piece = (stream.rate_hz as f32 * PIECE_S) as usize;
            let periods = (TONE_HZ * PIECE_S) as usize;
            for part in heard.chunks_exact(piece) {
                let crossings = part.windows(2).filter(|w| rising(w[0], w[1])).count();
                let level = part.iter().map(|x| x * x).sum::<f32>() / piece as f32;
                if crossings.abs_diff(periods) <= 1 && (level - 0.125).abs() < 0.005 {
                    tone_s += PIECE_S;
                }
            }
            heard.drain(..heard.len() / piece * piece);
            tone_s > 0.1
        });
    }

    /// Opens streams again that told of an error or fell silent, as the supervisor does.
    fn reopen_what_has_failed(&mut self) {
        use DeviceErrorKind::{Changed, RealtimeDenied, Xrun};
        while let Ok(event) = self.events.1.try_recv() {
            match event.kind {
                StreamEventKind::Error(error)
                    if !matches!(error.kind, Changed | RealtimeDenied | Xrun) =>
                {
                    self.close(event.direction);
                }
                _ => {}
            }
        }
        let silent = |state: &QueueState| state.since_callback() > SILENCE;
        self.input.take_if(|(_, drain)| silent(drain.state()));
        self.output.take_if(|(_, feed)| silent(feed.state()));
        self.open();
    }

    /// Waits for a stream's end and closes it.
    fn fails(&mut self, direction: Direction, kinds: &[DeviceErrorKind]) {
        eventually("an error is told", || {
            self.events.1.try_iter().any(|event| {
                let StreamEventKind::Error(error) = event.kind else {
                    return false;
                };
                event.direction == direction && kinds.contains(&error.kind)
            })
        });
        self.close(direction);
    }

    fn close(&mut self, direction: Direction) {
        match direction {
            Direction::Input => self.input = None,
            Direction::Output => self.output = None,
        }
    }
}

#[test]
fn a_tone_goes_through_and_comes_back_after_unplugging_and_restarts() {
    let Some(mut server) = Server::start() else {
        return;
    };
    for (name, value) in server.environment() {
        // SAFETY: the only test of this file that looks at the process's own environment, and the
        // standard library guards the others' starting of programs.
        unsafe { std::env::set_var(name, value) };
    }
    unsafe { std::env::remove_var("PULSE_SERVER") };
    // SAFETY: as above.
    unsafe { cookie::name_in_environment() };
    let mut audio = Audio {
        backend: CpalBackend::new(),
        events: bounded(64),
        input: None,
        output: None,
        phase: 0.0,
    };
    audio.open();
    audio.hears_itself();

    // Without the watch the server would move both streams to the speaker, and nobody would know.
    let mut connection = Connection::open().unwrap();
    let modules = connection.modules().unwrap();
    let is_mic = |text: &std::ffi::CString| text.to_string_lossy().contains("sink_name=mic");
    let mic = modules
        .iter()
        .find(|m| m.argument.as_ref().is_some_and(is_mic))
        .unwrap();
    connection.unload_module(mic.index).unwrap();
    audio.fails(Direction::Output, &[DeviceErrorKind::NotAvailable]);
    audio.input = None;
    connection
        .load_module("module-null-sink", "sink_name=mic rate=44100")
        .unwrap();
    // Seen before it is opened: the server may bring an idle sink to the rate of its stream.
    eventually("the new sink is listed with its rate", || {
        let devices = audio.backend.devices().unwrap_or_default();
        let is_mic = |device: &&DeviceInfo| device.id == "pulseaudio:mic";
        let mic = devices.iter().find(is_mic);
        mic.is_some_and(|mic| mic.rates_hz == [44_100])
    });
    audio.open();
    audio.hears_itself();

    server.kill();
    let gone = [
        DeviceErrorKind::Invalidated,
        DeviceErrorKind::HostUnavailable,
    ];
    audio.fails(Direction::Input, &gone);
    audio.output = None;
    let missing = audio.backend.devices().unwrap_err();
    assert_eq!(missing.kind, DeviceErrorKind::HostUnavailable);
    server.restart();
    audio.open();
    audio.hears_itself();
}
