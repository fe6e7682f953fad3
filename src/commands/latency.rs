//! `denoised latency`: a chirp through playback, found again in capture.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use crossbeam_channel::{Receiver, bounded};
use serde::Serialize;

use crate::devices::CpalBackend;
use crate::dsp::chirp;
use crate::pipeline::queue::{CaptureDrain, PlaybackFeed, capture_queue, playback_queue};
use crate::pipeline::{
    Backend, DeviceChoice, OpenStream, StreamEvent, StreamEventKind, StreamWish,
};

/// Measure the round trip from playback to capture
///
/// Plays chirps and looks for them in what is recorded. The figure is the time from handing a sound
/// to the output until the input hands it back: the buffers of audio server and devices, the way
/// through the air where there is one, and all that runs in between. For the latency of a running
/// daemon, play into the sink whose monitor it records, record the monitor of the sink it plays
/// into, and subtract the figure of a sink and its own monitor; `denoised mode bypass` lets the
/// chirp through with the same delay as cleaning.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Speaker or sink to play the chirps: an id or part of a name
    #[arg(long, value_name = "DEVICE", default_value = "default")]
    output: String,
    /// Microphone or monitor to record: an id or part of a name
    #[arg(long, value_name = "DEVICE", default_value = "default")]
    input: String,
    /// Number of chirps
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Length of the devices' callbacks, in ms
    #[arg(long, value_name = "MS", default_value_t = 10.0, value_parser = crate::arguments::quantum_ms)]
    quantum_ms: f32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Silence before the first chirp, while streams and servers settle.
const SETTLE: Duration = Duration::from_millis(1000);
/// How long a chirp is listened for, and so the longest latency that is seen. Echoes have died
/// out before the next one.
const LISTEN: Duration = Duration::from_millis(1000);
/// A device that takes no samples for so long has stalled.
const STALLED: Duration = Duration::from_secs(2);
/// Short against a callback, so that each callback's time is seen.
const POLL: Duration = Duration::from_micros(200);

#[derive(Debug, Serialize)]
struct Report {
    output: String,
    input: String,
    /// One per chirp; `None` where it was not heard.
    delays_ms: Vec<Option<f64>>,
    min_ms: f64,
    median_ms: f64,
    max_ms: f64,
}

/// Runs the command.
///
/// # Errors
/// If a device cannot be opened or stalls, or no chirp is heard.
pub fn run(args: Args) -> Result<ExitCode> {
    let mut loopback = Loopback::open(&args)?;
    loopback.listen(SETTLE)?;
    let mut delays_ms = Vec::new();
    for number in 1..=args.repeat {
        let delay_ms = loopback.measure()?;
        if !args.json {
            match delay_ms {
                Some(ms) => println!("chirp {number}: {ms:.2} ms"),
                None => println!("chirp {number}: not heard"),
            }
        }
        delays_ms.push(delay_ms);
    }
    let mut heard: Vec<f64> = delays_ms.iter().flatten().copied().collect();
    heard.sort_by(f64::total_cmp);
    let (output, input) = (&loopback.output.device.id, &loopback.input.device.id);
    let (Some(&min_ms), Some(&max_ms)) = (heard.first(), heard.last()) else {
        bail!(
            "none of {} chirps played to {output} was heard on {input}; check that the input hears \
             the output (a microphone near the speaker, a cable, or the sink's monitor), that \
             neither is muted and the volume is up, and that a daemon between them is in bypass",
            args.repeat
        );
    };
    let report = Report {
        output: output.clone(),
        input: input.clone(),
        median_ms: heard[heard.len() / 2],
        min_ms,
        max_ms,
        delays_ms,
    };
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "round trip {} -> {}: min {:.2} ms, median {:.2} ms, max {:.2} ms ({} of {} chirps heard)",
            report.output,
            report.input,
            report.min_ms,
            report.median_ms,
            report.max_ms,
            heard.len(),
            args.repeat
        );
        println!(
            "It contains the server's and the devices' buffers and all that runs between them."
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// An output and an input that hears it.
struct Loopback {
    output: OpenStream,
    feed: PlaybackFeed,
    /// The chirp at the output's rate, interleaved.
    played: Vec<f32>,
    input: OpenStream,
    drain: CaptureDrain,
    /// The chirp at the input's rate, mono.
    expected: Vec<f32>,
    events: Receiver<StreamEvent>,
}

impl Loopback {
    fn open(args: &Args) -> Result<Self> {
        let mut backend = CpalBackend::new();
        let wish = StreamWish {
            period_ms: Some(args.quantum_ms),
            ..StreamWish::default()
        };
        let (send, events) = bounded(64);
        let (capture, drain) = capture_queue(thread::current());
        let choice = DeviceChoice::from(args.input.as_str());
        let input = backend
            .open_input(&choice, &wish, capture, send.clone())
            .with_context(|| format!("cannot record from --input {}", args.input))?;
        let (feed, playback) = playback_queue();
        let choice = DeviceChoice::from(args.output.as_str());
        let output = backend
            .open_output(&choice, &wish, playback, send)
            .with_context(|| format!("cannot play to --output {}", args.output))?;
        let channels = usize::from(output.channels);
        let played: Vec<f32> = chirp::chirp(output.rate_hz)
            .into_iter()
            .flat_map(|x| std::iter::repeat_n(x, channels))
            .collect();
        // Playback starts with the whole chirp at the beginning of a callback.
        feed.state().set_bounds(played.len(), usize::MAX);
        Ok(Self {
            expected: chirp::chirp(input.rate_hz),
            output,
            feed,
            played,
            input,
            drain,
            events,
        })
    }

    /// Plays one chirp; its delay, if it was heard.
    fn measure(&mut self) -> Result<Option<f64>> {
        self.feed
            .push(&self.played, usize::from(self.output.channels));
        let mut recording = Recording::start(f64::from(self.input.rate_hz));
        let started = loop {
            recording.take(&mut self.drain);
            if self.feed.state().queued_samples() < self.played.len() {
                break Instant::now() - self.feed.state().since_callback();
            }
            self.check(recording.begun)?;
            thread::park_timeout(POLL);
        };
        while started.elapsed() < LISTEN {
            recording.take(&mut self.drain);
            thread::park_timeout(POLL);
        }
        self.check(recording.begun)?;
        let started_s = (started - recording.begun).as_secs_f64();
        Ok(chirp::find(&recording.samples, &self.expected)?
            .map(|found| (recording.time_s(found.start_samples) - started_s) * 1e3))
    }

    /// Records into nothing.
    fn listen(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            while self.drain.pop(|_, _, _| ()) {}
            thread::park_timeout(POLL);
        }
        self.check(begun)
    }

    /// Fails where a stream has died or stands still, `begun` being when it was last seen alive.
    fn check(&self, begun: Instant) -> Result<()> {
        for event in self.events.try_iter() {
            if let StreamEventKind::Error(error) = event.kind {
                log::warn!("{}: {error}", event.direction);
            }
        }
        for (name, stream, state) in [
            ("output", &self.output, self.feed.state()),
            ("input", &self.input, self.drain.state()),
        ] {
            ensure!(
                state.since_callback().min(begun.elapsed()) < STALLED,
                "{name} {} has stalled; check that it is plugged in and not suspended",
                stream.device.id
            );
        }
        Ok(())
    }
}

/// What was captured since `begun`, and when.
struct Recording {
    begun: Instant,
    rate_hz: f64,
    samples: Vec<f32>,
    /// Time of the recording's first sample according to each callback, in seconds since `begun`.
    origins_s: Vec<f64>,
}

impl Recording {
    fn start(rate_hz: f64) -> Self {
        Self {
            begun: Instant::now(),
            rate_hz,
            samples: Vec::new(),
            origins_s: Vec::new(),
        }
    }

    /// Appends what has been captured, mixed down.
    fn take(&mut self, drain: &mut CaptureDrain) {
        let before = self.samples.len();
        let samples = &mut self.samples;
        while drain.pop(|block, channels, _| {
            let frames = block.chunks_exact(channels);
            samples.extend(frames.map(|frame| frame.iter().sum::<f32>() / channels as f32));
        }) {}
        if self.samples.len() > before {
            let called_s =
                self.begun.elapsed().as_secs_f64() - drain.state().since_callback().as_secs_f64();
            self.origins_s.push(called_s - before as f64 / self.rate_hz);
        }
    }

    /// When a sample was handed over, in seconds since `begun`: each callback hands over its first
    /// sample, and the median of all evens out their jitter.
    fn time_s(&self, sample: usize) -> f64 {
        let mut origins_s = self.origins_s.clone();
        origins_s.sort_by(f64::total_cmp);
        let origin_s = origins_s.get(origins_s.len() / 2).copied().unwrap_or(0.0);
        origin_s + sample as f64 / self.rate_hz
    }
}
