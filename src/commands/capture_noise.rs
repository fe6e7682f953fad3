//! `denoised capture-noise`: the room without anybody talking, for `denoised adapt`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tch::Device;

use crate::audio::SampleFormat;
use crate::audio::decode::Spec;
use crate::audio::wav_write::WavWriter;
use crate::dataset::record::record;
use crate::dataset::room::Room;
use crate::devices::CpalBackend;
use crate::model::{Model, locate};
use crate::pending_file::PendingFile;
use crate::pipeline::DeviceChoice;

/// Record the noise of a room, and say whether it is good to adapt to.
///
/// Leave everything as it is when you talk (microphone, gain, fans, windows), but do not talk. Then
/// `denoised adapt --noise FILE`. Ctrl-C ends the recording early and keeps it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Length of the recording
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// WAV file to write: 24 bits, mono, at the device's rate
    #[arg(long, short, value_name = "FILE", default_value = "room.wav")]
    output: PathBuf,
    /// Microphone: an id or part of a name (see denoised devices)
    #[arg(long, value_name = "DEVICE", default_value = "default")]
    input: String,
    /// Weights that judge what is speech [default: denoised]
    #[arg(long, value_name = "NAME|FILE", env = "DENOISED_MODEL")]
    model: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

/// Noise changes; less does not show how.
const SHORT_SECONDS: f64 = 20.0;

/// Runs the command; the exit code is 1 if there is nothing in the recording.
///
/// # Errors
/// A device that cannot be opened or delivers nothing, and a file that cannot be written.
pub fn run(args: Args) -> Result<ExitCode> {
    let output = args.output.display();
    ensure!(
        args.force || !args.output.exists(),
        "{output} exists: choose another --output, or --force to replace it"
    );
    // Known before the recording, not after it.
    drop(PendingFile::new(&args.output)?);
    let model = Model::load(&locate::chosen(args.model.as_deref())?, Device::Cpu)?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C")?;

    println!(
        "Recording {} s of the room: please do not talk.",
        args.seconds
    );
    let length = Duration::from_secs(args.seconds.into());
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} s")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(args.seconds.into()).with_style(style);
    let choice = DeviceChoice::from(args.input.as_str());
    let recording = record(&mut CpalBackend::new(), &choice, length, &stop, |time| {
        bar.set_position(time.as_secs());
    })
    .with_context(|| format!("cannot record from --input {}", args.input))?;
    bar.finish_and_clear();

    let room = Room::examine(&recording.samples, recording.rate_hz, &model)?;
    let mut problems = room.problems();
    if room.is_silent() {
        bail!("{}: {}", recording.device, problems.join("; "));
    }
    if room.seconds < SHORT_SECONDS {
        problems.push(format!(
            "only {:.0} s long: half a minute or more shows more of the noise",
            room.seconds
        ));
    }
    let spec = Spec {
        rate_hz: recording.rate_hz,
        channels: 1,
        sample_format: SampleFormat::Int { bits: 24 },
        frames: Some(recording.samples.len() as u64),
        channel_mask: None,
    };
    let mut writer = WavWriter::create(&args.output, &spec)?;
    writer.write(&[recording.samples])?;
    if let Some(pending) = writer.finish()? {
        pending.commit(args.force)?;
    }
    println!(
        "{output}: {:.0} s at {:.1} dBFS, {:.1} % like speech, {:.2} % clipped",
        room.seconds,
        room.level_dbfs,
        100.0 * room.speech_like,
        100.0 * room.clipped
    );
    for problem in &problems {
        println!("warning: {problem}");
    }
    if problems.is_empty() {
        println!("Good. Next: denoised adapt --noise {output} --speech DIR --out room.safetensors");
    }
    Ok(ExitCode::SUCCESS)
}
