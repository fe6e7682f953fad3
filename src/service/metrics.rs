//! The state for Prometheus, in its text format, over the smallest HTTP server that will do.
//!
//! Clients are served one by one, each within [`PATIENCE`].

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::Sender;

use super::bounded::Lines;
use super::control::{Call, Reply, Request};
use super::status::Status;

const PATIENCE: Duration = Duration::from_secs(2);
const MAX_LINE_BYTES: usize = 8192;
const MAX_HEADERS: usize = 64;

/// Serves metrics at `address` until the process ends.
///
/// # Errors
/// The address cannot be used.
pub fn serve(address: SocketAddr, calls: Sender<Call>) -> Result<()> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("metrics: cannot listen at {address}"))?;
    if address.ip().is_loopback() {
        log::info!("metrics at http://{address}/metrics");
    } else {
        log::warn!("metrics at http://{address}/metrics, for everyone who can reach this machine");
    }
    thread::Builder::new()
        .name("metrics".into())
        .spawn(move || {
            for client in listener.incoming() {
                let served = client.and_then(|client| answer(client, &calls));
                if let Err(error) = served {
                    log::debug!("a client of the metrics was not served: {error}");
                }
            }
        })?;
    Ok(())
}

fn answer(mut client: TcpStream, calls: &Sender<Call>) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut lines = Lines::new(client.try_clone()?, MAX_LINE_BYTES);
    let mut line = || -> io::Result<Vec<u8>> {
        let line = lines.next(deadline.saturating_duration_since(Instant::now()))?;
        line.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    };
    let request = line()?;
    let mut headers = 0;
    // All of it is read, else the answer could be lost in a connection reset.
    while !matches!(line()?.as_slice(), b"" | b"\r") {
        headers += 1;
        if headers > MAX_HEADERS {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let mut words = request.split(|&byte| byte == b' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => match Call::make(Request::Status, calls).reply {
            Reply::Status(status) => ("200 OK", text(&status)),
            _ => ("503 Service Unavailable", String::new()),
        },
        (Some(b"GET"), _) => ("404 Not Found", "see /metrics\n".into()),
        _ => ("405 Method Not Allowed", "GET only\n".into()),
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Prometheus' text exposition format 0.0.4. Names and units follow its naming practice: base
/// units, counters end in `_total`; dB has no base unit.
pub fn text(status: &Status) -> String {
    let now = &status.pipeline;
    let flag = |condition: bool| f64::from(u8::from(condition));
    let mut text = String::new();
    let mut metric = |kind: &str, name: &str, help: &str, value: f64| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP denoised_{name} {help}\n# TYPE denoised_{name} {kind}\ndenoised_{name} {}",
            number(value)
        );
    };
    let running = now.state == crate::pipeline::State::Running;
    metric("gauge", "running", "1 while audio flows.", flag(running));
    metric("gauge", "idle", "1 while the model rests.", flag(now.idle));
    metric(
        "gauge",
        "uptime_seconds",
        "Time since the start.",
        now.uptime_s,
    );
    metric(
        "gauge",
        "resident_memory_bytes",
        "Resident memory.",
        status.rss_bytes as f64,
    );
    metric(
        "gauge",
        "input_dbfs",
        "Level of the captured sound.",
        now.input_dbfs.into(),
    );
    metric(
        "gauge",
        "output_dbfs",
        "Level of the played sound.",
        now.output_dbfs.into(),
    );
    metric(
        "gauge",
        "reduction_db",
        "How much quieter the model makes the sound.",
        now.reduction_db.into(),
    );
    metric(
        "gauge",
        "latency_seconds",
        "From capture to playback.",
        f64::from(now.latency_ms) / 1e3,
    );
    metric(
        "gauge",
        "worker_p50_seconds",
        "Median worker time per frame.",
        f64::from(now.worker_p50_ms) / 1e3,
    );
    metric(
        "gauge",
        "worker_p99_seconds",
        "99th percentile of the worker time per frame.",
        f64::from(now.worker_p99_ms) / 1e3,
    );
    metric(
        "gauge",
        "drift_ppm",
        "Playback clock against capture clock.",
        now.drift_ppm.into(),
    );
    metric(
        "counter",
        "frames_total",
        "Frames processed.",
        now.frames as f64,
    );
    metric(
        "counter",
        "deadline_misses_total",
        "Frames that took longer than they last.",
        now.deadline_misses as f64,
    );
    metric(
        "counter",
        "dropped_seconds_total",
        "Audio dropped to keep the latency.",
        now.dropped_ms as f64 / 1e3,
    );
    metric(
        "counter",
        "xruns_total",
        "Losses between device and program.",
        now.xruns as f64,
    );
    metric(
        "counter",
        "underruns_total",
        "Times that playback found nothing.",
        now.underruns as f64,
    );
    metric(
        "counter",
        "reopens_total",
        "Times that a device was opened again.",
        now.reopens as f64,
    );
    for mode in crate::pipeline::Mode::ALL {
        if mode == crate::pipeline::Mode::ALL[0] {
            text.push_str("# HELP denoised_mode 1 for the mode.\n# TYPE denoised_mode gauge\n");
        }
        let value = flag(mode == now.mode);
        let _ = writeln!(text, "denoised_mode{{mode=\"{mode}\"}} {value}");
    }
    text
}

/// Rust's notation, but for infinities, which Prometheus writes with a sign.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    value.to_string()
}
