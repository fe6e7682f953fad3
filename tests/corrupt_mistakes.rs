//! What `denoised corrupt` refuses, and what it never destroys.

#[path = "common/bench.rs"]
mod bench;

use bench::{Bench, write_wav};

#[test]
fn what_is_read_is_never_replaced() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("in/sub")).unwrap();
    std::fs::copy(bench.path("clean.wav"), bench.path("in/x.wav")).unwrap();
    std::fs::copy(bench.path("voices/a.wav"), bench.path("in/sub/x.wav")).unwrap();
    std::fs::write(bench.path("recipe.toml"), "").unwrap();
    let before = bench.files();
    for (args, file) in [
        ("in -o in/sub --synthetic white", "in/sub/x.wav"),
        (
            "clean.wav --noise noise -o noise/rain.wav",
            "noise/rain.wav",
        ),
        (
            "clean.wav --speech voices -o noisy.wav --target voices/../voices/a.wav",
            "voices/../voices/a.wav",
        ),
        (
            "clean.wav --rir noise -o ./noise/rain.wav",
            "./noise/rain.wav",
        ),
        (
            "clean.wav --recipe recipe.toml -o recipe.toml",
            "recipe.toml",
        ),
    ] {
        let words = format!("would overwrite the input {file}");
        bench.fails(&format!("{args} --force"), &words);
    }
    assert!(bench.files() == before);
}

#[test]
fn noisy_and_target_never_share_a_name_however_it_is_spelled() {
    let bench = Bench::new();
    let words = "two outputs would have this name";
    bench.fails(
        "clean.wav --clip 6 -o o/t.wav --target ./o//t.wav --force",
        words,
    );
    std::os::unix::fs::symlink("voices", bench.path("link")).unwrap();
    bench.fails(
        "clean.wav --clip 6 -o voices/t.wav --target link/t.wav --force",
        words,
    );
}

#[test]
fn noise_that_cannot_be_added_is_an_error_that_names_its_folder() {
    let bench = Bench::new();
    let rain = std::fs::read(bench.path("noise/rain.wav")).unwrap();
    std::fs::create_dir(bench.path("broken")).unwrap();
    std::fs::write(bench.path("broken/rain.wav"), &rain[..rain.len() / 2]).unwrap();
    write_wav(&bench.path("mute/a.wav"), 48_000, 1, 48_000, |_| 0.0);
    write_wav(&bench.path("late/a.wav"), 48_000, 1, 960_000, |n| {
        0.5 * f32::from(n == 959_999)
    });
    for (flags, words) in [
        ("--noise broken", "--noise: broken: no recording in it"),
        (
            "--noise mute --synthetic fan",
            "--noise: mute: no recording in it",
        ),
        (
            "--speech mute --recipe training",
            "--speech: mute: no recording in it",
        ),
        ("--noise late", "drawn from late is silent; another --seed"),
    ] {
        let (success, stderr) = bench.corrupt(&format!("clean.wav {flags} -o noisy.wav"));
        assert!(!success && stderr.contains(words), "{flags}: {stderr}");
        assert!(!stderr.contains("another recording"), "{flags}: {stderr}");
    }
    assert!(!bench.path("noisy.wav").exists());

    std::fs::write(bench.path("mute/rain.wav"), &rain).unwrap();
    let clean = bench.read("clean.wav").1;
    let mut passed_over = false;
    for seed in 0..16 {
        let args = format!("clean.wav --noise mute --seed {seed} -o noisy.wav --force");
        let (success, stderr) = bench.corrupt(&args);
        assert!(success && bench.read("noisy.wav").1 != clean, "{stderr}");
        passed_over |= stderr.contains("mute/a.wav: is silent; another recording is used");
    }
    assert!(passed_over);
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
        "would overwrite the input clean.wav",
    );
    bench.fails("text.wav --clip 6 -o noisy.wav", "text.wav");
    assert!(!bench.path("noisy.wav").exists());

    bench.succeeds("clean.wav --clip 6 -o noisy.wav");
    bench.fails("clean.wav --clip 9 -o noisy.wav", "--force");
    bench.succeeds("clean.wav --clip 9 -o noisy.wav --force");
    bench.fails("text.wav clean.wav --clip 6 -o out", "text.wav");
    assert!(bench.path("out/clean.wav").exists(), "the others go on");
}
