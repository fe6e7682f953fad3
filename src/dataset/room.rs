//! Whether a recording of a room's noise is good to adapt to: loud enough, not clipped, without speech.
//!
//! Speech is what the model keeps: a frame whose level it lowers by less than 6 dB counts as speech.

use anyhow::Result;

use super::clipping::ClippingMeter;
use crate::SAMPLE_RATE_HZ;
use crate::audio::resample::resample;
use crate::cleaning::clean;
use crate::dsp::level::{FLOOR_DB, rms_db};
use crate::model::Model;
use crate::model::denormals::flush_denormals;

/// Frames that are compared: 20 ms.
const FRAME_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 50;
/// Speech is lowered by less.
const KEPT_DB: f64 = 6.0;
/// Frames below this are too quiet to tell, in dBFS.
const AUDIBLE_DBFS: f64 = -75.0;
/// More speech-like frames than this are no accident.
const SPEECH_SHARE: f64 = 0.08;
/// Below this the microphone's own noise, or its rounding to 16 bits, hides the room.
const QUIET_DBFS: f64 = -75.0;
const CLIPPED_SHARE: f64 = 1e-4;

/// What a recording of noise is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    pub seconds: f64,
    /// RMS level in dBFS; [`FLOOR_DB`] for digital silence.
    pub level_dbfs: f64,
    /// Share of clipped samples.
    pub clipped: f64,
    /// Share of the frames that the model takes for speech.
    pub speech_like: f64,
}

impl Room {
    /// Listens to a recording, with `model` as the judge of what is speech.
    ///
    /// # Errors
    /// A sample rate of zero.
    pub fn examine(samples: &[f32], rate_hz: u32, model: &Model) -> Result<Self> {
        let mut clipping = ClippingMeter::default();
        clipping.push(samples);
        let noisy = resample(samples, rate_hz, SAMPLE_RATE_HZ)?;
        flush_denormals();
        let cleaned = clean(model, &noisy, SAMPLE_RATE_HZ)?;
        Ok(Self {
            seconds: samples.len() as f64 / f64::from(rate_hz),
            level_dbfs: rms_db(samples),
            clipped: clipping.share(),
            speech_like: speech_like(&noisy, &cleaned),
        })
    }

    /// What is wrong with it, each with what to do; empty if it is fine.
    pub fn problems(&self) -> Vec<String> {
        if self.is_silent() {
            return vec![
                "digital silence: the input is muted or the wrong one; unmute it or choose another with --input \
                 (denoised devices lists them)"
                    .to_owned(),
            ];
        }
        let mut problems = Vec::new();
        if self.level_dbfs < QUIET_DBFS {
            problems.push(format!(
                "very quiet ({:.0} dBFS): turn the input's gain up to where you have it when you talk, or there \
                 is hardly any noise to adapt to",
                self.level_dbfs
            ));
        }
        if self.clipped > CLIPPED_SHARE {
            problems.push(format!(
                "{:.2} % of it is clipped: turn the input's gain down and record again",
                100.0 * self.clipped
            ));
        }
        if self.speech_like > SPEECH_SHARE {
            problems.push(format!(
                "{:.0} % of it may be speech (or knocks and the like, which are hard to tell from it): adapting to speech would \
                 teach the model to remove speech; record again while nobody talks",
                100.0 * self.speech_like
            ));
        }
        problems
    }

    /// Nothing but zeros.
    pub fn is_silent(&self) -> bool {
        self.level_dbfs <= FLOOR_DB
    }
}

fn speech_like(noisy: &[f32], clean: &[f32]) -> f64 {
    let frames = noisy
        .chunks_exact(FRAME_SAMPLES)
        .zip(clean.chunks_exact(FRAME_SAMPLES));
    let (mut kept, mut total) = (0u32, 0u32);
    for (noisy, clean) in frames {
        let level_db = rms_db(noisy);
        total += 1;
        kept += u32::from(level_db > AUDIBLE_DBFS && rms_db(clean) > level_db - KEPT_DB);
    }
    f64::from(kept) / f64::from(total.max(1))
}
