//! `denoised eval`: how good models are on recordings whose clean ones are known.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tch::Device;

use super::train::parse_device;
use super::workers;
use crate::evaluation::judge::{Judge, Models};
use crate::evaluation::pairs::{LeftOut, Pair, pairs};
use crate::evaluation::{
    Evaluation, FileResult, NamedModel, examples, perceptual, report, summary, text,
};
use crate::model::locate;
use crate::terminal;

/// Measure models on noisy recordings whose clean ones are known.
///
/// Cleans every noisy recording with every model and measures both against the clean recording of
/// the same name: SI-SDR, STOI, ESTOI, log-spectral distance, segmental SNR, level of the noise left
/// and real-time factor; PESQ-WB and DNSMOS where Python has the packages pesq and speechmos
/// (DENOISED_PYTHON names another Python than python3). Tables are by file and by input SNR; --out
/// adds a page with spectrograms and audio to compare. Channels are averaged.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder of noisy recordings
    #[arg(long, value_name = "DIR")]
    noisy: PathBuf,
    /// Folder of the clean recordings, with the same names, lengths and sample rates
    #[arg(long, value_name = "DIR")]
    clean: PathBuf,
    /// Weights to compare: files, or what `denoised models` lists [default: denoised]
    #[arg(long, value_name = "NAME|FILE", num_args = 1.., env = "DENOISED_MODEL")]
    models: Vec<PathBuf>,
    /// Folder for the report: index.html (complete in itself), eval.csv and eval.json
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Files with spectrograms and audio in the report, spread evenly over the input SNR
    #[arg(long, value_name = "N", default_value_t = 8)]
    examples: usize,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Overwrite an existing report
    #[arg(long)]
    force: bool,
    /// Files to measure at the same time [default: one per processor core]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where to run the models: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = parse_device)]
    device: Device,
}

/// Runs the command; the exit code is 1 if any file was left out.
pub fn run(args: Args) -> Result<ExitCode> {
    if let Some(folder) = &args.out {
        report::ensure_writable(folder, args.force)?;
    }
    let models = named(match args.models.as_slice() {
        [] => vec![locate::chosen(None)?],
        models => {
            let chosen = models.iter().map(|model| locate::chosen(Some(model)));
            chosen.collect::<Result<_>>()?
        }
    });
    // What is wrong with a model should show before the work.
    let loaded = Models::load(&models, args.device)?;
    let (pairs, mut left_out) = pairs(&args.noisy, &args.clean)?;
    let available = perceptual::probe();
    let prepare = || Judge::new(&models, args.device, &available);
    let mut files = judge_all(&pairs, args.jobs, prepare, &mut left_out)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    for LeftOut { file, reason } in &left_out {
        eprintln!("denoised: {file}: {reason}");
    }
    ensure!(!files.is_empty(), "no pair of recordings could be measured");

    let evaluation = Evaluation {
        program_version: env!("CARGO_PKG_VERSION"),
        models,
        not_measured: available.missing,
        summary: summary::summarise(&files),
        files,
        left_out,
    };
    let page = args.out.as_ref().map(|folder| folder.join("index.html"));
    // Before anything is printed, which may fail, and so may the report: neither must cost the other.
    let written = match &args.out {
        Some(folder) => write_report(&evaluation, &loaded, folder, &args),
        None => Ok(()),
    };
    print(&evaluation, args.json)?;
    written?;
    if let (Some(page), false) = (page, args.json) {
        terminal::print(&format!("\nThe report is {}", page.display()))?;
    }
    Ok(ExitCode::from(u8::from(!evaluation.left_out.is_empty())))
}

/// The names of weights files in tables: their own, or the path where two have the same.
fn named(paths: Vec<PathBuf>) -> Vec<NamedModel> {
    let stem = |path: &Path| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let name = |path: &PathBuf| {
        let alike = paths.iter().filter(|other| stem(other) == stem(path));
        match alike.count() {
            1 => stem(path),
            _ => path.display().to_string(),
        }
    };
    let named = |path: &PathBuf| NamedModel {
        name: name(path),
        path: path.clone(),
    };
    paths.iter().map(named).collect()
}

fn judge_all(
    pairs: &[Pair],
    jobs: Option<NonZeroUsize>,
    prepare: impl Fn() -> Result<Judge> + Sync,
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<FileResult>> {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files {eta:>4}")?;
    let bar = terminal::lines().add(ProgressBar::new(pairs.len() as u64).with_style(style));
    let judge = |judge: &mut Judge, pair: &Pair| (pair.name.clone(), judge.judge(pair));
    let mut files = Vec::new();
    let never = AtomicBool::new(false);
    workers::for_each(pairs, jobs, &never, prepare, judge, |(file, result)| {
        bar.inc(1);
        match result {
            Ok(result) => files.push(result),
            Err(error) => left_out.push(LeftOut {
                file,
                reason: format!("{error:#}"),
            }),
        }
    })?;
    bar.finish_and_clear();
    Ok(files)
}

fn print(evaluation: &Evaluation, json: bool) -> Result<()> {
    if json {
        return terminal::print(&serde_json::to_string_pretty(evaluation)?);
    }
    terminal::print(&format!("{}\n", text::files(evaluation)))?;
    terminal::print(&text::summary(evaluation))?;
    for statement in &evaluation.not_measured {
        terminal::print(&format!("\n{statement}"))?;
    }
    Ok(())
}

fn write_report(
    evaluation: &Evaluation,
    models: &Models,
    folder: &Path,
    args: &Args,
) -> Result<()> {
    let examples = examples::choose(&evaluation.files, args.examples)
        .into_iter()
        .map(|index| examples::example(index, &evaluation.files[index], models))
        .collect::<Result<_>>()?;
    report::write(evaluation, examples, folder, args.force)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_one_name_are_told_apart_by_their_paths() {
        let paths = ["a/x.safetensors", "b/x.safetensors", "y.safetensors"];
        let names: Vec<String> = named(paths.map(PathBuf::from).into())
            .into_iter()
            .map(|model| model.name)
            .collect();
        assert_eq!(names, ["a/x.safetensors", "b/x.safetensors", "y"]);
    }
}
