//! What `denoised clean` does to the sound. The weights are untrained: these tests are about formats, levels and
//! lengths, not about how well noise goes.

mod common;
#[path = "common/shell.rs"]
mod shell;

use std::fs;
use std::path::Path;

use hound::{WavReader, WavSpec, WavWriter};

use shell::{Shell, float, int, samples};

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
fn the_channels_of_a_surround_file_stay_where_they_belong() {
    const MASK: std::ops::Range<usize> = 40..44;
    let quad = [0x33, 0, 0, 0];
    let shell = Shell::new();
    let input = shell.wav("quad.wav", int(16, 16_000, 4));
    let mut bytes = fs::read(&input).unwrap();
    bytes[MASK].copy_from_slice(&quad);
    fs::write(&input, bytes).unwrap();
    shell.clean("quad.wav").ok();
    let file = fs::read(shell.path("quad.denoised.wav")).unwrap();
    assert_eq!(file[MASK], quad);
    let stream = shell.clean("quad.wav -o -").ok().out;
    assert_eq!(stream[MASK], quad);
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
    for (name, rate_hz, frames, late) in [
        ("burst.flac", 44_100, 22_050, 0),
        ("burst.mp3", 44_100, 22_050, 0),
        ("burst.ogg", 44_100, 22_050, 0),
        ("burst.m4a", 44_100, 23_552, 1024),
        ("burst.opus", 48_000, 24_000, 0),
        ("burst-alac.m4a", 44_100, 22_050, 0),
        // ADPCM comes in blocks, and the last one is full.
        ("burst-adpcm.wav", 44_100, 22_374, 0),
    ] {
        let shell = Shell::new();
        fs::copy(data.join(name), shell.path(name)).unwrap();
        shell.clean(&format!("{name} --mix 0")).ok();
        let stem = Path::new(name).file_stem().unwrap().display();
        let output = shell.path(&format!("{stem}.denoised.wav"));
        assert_eq!(
            WavReader::open(&output).unwrap().spec(),
            int(16, rate_hz, 2),
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
            (centre - 0.25 * rate_hz as f32).abs() < 10.0,
            "{name}: centre at {centre}"
        );
    }
}

#[test]
fn an_ogg_file_whose_last_page_counts_too_far_is_cleaned() {
    let shell = Shell::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut file = fs::read(data.join("burst.ogg")).unwrap();
    let last = file.windows(4).rposition(|at| at == b"OggS").unwrap();
    let page = &mut file[last..];
    let position = u64::from_le_bytes(page[6..14].try_into().unwrap());
    page[6..14].copy_from_slice(&(position + 96).to_le_bytes());
    page[22..26].fill(0);
    let checksum = ogg_checksum(page);
    page[22..26].copy_from_slice(&checksum.to_le_bytes());
    fs::write(shell.path("far.ogg"), file).unwrap();
    shell.clean("far.ogg").ok();
    let output = WavReader::open(shell.path("far.denoised.wav")).unwrap();
    assert!((22_050..=22_146).contains(&output.duration()));
}

/// CRC-32 of an Ogg page (RFC 3533), its own field zero.
fn ogg_checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum: u32, _| {
            (sum << 1) ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
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
