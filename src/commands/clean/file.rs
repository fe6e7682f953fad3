//! One file's way: decoded, cleaned channel by channel, measured and written, a second at a time.

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plan::Task;
use super::report::{Outcome, Report};
use super::{Args, Shared};
use crate::audio::decode::{Reader, Spec};
use crate::audio::wav_write::WavWriter;
use crate::cleaning::ChannelCleaner;
use crate::cpu_time::thread_seconds;
use crate::dsp::level::LevelMeter;
use crate::dsp::si_sdr::SiSdr;
use crate::dsp::spectrogram::{Recorder, Spectrogram};
use crate::model::{Model, Stream};
use crate::plot::spectrogram::spectrograms;

/// Cleans one file and says how it went.
pub fn clean(task: &Task, model: &Model, shared: &Shared) -> Outcome {
    let input = task.input_name();
    match try_clean(task, model, shared) {
        Ok(report) => Outcome {
            input,
            result: Ok(Box::new(report)),
        },
        Err(error) => Outcome::failed(input, &error),
    }
}

fn try_clean(task: &Task, model: &Model, shared: &Shared) -> Result<Report> {
    let args = shared.args;
    let started = thread_seconds();
    let mut reader = match &task.input {
        Some(path) => Reader::open(path)?,
        None => Reader::wav_stream(std::io::stdin(), "standard input")?,
    };
    let spec = reader.spec();
    if let Some(reference) = &task.reference {
        ensure_comparable(reference, &spec)?;
    }
    let mut writer = match &task.output {
        Some(path) => WavWriter::create(path, &spec)?,
        None => WavWriter::stream(Box::new(std::io::stdout()), &spec)?,
    };
    let bar = progress_bar(&shared.bars, task, &spec);
    let mut cleaners = (0..spec.channels)
        .map(|_| ChannelCleaner::new(model.file_stream(), spec.rate_hz, dry_share(args)))
        .collect::<Result<Vec<ChannelCleaner<Stream>>>>()?;
    let mut before = Meters::new(&spec, args.plot);
    let mut after = Meters::new(&spec, args.plot);

    let mut noisy = Vec::new();
    let mut clean = vec![Vec::new(); spec.channels];
    while reader.read(&mut noisy, spec.rate_hz as usize)? > 0 {
        ensure!(!shared.interrupted.load(Ordering::Relaxed), "interrupted");
        before.push(&noisy);
        clean.iter_mut().for_each(Vec::clear);
        for ((cleaner, noisy), clean) in cleaners.iter_mut().zip(&noisy).zip(&mut clean) {
            cleaner.process(noisy, clean)?;
        }
        after.push(&clean);
        writer.write(&clean)?;
        bar.inc(noisy[0].len() as u64);
    }
    clean.iter_mut().for_each(Vec::clear);
    for (cleaner, clean) in cleaners.into_iter().zip(&mut clean) {
        cleaner.finish(clean)?;
    }
    after.push(&clean);
    writer.write(&clean)?;

    let clipped_samples = writer.clipped();
    let pending = writer.finish()?;
    let cpu_seconds = thread_seconds() - started;
    let (before, after) = (before.finish(), after.finish());
    let seconds = before.samples as f64 / f64::from(spec.rate_hz);
    let si_sdr_db = |estimate: Option<&Path>| {
        let pair = task.reference.as_deref().zip(estimate);
        pair.map(|(reference, estimate)| compare(reference, estimate))
            .transpose()
    };
    let input_si_sdr_db = si_sdr_db(task.input.as_deref())?;
    let output_si_sdr_db = si_sdr_db(pending.as_ref().map(|pending| pending.path()))?;
    if let (Some(path), Some(noisy), Some(clean)) =
        (task.picture(), &before.spectrogram, &after.spectrogram)
    {
        let panels = [("Input", noisy), ("Cleaned", clean)];
        spectrograms(&path, &task.input_name(), &panels)?;
    }
    if let Some(pending) = pending {
        pending.commit(args.force)?;
    }
    Ok(Report {
        output: task
            .output
            .as_ref()
            .map_or("standard output".into(), |path| path.display().to_string()),
        rate_hz: spec.rate_hz,
        channels: spec.channels,
        seconds,
        input_level_dbfs: before.level.rms_db(),
        output_level_dbfs: after.level.rms_db(),
        input_snr_estimate_db: before.level.snr_estimate_db(),
        output_snr_estimate_db: after.level.snr_estimate_db(),
        input_si_sdr_db,
        output_si_sdr_db,
        cpu_seconds,
        real_time_factor: cpu_seconds / seconds,
        clipped_samples,
    })
}

/// How much of the input stays in the output. Noise taken away entirely and input mixed in at the
/// limit's gain lies at the limit, as in DeepFilterNet; `--mix` then blends with the input again.
fn dry_share(args: &Args) -> f32 {
    let floor = 10f32.powf(-args.atten_limit_db / 20.0);
    1.0 - args.mix * (1.0 - floor)
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(bars: &MultiProgress, task: &Task, spec: &Spec) -> ProgressBar {
    let (length, template) = match spec.frames {
        Some(frames) => (Some(frames), "{prefix} {wide_bar} {percent:>3} % {eta:>4}"),
        None => (None, "{prefix} {spinner} {elapsed}"),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    let bar = ProgressBar::no_length()
        .with_style(style)
        .with_prefix(task.input_name());
    if let Some(length) = length {
        bar.set_length(length);
    }
    bars.add(bar.with_finish(indicatif::ProgressFinish::AndClear))
}

/// What is measured on one side of the cleaning.
struct Meters {
    levels: Vec<LevelMeter>,
    picture: Option<Recorder>,
    samples: usize,
    mono: Vec<f32>,
}

struct Measured {
    level: LevelMeter,
    spectrogram: Option<Spectrogram>,
    samples: usize,
}

impl Meters {
    fn new(spec: &Spec, plot: bool) -> Meters {
        Meters {
            levels: vec![LevelMeter::new(spec.rate_hz); spec.channels],
            picture: plot.then(|| Recorder::new(spec.rate_hz)),
            samples: 0,
            mono: Vec::new(),
        }
    }

    fn push(&mut self, planar: &[Vec<f32>]) {
        let frames = planar[0].len();
        self.samples += frames;
        for (level, channel) in self.levels.iter_mut().zip(planar) {
            level.push(channel);
        }
        if let Some(picture) = &mut self.picture {
            let gain = 1.0 / planar.len() as f32;
            self.mono.clear();
            self.mono.extend(
                (0..frames).map(|n| gain * planar.iter().map(|channel| channel[n]).sum::<f32>()),
            );
            picture.push(&self.mono);
        }
    }

    fn finish(self) -> Measured {
        let mut levels = self.levels.into_iter();
        let mut level = levels.next().expect("a file has at least one channel");
        levels.for_each(|other| level.merge(&other));
        Measured {
            level,
            spectrogram: self.picture.map(Recorder::finish),
            samples: self.samples,
        }
    }
}

fn ensure_comparable(reference: &Path, spec: &Spec) -> Result<()> {
    let other = Reader::open(reference).context("--reference")?.spec();
    ensure!(
        (other.rate_hz, other.channels) == (spec.rate_hz, spec.channels),
        "the reference {} has {} Hz and {} channels, the input {} Hz and {}",
        reference.display(),
        other.rate_hz,
        other.channels,
        spec.rate_hz,
        spec.channels
    );
    Ok(())
}

/// SI-SDR of one file against another over all channels, in dB.
fn compare(reference: &Path, estimate: &Path) -> Result<f64> {
    let mut readers = [Reader::open(reference)?, Reader::open(estimate)?];
    let mut chunks = [Vec::new(), Vec::new()];
    let mut meter = SiSdr::default();
    loop {
        for (reader, chunk) in readers.iter_mut().zip(&mut chunks) {
            if reader.read(chunk, 1 << 16)? == 0 {
                return Ok(meter.value_db());
            }
        }
        for (reference, estimate) in chunks[0].iter().zip(&chunks[1]) {
            meter.push(reference, estimate);
        }
    }
}
