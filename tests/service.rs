//! The service as its users meet it: a daemon on an audio system without audio, and the commands
//! that talk to it.

mod common;
#[path = "common/fake.rs"]
mod fake;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use denoised::service::config::{Flags, Invalid};
use denoised::service::control::folder::AlreadyRunning;
use denoised::service::daemon::{self, Platform};
use serde_json::Value;
use tempfile::TempDir;

use common::MODEL;
use fake::FakeBackend;

/// A home with its runtime folder.
struct Home(TempDir);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
    }
}

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("run/denoised/control.sock")
    }

    fn configure(&self, text: &str) {
        fs::write(self.path("config.toml"), text).unwrap();
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("denoised").unwrap();
        command
            .env_clear()
            .env("HOME", self.0.path())
            .env("XDG_CONFIG_HOME", self.path("etc"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .args(arguments.split_whitespace())
            .timeout(Duration::from_secs(60));
        command
    }

    fn say(&self, arguments: &str) -> Said {
        said(&mut self.command(arguments))
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.say("status --json").ok()).unwrap()
    }

    /// Starts a daemon with the home's `config.toml` and waits until it serves.
    fn start(&self) -> JoinHandle<anyhow::Result<()>> {
        let daemon = self.daemon();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.say("status").code != 0 {
            assert!(!daemon.is_finished(), "{:?}", daemon.join());
            assert!(Instant::now() < deadline, "the daemon does not start");
            thread::sleep(Duration::from_millis(50));
        }
        daemon
    }

    fn daemon(&self) -> JoinHandle<anyhow::Result<()>> {
        let flags = Flags {
            config: Some(self.path("config.toml")),
            given: vec![("model".into(), MODEL.1.clone().into())],
        };
        let platform = Platform {
            backend: Box::new(FakeBackend),
            realtime: Box::new(|| Ok(())),
            folder: self.path("run/denoised"),
            terminal: None,
        };
        thread::spawn(move || daemon::run(flags, platform))
    }

    /// Waits until the status has what is looked for.
    fn until(&self, what: &str, found: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.status();
            if found(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// One connection to the socket.
struct Talk(BufReader<UnixStream>);

impl Talk {
    fn new(home: &Home) -> Talk {
        Talk(BufReader::new(UnixStream::connect(home.socket()).unwrap()))
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    /// Waits until the daemon hangs up; its place is free then.
    fn ends(&mut self) {
        // With bytes of ours unread, hanging up is a reset.
        let _ = self.0.read_to_end(&mut Vec::new());
    }

    /// Says no more, and waits until the daemon hangs up.
    fn leave(mut self) {
        self.0.get_ref().shutdown(Shutdown::Write).unwrap();
        self.ends();
    }
}

#[test]
fn a_session_with_the_daemon() {
    let home = Home::new();
    home.configure("record = \"clean.wav\"\natten-limit-db = 12\n");
    let daemon = home.start();

    let status = home.until("running", |status| status["state"] == "running");
    assert_eq!(status["mode"], "clean");
    assert_eq!(status["atten_limit_db"], 12.0);
    assert_eq!(status["input"]["id"], "fake:mic");
    assert_eq!(status["output"]["rate_hz"], 48_000);
    assert!(status["rss_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(
        home.say("status")
            .ok()
            .contains("noise lowered by 12 dB at most")
    );
    home.until("frames", |now| {
        now["frames"].as_u64() > status["frames"].as_u64()
    });
    // A hum of 0.1 peak is -23 dBFS.
    home.until("the level", |now| {
        (now["input_dbfs"].as_f64().unwrap() + 23.0).abs() < 1.0
    });

    home.say("mode bypass").ok();
    assert_eq!(home.status()["mode"], "bypass");
    home.say("mode corrupt").ok();
    assert_eq!(home.status()["mode"], "corrupt");
    home.say("mode loud")
        .fails(2, &["clean, bypass, corrupt or corrupt+clean"]);
    home.say("set mix 0.5").ok();
    home.say("set input-gain-db -6").ok();
    home.say("set atten-limit-db off").ok();
    let status = home.status();
    assert_eq!(status["mix"], 0.5);
    assert_eq!(status["input_gain_db"], -6.0);
    assert_eq!(status["atten_limit_db"], Value::Null);
    home.say("set mix 2").fails(1, &["mix = 2", "0 to 1"]);
    assert_eq!(home.status()["mix"], 0.5);

    home.configure("mixx = 0.1\n");
    home.say("reload").fails(
        1,
        &[
            "config.toml:1",
            "mixx",
            "did you mean mix?",
            "stays as it was",
        ],
    );
    assert_eq!(home.status()["mix"], 0.5);
    home.configure("record = \"clean.wav\"\nmix = 0.25\nmetrics = 1\n");
    let said = home.say("reload").ok();
    assert!(said.contains("metrics: restart"), "{said}");
    let status = home.status();
    assert_eq!(status["mix"], 0.25);
    assert_eq!(status["mode"], "clean");
    assert_eq!(status["reopens"], 0);

    assert_eq!(home.say("stop").ok(), "stopped\n");
    daemon.join().unwrap().unwrap();
    let recording = hound::WavReader::open(home.path("clean.wav")).unwrap();
    assert!(recording.duration() > 4800, "{}", recording.duration());
    home.say("status")
        .fails(4, &["not running", "denoised run"]);
    assert!(!home.socket().exists());
}

#[test]
fn a_recording_that_could_not_start_does_so_after_a_reload() {
    let home = Home::new();
    home.configure("");
    let daemon = home.start();
    home.configure("record = \"stick/clean.wav\"\n");
    for _ in 0..2 {
        home.say("reload")
            .fails(1, &["but for the recording", "stick/clean.wav"]);
    }
    fs::create_dir(home.path("stick")).unwrap();
    home.say("reload").ok();
    home.until("recording", |status| {
        status["recording"]["seconds"].as_f64() > Some(0.0)
    });
    home.say("stop").ok();
    daemon.join().unwrap().unwrap();
    assert!(home.path("stick/clean.wav").exists());
}

#[test]
fn abuse_of_the_socket_reaches_nobody_else() {
    let home = Home::new();
    home.configure("");
    // What a daemon killed with -9 leaves behind.
    fs::create_dir_all(home.path("run/denoised")).unwrap();
    drop(UnixListener::bind(home.socket()).unwrap());
    let daemon = home.start();
    let mode = fs::metadata(home.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let second = home.daemon().join().unwrap().unwrap_err();
    assert!(second.is::<AlreadyRunning>(), "{second:#}");

    let mut talk = Talk::new(&home);
    for garbage in [
        &b"hello\n"[..],
        b"\n",
        b"\xff\xfe\n",
        b"{\"command\":\"mode\"}\n",
        b"{\"command\":\"mode\",\"mode\":\"clean\",\"extra\":1}\n",
        b"{\"command\":\"set\",\"key\":\"model\",\"value\":\"x\"}\n",
        b"[[[[[[[[\n",
    ] {
        talk.send(garbage);
        assert!(talk.hear()["error"].is_string(), "{garbage:?}");
    }
    talk.send(b"{\"command\":\"status\"}\n{\"command\":\"status\"}\n");
    assert!(talk.hear()["status"].is_object());
    assert!(talk.hear()["status"].is_object());

    let mut endless = Talk::new(&home);
    endless.send(&[b'x'; 5000]);
    assert!(endless.hear()["error"].as_str().unwrap().contains("4096"));
    endless.ends();

    // Seven more that say nothing; the next one is turned away, and one that leaves makes room.
    let mut silent: Vec<Talk> = (0..7).map(|_| Talk::new(&home)).collect();
    let refused = Talk::new(&home).hear();
    assert!(refused["error"].as_str().unwrap().contains("too many"));
    silent.pop().unwrap().leave();
    let before = home.status();
    home.until("frames", |now| {
        now["frames"].as_u64() > before["frames"].as_u64()
    });

    drop(silent);
    home.say("stop").ok();
    daemon.join().unwrap().unwrap();
}

#[test]
fn prometheus_gets_its_text() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let home = Home::new();
    home.configure(&format!("metrics = {port}\ninput = \"unplugged\"\n"));
    let daemon = home.start();
    let get = |request: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = get("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"));
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("denoised_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = name.split('{').next().unwrap();
        assert!(body.contains(&format!("# TYPE {name} ")), "{line}");
    }
    // The microphone is not there, and that stops nothing.
    assert!(body.contains("\ndenoised_running 0\n"), "{body}");
    assert!(body.contains("\ndenoised_mode{mode=\"clean\"} 1\n"));
    let device = home.status()["input"].clone();
    assert!(
        device["error"].as_str().unwrap().contains("unplugged"),
        "{device}"
    );
    assert!(get("GET / HTTP/1.0\n\n").starts_with("HTTP/1.1 404"));
    assert!(get("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    let mut endless = TcpStream::connect(("127.0.0.1", port)).unwrap();
    endless.write_all(&[b'x'; 20_000]).unwrap();
    assert!(get("GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));

    home.say("stop").ok();
    daemon.join().unwrap().unwrap();
}

#[test]
fn a_daemon_with_a_bad_configuration_does_not_start() {
    let home = Home::new();
    home.configure("mode = 3\n");
    let error = home.daemon().join().unwrap().unwrap_err();
    assert!(error.is::<Invalid>(), "{error:#}");
    assert!(
        error
            .to_string()
            .contains("config.toml:1: mode: \"3\" is no mode")
    );
}

#[test]
fn configuration_is_written_checked_and_shown() {
    let home = Home::new();
    let path = home.path("etc/denoised/config.toml");
    assert!(
        home.say("config check")
            .ok()
            .contains("there is no such file")
    );
    assert_eq!(home.say("config init").ok().trim(), path.to_str().unwrap());
    assert!(home.say("config check").ok().contains("no mistakes"));
    home.say("config init").fails(1, &["exists already"]);

    fs::write(&path, "mix = 0.5\ninput-gain-db = 3\natten-limit-db = 20\n").unwrap();
    let mut show = home.command("config show --input-gain-db -3");
    let shown = said(
        show.env("DENOISED_MIX", "0.75")
            .env("DENOISED_OUTPUT", "none"),
    )
    .ok();
    let line = |key: &str| {
        let mut lines = shown.lines();
        lines
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("{key} in {shown}"))
    };
    assert!(line("mix = 0.75 ").ends_with("# environment: DENOISED_MIX"));
    assert!(line("input-gain-db = -3 ").ends_with("# command line"));
    assert!(line("atten-limit-db = 20 ").ends_with("config.toml:3"));
    assert!(line("output = \"none\" ").ends_with("# environment: DENOISED_OUTPUT"));
    assert!(line("input = \"default\" ").ends_with("# default"));
    // What is shown is itself a configuration.
    fs::write(&path, &shown).unwrap();
    home.say("config check").ok();

    fs::write(&path, "latency = 3\n\nmix = \"much\"\n").unwrap();
    home.say("config check").fails(
        2,
        &[
            "config.toml:1: unknown key latency; did you mean latency-ms?",
            "config.toml:3: mix: must be",
        ],
    );
    let mut check = home.command("config check");
    said(check.env("DENOISED_MIX", "9")).fails(2, &["--mix"]);
    home.say("config check --config nowhere.toml")
        .fails(2, &["nowhere.toml", "no such file"]);
}

#[test]
fn without_systemd_service_says_so_and_changes_nothing() {
    let home = Home::new();
    let path = std::env::var_os("PATH").unwrap();
    let mut install = home.command("service install");
    said(install.env("PATH", path)).fails(1, &["systemd cannot be reached", "denoised run"]);
    assert!(!home.path("etc").exists());
    assert_eq!(home.say("service remove").ok(), "there was none\n");
}
