//! The daemon's state as commands and metrics see it: the pipeline's and the process's.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pipeline::{DeviceStatus, RecordingStatus, Snapshot};

/// Everything that `denoised status` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    /// Resident memory of the process.
    pub rss_bytes: u64,
    pub model: PathBuf,
    #[serde(flatten)]
    pub pipeline: Snapshot,
}

impl Status {
    /// The state now, of this process.
    pub fn new(model: PathBuf, pipeline: Snapshot) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            rss_bytes: rss_bytes().unwrap_or(0),
            model,
            pipeline,
        }
    }
}

fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = &self.pipeline;
        writeln!(
            f,
            "denoised   {}, pid {}, up {}, {:.0} MB",
            self.version,
            self.pid,
            duration(now.uptime_s),
            self.rss_bytes as f64 / 1e6
        )?;
        writeln!(
            f,
            "state      {}{}",
            now.state,
            if now.idle { ", idle" } else { "" }
        )?;
        write!(f, "mode       {}", now.mode)?;
        if now.atten_limit_db.is_finite() {
            write!(f, ", noise lowered by {} dB at most", now.atten_limit_db)?;
        }
        writeln!(f, ", mix {}, input gain {} dB", now.mix, now.input_gain_db)?;
        writeln!(f, "model      {} ({})", self.model.display(), now.load)?;
        for (name, device) in [("input", &now.input), ("output", &now.output)] {
            match device {
                Some(device) => writeln!(f, "{name:<10} {}", Shown(device))?,
                None => writeln!(f, "{name:<10} none")?,
            }
        }
        writeln!(
            f,
            "levels     in {:.1} dBFS, out {:.1} dBFS, reduction {:.1} dB",
            now.input_dbfs, now.output_dbfs, now.reduction_db
        )?;
        writeln!(
            f,
            "latency    {:.1} ms, clock drift {:+.0} ppm",
            now.latency_ms, now.drift_ppm
        )?;
        writeln!(
            f,
            "worker     {:.2} ms per frame of {} ms, 99 % below {:.2} ms, {} of {} frames late",
            now.worker_p50_ms, now.frame_ms, now.worker_p99_ms, now.deadline_misses, now.frames
        )?;
        write!(
            f,
            "lost       {} ms dropped, {} xruns, {} underruns, {} reopens",
            now.dropped_ms, now.xruns, now.underruns, now.reopens
        )?;
        for (name, recording) in [("recording", &now.recording), ("raw", &now.recording_raw)] {
            if let Some(recording) = recording {
                write!(f, "\n{name:<10} {}", Shown(recording))?;
            }
        }
        Ok(())
    }
}

/// One line for people.
struct Shown<'a, T>(&'a T);

impl fmt::Display for Shown<'_, DeviceStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.0;
        write!(
            f,
            "{}, {} Hz, {} channels, {}, {:.1} ms: {}",
            device.name,
            device.rate_hz,
            device.channels,
            device.format,
            device.period_ms,
            device.state
        )?;
        match &device.error {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Shown<'_, RecordingStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recording = self.0;
        write!(
            f,
            "{}, {}",
            recording.path.display(),
            duration(recording.seconds)
        )?;
        if recording.dropped_ms > 0 {
            write!(f, ", {} ms lost to a slow disk", recording.dropped_ms)?;
        }
        match &recording.error {
            Some(error) => write!(f, ", stopped: {error}"),
            None => Ok(()),
        }
    }
}

/// Seconds as people say them, to two units.
fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, _) => format!("{hours} h {} min", seconds / 60 % 60),
        (days, ..) => format!("{days} d {} h", seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        assert_eq!(duration(59.9), "59 s");
        assert_eq!(duration(3599.0), "59 min 59 s");
        assert_eq!(duration(7260.0), "2 h 1 min");
        assert_eq!(duration(90_000.0), "1 d 1 h");
    }

    #[test]
    fn this_process_has_memory() {
        let bytes = rss_bytes().unwrap();
        assert!((100_000..1 << 40).contains(&bytes), "{bytes}");
    }
}
