//! `denoised clean` as its users meet it. The weights are untrained: these tests are about files,
//! not about how well noise goes.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use tempfile::TempDir;

use common::MODEL;

/// A folder to work in, and what was said and done there.
struct Shell(TempDir);

struct Said {
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl Said {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    fn ok(self) -> Said {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    fn fails_saying(self, words: &[&str]) -> Said {
        assert_eq!(self.code, 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
        self
    }
}

impl Shell {
    fn new() -> Shell {
        Shell(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `denoised clean …`, in the folder, with the test model.
    fn clean(&self, arguments: &str) -> Said {
        self.clean_with_stdin(arguments, &[])
    }

    fn clean_with_stdin(&self, arguments: &str, stdin: &[u8]) -> Said {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
            .current_dir(self.0.path())
            .env("DENOISED_MODEL", &MODEL.1)
            .arg("clean")
            .args(arguments.split_whitespace())
            .write_stdin(stdin)
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Writes a WAV of half a second of sound that differs between channels.
    fn wav(&self, name: &str, spec: WavSpec) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for n in 0..spec.sample_rate / 2 + 7 {
            for channel in 0..spec.channels {
                let seconds = n as f64 / f64::from(spec.sample_rate);
                let value = 0.4
                    * (2.0 * std::f64::consts::PI * (300.0 + 50.0 * f64::from(channel)) * seconds)
                        .sin();
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                    SampleFormat::Int => writer
                        .write_sample(
                            (value * 2f64.powi(i32::from(spec.bits_per_sample) - 1)) as i32,
                        )
                        .unwrap(),
                }
            }
        }
        writer.finalize().unwrap();
        path
    }

    fn speech(&self, name: &str) -> PathBuf {
        self.wav(name, int(16, 16_000, 1))
    }

    /// Everything in the folder, as paths below it.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = walkdir::WalkDir::new(self.0.path())
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                entry
                    .path()
                    .strip_prefix(self.0.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect();
        files.sort();
        files
    }
}

fn int(bits: u16, rate_hz: u32, channels: u16) -> WavSpec {
    WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: bits,
        sample_format: SampleFormat::Int,
    }
}

fn float(rate_hz: u32, channels: u16) -> WavSpec {
    WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    }
}

/// Interleaved samples, full scale at 1.0.
fn samples(path: &Path) -> Vec<f32> {
    let mut reader = WavReader::open(path).unwrap();
    let bits = reader.spec().bits_per_sample;
    match reader.spec().sample_format {
        SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
        SampleFormat::Int => reader
            .samples::<i32>()
            .map(|sample| sample.unwrap() as f32 / 2f32.powi(i32::from(bits) - 1))
            .collect(),
    }
}

/// Every sample format, rates from 8 to 192 kHz, one to six channels.
fn all_formats() -> [WavSpec; 7] {
    [
        int(8, 8_000, 1),
        int(16, 44_100, 2),
        int(24, 48_000, 1),
        int(32, 22_050, 1),
        float(96_000, 2),
        float(192_000, 1),
        int(16, 16_000, 6),
    ]
}

#[test]
fn output_has_the_inputs_rate_channels_length_and_sample_format() {
    let shell = Shell::new();
    for (index, spec) in all_formats().into_iter().enumerate() {
        shell.wav(&format!("in/{index}.wav"), spec);
    }
    shell.clean("in -o out").ok();
    for (index, spec) in all_formats().into_iter().enumerate() {
        let input = WavReader::open(shell.path(&format!("in/{index}.wav"))).unwrap();
        let output = WavReader::open(shell.path(&format!("out/{index}.wav"))).unwrap();
        assert_eq!(output.spec(), spec);
        assert_eq!(output.duration(), input.duration());
    }
}

#[test]
fn no_attenuation_or_no_mix_gives_the_input_back_exactly() {
    let shell = Shell::new();
    for (index, spec) in all_formats().into_iter().enumerate() {
        shell.wav(&format!("in/{index}.wav"), spec);
    }
    for option in ["--atten-limit-db 0", "--mix 0"] {
        shell.clean(&format!("in -o out --force {option}")).ok();
        for (index, spec) in all_formats().into_iter().enumerate() {
            let name = format!("{index}.wav");
            let same =
                samples(&shell.path("out").join(&name)) == samples(&shell.path("in").join(&name));
            assert!(same, "{option}, {spec:?}");
        }
    }
}

#[test]
fn cleaning_does_change_the_sound() {
    let shell = Shell::new();
    let input = shell.speech("a.wav");
    shell.clean("a.wav").ok();
    assert!(samples(&shell.path("a.denoised.wav")) != samples(&input));
}

#[test]
fn compressed_formats_come_out_as_aligned_16_bit_wav() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    // M4A keeps the 1024 priming samples of its encoder, and fills its last packet.
    for (name, frames, late) in [
        ("burst.flac", 22_050, 0),
        ("burst.mp3", 22_050, 0),
        ("burst.ogg", 22_050, 0),
        ("burst.m4a", 23_552, 1024),
    ] {
        let shell = Shell::new();
        fs::copy(data.join(name), shell.path(name)).unwrap();
        shell.clean(&format!("{name} --mix 0")).ok();
        let output = shell.path("burst.denoised.wav");
        assert_eq!(
            WavReader::open(&output).unwrap().spec(),
            int(16, 44_100, 2),
            "{name}"
        );
        assert_eq!(
            WavReader::open(&output).unwrap().duration(),
            frames,
            "{name}"
        );
        let left: Vec<f32> = samples(&output).chunks(2).map(|frame| frame[0]).collect();
        // The burst is symmetric about 0.25 s, where its energy is centred.
        let energy: f32 = left.iter().map(|sample| sample * sample).sum();
        let moment: f32 = left
            .iter()
            .enumerate()
            .map(|(n, sample)| n as f32 * sample * sample)
            .sum();
        let centre = moment / energy - late as f32;
        assert!(
            (centre - 0.25 * 44_100.0).abs() < 10.0,
            "{name}: centre at {centre}"
        );
    }
}

#[test]
fn folders_keep_their_tree_and_outputs_are_no_inputs() {
    let shell = Shell::new();
    shell.speech("talk/a.wav");
    shell.speech("talk/day 2/b.WAV");
    fs::write(shell.path("talk/notes.txt"), "not audio").unwrap();
    shell.clean("talk -o out").ok();
    assert_eq!(
        shell.files(),
        [
            "out/a.wav",
            "out/day 2/b.wav",
            "talk/a.wav",
            "talk/day 2/b.WAV",
            "talk/notes.txt"
        ]
    );

    shell.clean("talk").ok();
    let said = shell.clean("talk --force").ok();
    assert_eq!(said.text().lines().count(), 2, "{}", said.text());

    shell.clean("talk -o talk/clean").ok();
    let said = shell.clean("talk -o talk/clean --force").ok();
    assert_eq!(said.text().lines().count(), 2, "{}", said.text());
}

#[test]
fn existing_outputs_stay_without_force_and_inputs_always() {
    let shell = Shell::new();
    let input = shell.speech("a.wav");
    let original = fs::read(&input).unwrap();
    fs::write(shell.path("b.wav"), "precious").unwrap();
    shell
        .clean("a.wav -o b.wav")
        .fails_saying(&["b.wav exists already", "--force"]);
    assert_eq!(fs::read(shell.path("b.wav")).unwrap(), b"precious");
    shell.clean("a.wav -o b.wav --force").ok();
    assert_eq!(samples(&shell.path("b.wav")).len(), samples(&input).len());

    shell
        .clean("a.wav -o a.wav --force")
        .fails_saying(&["would overwrite the input"]);
    shell
        .clean("a.wav -o ./ --force")
        .fails_saying(&["would overwrite the input"]);
    assert!(fs::read(&input).unwrap() == original);
}

#[test]
fn two_inputs_never_share_an_output() {
    let shell = Shell::new();
    shell.speech("x/a.wav");
    shell.speech("y/a.wav");
    shell
        .clean("x/a.wav y/a.wav -o out")
        .fails_saying(&["y/a.wav: out/a.wav is the output of x/a.wav already"]);
    assert_eq!(shell.files(), ["out/a.wav", "x/a.wav", "y/a.wav"]);
}

#[test]
fn bad_files_are_named_and_the_others_go_on() {
    let shell = Shell::new();
    let whole = fs::read(shell.speech("good.wav")).unwrap();
    fs::write(shell.path("empty.wav"), "").unwrap();
    fs::write(
        shell.path("text.mp3"),
        "this is not an MP3 file at all, only words\n".repeat(40),
    )
    .unwrap();
    fs::write(shell.path("header.wav"), &whole[..30]).unwrap();
    fs::write(shell.path("truncated.wav"), &whole[..5000]).unwrap();
    let mut zero_rate = whole.clone();
    zero_rate[24..32].fill(0);
    fs::write(shell.path("zerorate.wav"), zero_rate).unwrap();
    let mut nan = WavWriter::create(shell.path("nan.wav"), float(16_000, 1)).unwrap();
    (0..16_000).for_each(|_| nan.write_sample(f32::NAN).unwrap());
    nan.finalize().unwrap();
    WavWriter::create(shell.path("silent.wav"), int(16, 16_000, 1))
        .unwrap()
        .finalize()
        .unwrap();
    let flac =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/burst.flac")).unwrap();
    fs::write(shell.path("cut.flac"), &flac[..flac.len() * 2 / 3]).unwrap();
    let before = shell.files();

    let said = shell
        .clean("empty.wav text.mp3 header.wav truncated.wav zerorate.wav nan.wav silent.wav cut.flac missing.wav good.wav --jobs 2")
        .fails_saying(&[
            "empty.wav: the file is empty",
            "text.mp3: not audio in a known format",
            "header.wav: truncated",
            "truncated.wav: truncated: the header promises 8007 frames, the file holds 2478",
            "zerorate.wav: a sample rate of 0 Hz",
            "nan.wav: frame 0 of channel 1 is not a finite number",
            "silent.wav: holds no audio",
            "cut.flac: truncated",
            "missing.wav: no such file",
        ]);
    assert_eq!(said.err.lines().count(), 9, "{}", said.err);
    assert!(
        said.text()
            .starts_with("good.wav -> good.denoised.wav: level"),
        "{}",
        said.text()
    );
    let mut expected = before;
    expected.push("good.denoised.wav".into());
    expected.sort();
    assert_eq!(shell.files(), expected);
}

#[test]
fn stdin_to_stdout_is_wav_of_open_length() {
    let shell = Shell::new();
    let input = shell.wav("a.wav", int(24, 32_000, 2));
    let mut stream = fs::read(&input).unwrap();
    shell.clean("a.wav -o file.wav").ok();
    let file = samples(&shell.path("file.wav"));

    let data = stream
        .windows(4)
        .position(|bytes| bytes == b"data")
        .unwrap();
    for size in [None, Some(0u32), Some(u32::MAX)] {
        if let Some(size) = size {
            stream[data + 4..data + 8].copy_from_slice(&size.to_le_bytes());
        }
        let said = shell.clean_with_stdin("-", &stream).ok();
        assert_eq!(said.err, "");
        let at = said
            .out
            .windows(4)
            .position(|bytes| bytes == b"data")
            .unwrap();
        assert_eq!(said.out[at + 4..at + 8], [0xFF; 4]);
        // With the length filled in, any reader takes it.
        let mut complete = said.out.clone();
        let bytes = (complete.len() - at - 8) as u32;
        complete[at + 4..at + 8].copy_from_slice(&bytes.to_le_bytes());
        fs::File::create(shell.path("piped.wav"))
            .unwrap()
            .write_all(&complete)
            .unwrap();
        assert!(samples(&shell.path("piped.wav")) == file);
    }

    let said = shell.clean("a.wav -o -").ok();
    shell.clean_with_stdin("- -o again.wav", &said.out).ok();
    assert_eq!(samples(&shell.path("again.wav")).len(), file.len());
}

#[test]
fn json_has_a_line_for_every_file() {
    let shell = Shell::new();
    shell.speech("a.wav");
    let said = shell
        .clean("a.wav missing.wav --json --reference a.wav")
        .fails_saying(&["missing.wav"]);
    let lines: Vec<serde_json::Value> = said
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let line = |input: &str| lines.iter().find(|line| line["input"] == input).unwrap();
    let good = line("a.wav");
    assert_eq!(good["output"], "a.denoised.wav");
    assert_eq!(
        (&good["rate_hz"], &good["channels"]),
        (&16_000.into(), &1.into())
    );
    // A sine of amplitude 0.4.
    assert!((good["input_level_dbfs"].as_f64().unwrap() - -10.97).abs() < 0.02);
    assert!(good["real_time_factor"].as_f64().unwrap() > 0.0);
    // The input is its own reference: no distortion, which JSON has no number for.
    assert!(good["input_si_sdr_db"].is_null());
    assert!(good["output_si_sdr_db"].is_f64());
    assert!(
        line("missing.wav")["error"]
            .as_str()
            .unwrap()
            .contains("no such file")
    );
}

#[test]
fn plot_writes_a_png_beside_the_output() {
    let shell = Shell::new();
    shell.speech("a.wav");
    shell.clean("a.wav -o out/ --plot").ok();
    assert_eq!(shell.files(), ["a.wav", "out/a.png", "out/a.wav"]);
    assert_eq!(
        fs::read(shell.path("out/a.png")).unwrap()[..8],
        *b"\x89PNG\r\n\x1a\n"
    );
    shell.clean("a.wav -o out/b.wav --plot").ok();
    fs::remove_file(shell.path("out/b.wav")).unwrap();
    shell
        .clean("a.wav -o out/b.wav --plot")
        .fails_saying(&["out/b.png exists already"]);
}

#[test]
fn silence_stays_silence() {
    let shell = Shell::new();
    let mut silent = WavWriter::create(shell.path("a.wav"), int(16, 44_100, 1)).unwrap();
    (0..50_000).for_each(|_| silent.write_sample(0i16).unwrap());
    silent.finalize().unwrap();
    shell.clean("a.wav").ok();
    assert!(
        samples(&shell.path("a.denoised.wav"))
            .iter()
            .all(|&sample| sample == 0.0)
    );
}

#[test]
fn contradictions_are_explained() {
    let shell = Shell::new();
    shell.speech("a.wav");
    shell
        .clean("a.wav -o a.mp3")
        .fails_saying(&["a.mp3", "must end in .wav"]);
    shell
        .clean("a.wav - -o out")
        .fails_saying(&["must be the only input"]);
    shell
        .clean("a.wav -o - --json")
        .fails_saying(&["standard output"]);
    shell.clean("a.wav -o - --plot").fails_saying(&["--plot"]);
    shell
        .clean("a.wav --model none.safetensors")
        .fails_saying(&["none.safetensors"]);
    assert_eq!(shell.clean("a.wav --mix 2").code, 2);
    assert_eq!(shell.clean("a.wav --atten-limit-db -3").code, 2);
    assert_eq!(shell.files(), ["a.wav"]);
}

#[test]
fn nothing_appears_before_it_is_complete_and_ctrl_c_leaves_nothing() {
    let shell = Shell::new();
    let wav = fs::read(shell.speech("a.wav")).unwrap();
    let mut running = std::process::Command::new(assert_cmd::cargo::cargo_bin!("denoised"))
        .current_dir(shell.0.path())
        .env("DENOISED_MODEL", &MODEL.1)
        .args(["clean", "-", "-o", "out.wav"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(&wav[..9000]).unwrap();
    let started = Instant::now();
    while shell.files().len() < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no temporary file"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!shell.path("out.wav").exists());
    // SAFETY: the process is a child that has not been waited for.
    unsafe { libc::kill(running.id() as i32, libc::SIGINT) };
    std::thread::sleep(Duration::from_millis(200));
    stdin.write_all(&wav[9000..]).unwrap();
    drop(stdin);
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert_eq!(shell.files(), ["a.wav"]);
}
