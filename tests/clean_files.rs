//! What `denoised clean` does with files, folders, pipes and whatever is wrong with them.

mod common;
#[path = "common/shell.rs"]
mod shell;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hound::WavWriter;

use common::MODEL;
use shell::{Shell, float, int, samples};

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
    shell
        .clean("a.wav -o b.wav --reference b.wav --force")
        .fails_saying(&["would overwrite the input b.wav"]);
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
    let mut tagged = fs::read(shell.path("silent.wav")).unwrap();
    tagged.extend(b"LIST\x04\0\0\0INFO");
    tagged[4] += 12;
    fs::write(shell.path("tagged.wav"), tagged).unwrap();
    let flac =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/burst.flac")).unwrap();
    fs::write(shell.path("cut.flac"), &flac[..flac.len() * 2 / 3]).unwrap();
    let before = shell.files();

    let said = shell
        .clean("empty.wav text.mp3 header.wav truncated.wav zerorate.wav nan.wav silent.wav tagged.wav cut.flac missing.wav good.wav --jobs 2")
        .fails_saying(&[
            "empty.wav: the file is empty",
            "text.mp3: not audio in a known format",
            "header.wav: truncated",
            "truncated.wav: truncated: the header promises 8007 frames, the file holds 2478",
            "zerorate.wav: a sample rate of 0 Hz",
            "nan.wav: frame 0 of channel 1 is not a finite number",
            "silent.wav: holds no audio",
            "tagged.wav: holds no audio",
            "cut.flac: truncated",
            "missing.wav: no such file",
        ]);
    assert_eq!(said.err.lines().count(), 10, "{}", said.err);
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
fn a_link_to_nowhere_in_a_folder_fails_by_itself() {
    let shell = Shell::new();
    shell.speech("talk/good.wav");
    std::os::unix::fs::symlink("gone.wav", shell.path("talk/a.wav")).unwrap();
    let said = shell
        .clean("talk -o out")
        .fails_saying(&["talk/a.wav: No such file"]);
    assert!(said.text().starts_with("talk/good.wav -> out/good.wav"));
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
            for at in [4, data + 4] {
                stream[at..at + 4].copy_from_slice(&size.to_le_bytes());
            }
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
    fs::write(shell.path("drawn.png"), "precious").unwrap();
    shell
        .clean_with_stdin("- -o drawn.wav --plot", &said.out)
        .fails_saying(&["drawn.png exists already", "--force"]);
    assert_eq!(samples(&shell.path("again.wav")).len(), file.len());
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
