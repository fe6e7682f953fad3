//! Utterances of one voice from short recordings of it, varied so that few voices stand for many.
//!
//! Words of a speaker are strung together with pauses; speed moves pitch and formants together, the
//! formant shift moves the vocal tract alone.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::config::VoicesConfig;
use super::formant::shift_formants;
use super::pack::Pack;
use super::pool::Pool;
use crate::SAMPLE_RATE_HZ;
use crate::audio::resample::resample;
use crate::corruption::Clips;

/// Clean speech, drawn speaker by speaker.
#[derive(Debug, Clone)]
pub struct Voices {
    pool: Pool,
    config: VoicesConfig,
}

/// Clean speech of one (varied) voice at 48 kHz.
#[derive(Debug)]
pub struct Utterance {
    pub samples: Vec<f32>,
    /// Above this frequency the recordings held nothing: what belongs there is not known.
    pub bandwidth_hz: f32,
}

/// Speakers pause this long between words, in seconds.
const PAUSE_SECONDS: std::ops::Range<f64> = 0.05..0.7;
const FADE_SAMPLES: usize = 240;
/// Rates with small common multiples are resampled in short blocks, and so fast.
const RATE_STEP_HZ: f64 = 100.0;

impl Voices {
    pub fn new(pack: Arc<Pack>, config: VoicesConfig) -> Self {
        Self {
            pool: Pool::new(pack, config.balance_exponent),
            config,
        }
    }

    /// `len_samples` of one speaker, beginning with a pause.
    pub fn utterance(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Utterance {
        let mut utterance = self.at_some_speed(rng, len_samples);
        let config = &self.config;
        if rng.random_bool(config.formant_probability) {
            let formant = rng.random_range(config.formant_min..=config.formant_max) as f32;
            shift_formants(&mut utterance.samples, formant);
            utterance.bandwidth_hz *= formant.min(1.0);
        }
        utterance
    }

    fn at_some_speed(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Utterance {
        let speaker = self.pool.draw_label(rng);
        let config = &self.config;
        let speed = match rng.random_bool(config.speed_probability) {
            true => rng.random_range(config.speed_min..=config.speed_max),
            false => 1.0,
        };
        let mut utterance = Utterance {
            samples: Vec::with_capacity(len_samples),
            bandwidth_hz: SAMPLE_RATE_HZ as f32 / 2.0,
        };
        while utterance.samples.len() < len_samples {
            let pause = rng.random_range(PAUSE_SECONDS) * f64::from(SAMPLE_RATE_HZ);
            let start = (utterance.samples.len() + pause as usize).min(len_samples);
            utterance.samples.resize(start, 0.0);
            if start < len_samples {
                self.append_recording(speaker, speed, len_samples, &mut utterance, rng);
            }
        }
        utterance
    }

    fn append_recording(
        &self,
        speaker: usize,
        speed: f64,
        len_samples: usize,
        utterance: &mut Utterance,
        rng: &mut ChaCha8Rng,
    ) {
        let clip = self.pool.draw_clip(speaker, rng);
        let missing = len_samples - utterance.samples.len();
        let seconds = missing as f64 * speed / f64::from(SAMPLE_RATE_HZ);
        let recording = self.pool.excerpt(clip, seconds, rng);
        let played_hz = f64::from(clip.rate_hz) * speed / RATE_STEP_HZ;
        let played_hz = (played_hz.round() * RATE_STEP_HZ) as u32;
        let Ok(mut word) = resample(&recording, played_hz, SAMPLE_RATE_HZ) else {
            return;
        };
        let fade = FADE_SAMPLES.min(word.len() / 2);
        let last = word.len();
        for i in 0..fade {
            let gain = i as f32 / fade as f32;
            word[i] *= gain;
            word[last - 1 - i] *= gain;
        }
        utterance.bandwidth_hz = utterance.bandwidth_hz.min(clip.bandwidth_hz * speed as f32);
        utterance
            .samples
            .extend_from_slice(&word[..word.len().min(missing)]);
    }
}

impl Clips for Voices {
    /// One voice of many, as babble has it: its formants stay, since moving them is the dearest part of a voice.
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>> {
        Some(self.at_some_speed(rng, len_samples).samples)
    }
}
