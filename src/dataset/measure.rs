//! One recording: what it holds, apart from what its header says.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::clipping::ClippingMeter;
use crate::audio::decode::Reader;
use crate::dsp::level::LevelMeter;
use crate::dsp::spectrogram::{Recorder, Spectrogram};

/// Frames in which digital silence is looked for.
const FRAME_MS: usize = 20;
/// The noise floor is the level that so many frames stay below.
const FLOOR_SHARE: f64 = 0.05;
/// A frame this far below the speech is a pause.
const PAUSE_DB: f64 = 30.0;
/// The band ends where the mean spectrum stays this far below its maximum…
const BAND_DB: f64 = 70.0;
/// … or falls to this much over the noise of rounding to 16 bits.
const ROUNDING_MARGIN_DB: f64 = 10.0;
/// The mean spectrum is smoothed over so many Hz, so that no single line counts as a band.
const SMOOTHING_HZ: f64 = 500.0;

/// Measurements of one file, all channels together.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub rate_hz: u32,
    pub seconds: f64,
    /// Above this frequency there is nothing.
    pub bandwidth_hz: f64,
    /// Share of the samples that are clipped.
    pub clipped: f64,
    /// Share of the time in which the samples do not change at all.
    pub digital_silence: f64,
    /// Share of the other time that is 30 dB or more below the speech.
    pub pauses: f64,
    /// Level of the speech (of whatever is loud), in dBFS.
    pub speech_dbfs: f64,
    /// Speech over the level that a twentieth of the frames stay below, digital silence not counted, in dB.
    pub speech_over_floor_db: f64,
    /// The same for files with the same decoded samples.
    #[serde(skip)]
    pub fingerprint: u64,
}

impl Measured {
    /// Whether there is any sound.
    pub fn has_sound(&self) -> bool {
        self.digital_silence < 1.0
    }
}

/// Decodes a file and measures it, in constant memory.
///
/// # Errors
/// The file cannot be decoded.
pub fn measure(path: &Path) -> Result<Measured> {
    let mut reader = Reader::open(path)?;
    let spec = reader.spec();
    let mut meter = Meter::new(spec.rate_hz, spec.channels);
    let mut planar = Vec::new();
    while reader.read(&mut planar, spec.rate_hz as usize)? > 0 {
        meter.push(&planar);
    }
    Ok(meter.finish())
}

struct Meter {
    rate_hz: u32,
    clipping: Vec<ClippingMeter>,
    level: LevelMeter,
    spectrum: Recorder,
    /// Mono samples that do not fill a frame yet.
    pending: Vec<f32>,
    frames: u64,
    silent_frames: u64,
    samples: u64,
    fingerprint: u64,
}

impl Meter {
    fn new(rate_hz: u32, channels: usize) -> Self {
        Self {
            rate_hz,
            clipping: vec![ClippingMeter::default(); channels],
            level: LevelMeter::new(rate_hz),
            spectrum: Recorder::new(rate_hz),
            pending: Vec::new(),
            frames: 0,
            silent_frames: 0,
            samples: 0,
            fingerprint: 0xcbf2_9ce4_8422_2325,
        }
    }

    fn push(&mut self, planar: &[Vec<f32>]) {
        for (clipping, channel) in self.clipping.iter_mut().zip(planar) {
            clipping.push(channel);
        }
        let gain = 1.0 / planar.len() as f32;
        let length = planar.first().map_or(0, Vec::len);
        let mono: Vec<f32> = (0..length)
            .map(|n| gain * planar.iter().map(|channel| channel[n]).sum::<f32>())
            .collect();
        self.samples += length as u64;
        self.spectrum.push(&mono);
        for sample in &mono {
            // FNV-1a over what 16 bits keep, so that the same recording in another format is found.
            let rounded = (sample * 32768.0).round() as i32;
            self.fingerprint =
                (self.fingerprint ^ u64::from(rounded as u32)).wrapping_mul(0x0100_0000_01b3);
        }
        self.pending.extend(mono);
        let size = self.rate_hz as usize * FRAME_MS / 1000;
        let whole = self.pending.len() / size * size;
        for frame in self.pending[..whole].chunks_exact(size) {
            self.frames += 1;
            if frame.iter().all(|sample| *sample == frame[0]) {
                self.silent_frames += 1;
            } else {
                self.level.push(frame);
            }
        }
        self.pending.drain(..whole);
    }

    fn finish(self) -> Measured {
        let channels = self.clipping.len().max(1) as f64;
        let clipped: f64 = self.clipping.into_iter().map(ClippingMeter::share).sum();
        let speech_dbfs = self.level.active_speech_db();
        Measured {
            rate_hz: self.rate_hz,
            seconds: self.samples as f64 / f64::from(self.rate_hz),
            bandwidth_hz: bandwidth_hz(&self.spectrum.finish()),
            clipped: clipped / channels,
            // What is shorter than a frame holds nothing.
            digital_silence: match self.frames {
                0 => 1.0,
                frames => self.silent_frames as f64 / frames as f64,
            },
            pauses: self.level.share_below(speech_dbfs - PAUSE_DB),
            speech_dbfs,
            speech_over_floor_db: speech_dbfs - self.level.percentile_db(FLOOR_SHARE),
            fingerprint: self.fingerprint,
        }
    }
}

/// Where the content of a recording ends; 0 for silence.
fn bandwidth_hz(spectrogram: &Spectrogram) -> f64 {
    let Some(bins) = spectrogram.columns.first().map(Vec::len) else {
        return 0.0;
    };
    let mean: Vec<f64> = (0..bins)
        .map(|bin| {
            spectrogram
                .columns
                .iter()
                .map(|column| f64::from(column[bin]))
                .sum::<f64>()
        })
        .map(|sum| sum / spectrogram.columns.len() as f64)
        .collect();
    let bin_hz = f64::from(spectrogram.rate_hz) / 2.0 / (bins - 1) as f64;
    let width = ((SMOOTHING_HZ / bin_hz).round() as usize).clamp(1, bins);
    let smooth: Vec<f64> = mean
        .windows(width)
        .map(|window| window.iter().sum::<f64>() / width as f64)
        .collect();
    let highest = smooth.iter().copied().fold(0.0, f64::max);
    // White noise of variance v has 3 v / N in each bin of an N-point Hann spectrum, where a sine of
    // full scale has 0.5; rounding to steps of q has a variance of q² / 12.
    let rounding = 3.0 / (2 * (bins - 1)) as f64 / 12.0 / 32768f64.powi(2);
    let threshold = (highest * 10f64.powf(-BAND_DB / 10.0))
        .max(rounding * 10f64.powf(ROUNDING_MARGIN_DB / 10.0));
    match smooth.iter().rposition(|&power| power > threshold) {
        None => 0.0,
        Some(last) if last + 1 == smooth.len() => f64::from(spectrogram.rate_hz) / 2.0,
        // A single bin of content lifts every window that it lies in: the last one begins with it.
        Some(last) => last as f64 * bin_hz,
    }
}
