//! `denoised bench`: what the model costs on this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use tch::Device;

use super::train::parse_device;
use crate::SAMPLE_RATE_HZ;
use crate::model::cost::Cost;
use crate::model::denormals::flush_denormals;
use crate::model::{Model, locate};

/// Measure the model's cost per frame on this machine
///
/// Processor time of one thread on noise, after a warm-up: frame by frame as in the live pipeline
/// and for files, and 100 frames at a time through libtorch as for files on a GPU. Run it on an idle
/// machine, and compare figures of one run.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Weights to measure: a file, or what `denoised models` lists [default: denoised]
    #[arg(long, env = "DENOISED_MODEL", value_name = "NAME|FILE")]
    model: Option<PathBuf>,
    /// Seconds of audio for each figure
    #[arg(long, value_name = "S", default_value_t = 20.0)]
    seconds: f64,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = parse_device)]
    device: Device,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    weights: usize,
    latent: i64,
    algorithmic_latency_ms: f64,
    load_ms: f64,
    frame_cpu_ms: f64,
    /// Wall-clock time of single frames: median, 99th percentile and worst.
    frame_p50_ms: f64,
    frame_p99_ms: f64,
    frame_max_ms: f64,
    real_time_factor: f64,
    batch_frame_cpu_ms: f64,
    batch_real_time_factor: f64,
}

const BATCH_FRAMES: usize = 100;
const WARM_UP_FRAMES: usize = 200;

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    ensure!(
        (0.1..=3600.0).contains(&args.seconds),
        "--seconds must be 0.1 to 3600, not {}",
        args.seconds
    );
    flush_denormals();
    tch::set_num_threads(1);
    let path = locate::chosen(args.model.as_deref())?;
    let start = Instant::now();
    let model = Model::load(&path, args.device)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;

    let mut stream = model.stream();
    let frame = stream.frame_samples();
    let rate_hz = f64::from(SAMPLE_RATE_HZ);
    let frame_ms = frame as f64 / rate_hz * 1e3;
    let frames = (args.seconds * 1e3 / frame_ms).ceil() as usize;
    Cost::measure(&mut stream, WARM_UP_FRAMES, 1, Duration::ZERO);
    let single = Cost::measure(&mut stream, frames, 1, Duration::ZERO);
    let mut chunks = model.chunk_stream();
    Cost::measure(&mut chunks, WARM_UP_FRAMES, BATCH_FRAMES, Duration::ZERO);
    let batch = Cost::measure(&mut chunks, frames, BATCH_FRAMES, Duration::ZERO);

    let report = Report {
        weights: model.weight_count(),
        latent: model.config().latent,
        algorithmic_latency_ms: (stream.delay_samples() + frame) as f64 / rate_hz * 1e3,
        load_ms,
        frame_cpu_ms: single.frame_cpu_ms,
        frame_p50_ms: single.percentile_ms(0.5),
        frame_p99_ms: single.percentile_ms(0.99),
        frame_max_ms: single.percentile_ms(1.0),
        real_time_factor: single.frame_cpu_ms / frame_ms,
        batch_frame_cpu_ms: batch.frame_cpu_ms,
        batch_real_time_factor: batch.frame_cpu_ms / frame_ms,
    };
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print_report(&report, &path);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_report(report: &Report, path: &std::path::Path) {
    println!(
        "model              {} ({:.2} M weights, latent {})",
        path.display(),
        report.weights as f64 / 1e6,
        report.latent
    );
    println!("algorithmic delay  {:.0} ms", report.algorithmic_latency_ms);
    println!("load               {:.0} ms", report.load_ms);
    println!(
        "frame by frame     {:.3} ms processor time, real-time factor {:.4}",
        report.frame_cpu_ms, report.real_time_factor
    );
    println!(
        "                   {:.3} ms median, {:.3} ms 99th percentile, {:.3} ms worst (wall clock)",
        report.frame_p50_ms, report.frame_p99_ms, report.frame_max_ms
    );
    println!(
        "{BATCH_FRAMES} frames at once {:.3} ms processor time per frame, real-time factor {:.4}",
        report.batch_frame_cpu_ms, report.batch_real_time_factor
    );
}
