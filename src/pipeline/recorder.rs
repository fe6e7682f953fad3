//! Recording to WAV beside the audio, which it never holds up.
//!
//! A thread of its own writes 16-bit PCM at 48 kHz and completes the header every second: whatever
//! ends the program, the file is a WAV file up to then. No file is ever overwritten: `name.wav`
//! that exists already, or that has become too long, continues as `name.0001.wav`.
//!
//! The samples come through a wait-free ring that this thread looks into from time to time. It has
//! no real-time priority; with a channel the worker, which has, would wait in vain for a recorder
//! that it has interrupted itself between the two halves of a receive.

use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::interleave;
use super::stats::RecordingStatus;
use crate::SAMPLE_RATE_HZ;

/// How many samples the disk may be behind: 5 s.
const QUEUE_SAMPLES: usize = 5 * SAMPLE_RATE_HZ as usize;
/// Samples per channel between which a file may be split: 10 ms.
const BLOCK_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 100;
/// How often the recorder looks for frames.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// A WAV header counts bytes in 32 bits.
const MAX_BYTES: u64 = u32::MAX as u64 - (1 << 20);
const BYTES_PER_SAMPLE: u64 = 2;

/// A recording in progress; it ends when its [`RecorderFeed`] is dropped.
pub struct Recorder {
    thread: JoinHandle<()>,
    status: Arc<Status>,
}

#[derive(Debug, Default)]
struct Status {
    shown: Mutex<RecordingStatus>,
    dropped_samples: AtomicU64,
}

/// The worker's end of a recording.
pub struct RecorderFeed {
    ring: rtrb::Producer<f32>,
    interleaved: Vec<f32>,
    status: Arc<Status>,
}

impl Recorder {
    /// Creates the first file and starts the thread. Files are split at `max_bytes`.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn start(path: &Path, channels: u16, max_bytes: u64) -> Result<(Self, RecorderFeed)> {
        let mut tape = Tape::new(path, channels, max_bytes);
        tape.open()?;
        let status = Arc::new(Status::default());
        let (feed, mut ring) = RecorderFeed::new(channels, Arc::clone(&status));
        let shared = Arc::clone(&status);
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                if let Err(error) = record(&mut tape, &mut ring, &shared) {
                    log::error!("{error:#}; the recording ends here");
                    shared.shown().error = Some(format!("{error:#}"));
                }
            })
            .context("cannot start the recorder's thread")?;
        Ok((Self { thread, status }, feed))
    }

    /// How it goes.
    pub fn status(&self) -> RecordingStatus {
        let mut status = self.status.shown().clone();
        status.dropped_ms =
            self.status.dropped_samples.load(Relaxed) * 1000 / u64::from(SAMPLE_RATE_HZ);
        status
    }

    /// Waits until everything is written; the feed must have been dropped.
    ///
    /// # Errors
    /// What ended the recording early.
    pub fn finish(self) -> Result<()> {
        if self.thread.join().is_err() {
            return Err(anyhow!("the recorder's thread panicked"));
        }
        match self.status.shown().error.take() {
            Some(error) => Err(anyhow!(error)),
            None => Ok(()),
        }
    }
}

impl Status {
    fn shown(&self) -> std::sync::MutexGuard<'_, RecordingStatus> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecorderFeed {
    fn new(channels: u16, status: Arc<Status>) -> (Self, rtrb::Consumer<f32>) {
        let channels = usize::from(channels);
        let (ring, recorder) = rtrb::RingBuffer::new(QUEUE_SAMPLES * channels);
        let feed = Self {
            ring,
            interleaved: Vec::with_capacity(BLOCK_SAMPLES * channels),
            status,
        };
        (feed, recorder)
    }

    /// Records one frame per lane, or counts it as dropped when the disk is too far behind.
    pub fn write(&mut self, lanes: &[Vec<f32>]) {
        self.interleaved.clear();
        interleave(lanes, &mut self.interleaved);
        // A recorder that has ended has said why.
        if self.ring.push_entire_slice(&self.interleaved).is_err() && !self.ring.is_abandoned() {
            let samples = lanes.first().map_or(0, Vec::len) as u64;
            self.status.dropped_samples.fetch_add(samples, Relaxed);
        }
    }
}

fn record(tape: &mut Tape, ring: &mut rtrb::Consumer<f32>, status: &Status) -> Result<()> {
    let channels = usize::from(tape.spec.channels);
    let mut samples = 0u64;
    let mut flushed = Instant::now();
    status.shown().path.clone_from(&tape.path);
    loop {
        // Asked first: what was written before the end is in the ring.
        let ended = ring.is_abandoned();
        if let Ok(chunk) = ring.read_chunk(ring.slots()) {
            let (first, second) = chunk.as_slices();
            for block in [first, second]
                .into_iter()
                .flat_map(|part| part.chunks(BLOCK_SAMPLES * channels))
            {
                tape.write(block)?;
                samples += (block.len() / channels) as u64;
            }
            chunk.commit_all();
        }
        if ended {
            return tape.close();
        }
        if flushed.elapsed() >= FLUSH_EVERY {
            tape.flush()?;
            flushed = Instant::now();
            let mut shown = status.shown();
            shown.path.clone_from(&tape.path);
            shown.seconds = samples as f64 / f64::from(SAMPLE_RATE_HZ);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The files of one recording.
struct Tape {
    wanted: PathBuf,
    path: PathBuf,
    spec: hound::WavSpec,
    max_bytes: u64,
    bytes: u64,
    writer: Option<hound::WavWriter<BufWriter<File>>>,
}

impl Tape {
    fn new(path: &Path, channels: u16, max_bytes: u64) -> Self {
        Self {
            wanted: path.to_owned(),
            path: path.to_owned(),
            spec: hound::WavSpec {
                channels,
                sample_rate: SAMPLE_RATE_HZ,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            },
            max_bytes: max_bytes.min(MAX_BYTES),
            bytes: 0,
            writer: None,
        }
    }

    /// Creates the next file of a name that is free.
    fn open(&mut self) -> Result<()> {
        let (file, path) = create_fresh(&self.wanted)?;
        let writer = hound::WavWriter::new(BufWriter::new(file), self.spec);
        let mut writer = writer.with_context(|| cannot_record(&path))?;
        writer.flush().with_context(|| cannot_record(&path))?;
        log::info!("recording to {}", path.display());
        (self.writer, self.path, self.bytes) = (Some(writer), path, 0);
        Ok(())
    }

    fn write(&mut self, samples: &[f32]) -> Result<()> {
        let bytes = samples.len() as u64 * BYTES_PER_SAMPLE;
        if self.bytes > 0 && self.bytes + bytes > self.max_bytes {
            self.close()?;
            self.open()?;
        }
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for &sample in samples {
            let value = (sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
            writer
                .write_sample(value)
                .with_context(|| cannot_record(&self.path))?;
        }
        self.bytes += bytes;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.writer {
            Some(writer) => writer.flush().with_context(|| cannot_record(&self.path)),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(writer) => writer.finalize().with_context(|| cannot_record(&self.path)),
            None => Ok(()),
        }
    }
}

fn cannot_record(path: &Path) -> String {
    format!("cannot record to {}", path.display())
}

/// Creates `path`, or the first of `name.0001.wav`, `name.0002.wav` ... that does not exist.
fn create_fresh(path: &Path) -> Result<(File, PathBuf)> {
    for number in 0u32.. {
        let candidate = match number {
            0 => path.to_owned(),
            _ => {
                let extension = path.extension().unwrap_or("wav".as_ref()).to_owned();
                let mut numbered = std::ffi::OsString::from(format!("{number:04}."));
                numbered.push(extension);
                path.with_extension(numbered)
            }
        };
        match File::create_new(&candidate) {
            Ok(file) => return Ok((file, candidate)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| cannot_record(&candidate)),
        }
    }
    unreachable!("no folder holds four billion recordings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(value: f32) -> Vec<Vec<f32>> {
        vec![vec![value; BLOCK_SAMPLES]]
    }

    fn samples(path: &Path) -> Vec<i16> {
        let reader = hound::WavReader::open(path).unwrap();
        reader.into_samples().map(Result::unwrap).collect()
    }

    #[test]
    fn files_are_split_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.wav");
        std::fs::write(&path, "mine").unwrap();
        let limit = 2 * BLOCK_SAMPLES as u64 * BYTES_PER_SAMPLE;
        let (recorder, mut feed) = Recorder::start(&path, 1, limit).unwrap();
        for n in 0..5 {
            feed.write(&frame(n as f32 / 10.0));
        }
        drop(feed);
        recorder.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let mut all = Vec::new();
        for number in 1..=3 {
            let part = samples(&folder.path().join(format!("talk.{number:04}.wav")));
            assert!(part.len() <= 2 * BLOCK_SAMPLES);
            all.extend(part.iter().step_by(BLOCK_SAMPLES).copied());
        }
        assert_eq!(all, [0, 3277, 6554, 9830, 13107]);
    }

    #[test]
    fn a_file_is_valid_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.wav");
        let (recorder, mut feed) = Recorder::start(&path, 1, u64::MAX).unwrap();
        assert_eq!(samples(&path).len(), 0);
        for _ in 0..50 {
            feed.write(&frame(2.0));
        }
        std::thread::sleep(Duration::from_millis(1300));
        feed.write(&frame(0.0));
        std::thread::sleep(Duration::from_millis(100));
        // What a program killed now would leave behind.
        let found = samples(&path);
        assert!(found.len() >= 50 * BLOCK_SAMPLES, "{}", found.len());
        assert_eq!(found[0], i16::MAX, "too loud is limited, not wrapped");
        drop(feed);
        recorder.finish().unwrap();
        assert_eq!(samples(&path).len(), 51 * BLOCK_SAMPLES);
    }

    #[test]
    fn a_full_disk_ends_the_recording_alone() {
        // Linux' own full disk.
        let file = File::options().write(true).open("/dev/full").unwrap();
        let mut tape = Tape::new(Path::new("/dev/full"), 1, u64::MAX);
        tape.writer = hound::WavWriter::new(BufWriter::new(file), tape.spec).ok();
        let status = Arc::new(Status::default());
        let (mut feed, mut ring) = RecorderFeed::new(1, Arc::clone(&status));
        for _ in 0..100 {
            feed.write(&frame(0.1));
        }
        let error = record(&mut tape, &mut ring, &status).unwrap_err();
        assert!(format!("{error:#}").contains("/dev/full"), "{error:#}");
        // The worker goes on, also after as much as would have fitted in between.
        drop(ring);
        for _ in 0..2 * QUEUE_SAMPLES / BLOCK_SAMPLES {
            feed.write(&frame(0.1));
        }
        assert_eq!(status.dropped_samples.load(Relaxed), 0);
    }

    #[test]
    fn a_disk_that_does_not_follow_costs_frames_and_says_how_many() {
        let status = Arc::new(Status::default());
        let (mut feed, ring) = RecorderFeed::new(2, Arc::clone(&status));
        let stereo = vec![vec![0.1; BLOCK_SAMPLES]; 2];
        for _ in 0..QUEUE_SAMPLES / BLOCK_SAMPLES + 7 {
            feed.write(&stereo);
        }
        assert_eq!(
            status.dropped_samples.load(Relaxed),
            7 * BLOCK_SAMPLES as u64
        );
        drop(ring);
    }
}
