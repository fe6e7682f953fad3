//! A clip's way through the stages of a recipe.

use rand_chacha::ChaCha8Rng;

use super::band_limit::LowPass;
use super::level::{active_rms, amplitude, peak, rms, scale};
use super::{Clips, RATE_HZ, Recipe, Rooms};

/// Level that noise is measured against where there is no speech: ITU-T P.56's nominal −26 dBFS.
const REFERENCE_DBFS: f32 = -26.0;

/// The raw material a recipe may draw on; what is missing is replaced by what is there.
#[derive(Clone, Copy, Default)]
pub struct Sources<'a> {
    /// Recordings of noise.
    pub noise: Option<&'a dyn Clips>,
    /// Other voices, for babble.
    pub speech: Option<&'a dyn Clips>,
    /// Measured rooms.
    pub rooms: Option<&'a Rooms>,
}

/// A pair to learn from; both as long as the clean clip and aligned with it.
#[derive(Clone, Debug)]
pub struct Corrupted {
    /// What the model hears.
    pub noisy: Vec<f32>,
    /// What it should answer.
    pub target: Vec<f32>,
    /// Active speech over noise, in dB; ∞ without noise, −∞ without speech.
    pub snr_db: f32,
    /// Neither side has content above this frequency, in Hz; 24,000 for the full band.
    pub band_limit_hz: f32,
    /// What both sides were multiplied by so that neither exceeds full scale; 1 where it fitted.
    pub headroom_gain: f32,
}

impl Recipe {
    /// Draws from the recipe and corrupts `clean`: mono, 48 kHz, any length, finite samples.
    pub fn corrupt(&self, clean: &[f32], sources: &Sources, rng: &mut ChaCha8Rng) -> Corrupted {
        let untouched = self.untouched.hit(rng);
        let speech_free = !untouched && self.speech_free.hit(rng);
        let low_pass = self.band_limit.draw(rng);

        let (mut noisy, mut target) = if speech_free {
            (vec![0.0; clean.len()], vec![0.0; clean.len()])
        } else {
            self.speak(clean, low_pass.as_ref(), untouched, sources, rng)
        };
        let speech_rms = self.set_level(&mut noisy, &mut target, rng);

        let mut snr_db = f32::INFINITY;
        if !untouched && let Some(mut noise) = self.noise.generate(clean.len(), sources, rng) {
            if let Some(low_pass) = &low_pass {
                low_pass.apply(&mut noise);
            }
            snr_db = self.noise.draw_snr_db(rng);
            let noise_rms = rms(&noise);
            // The filter may have left nothing.
            if noise_rms > 0.0 {
                let gain = speech_rms * amplitude(-snr_db) / noise_rms;
                noisy
                    .iter_mut()
                    .zip(&noise)
                    .for_each(|(sum, x)| *sum += gain * x);
            } else {
                snr_db = f32::INFINITY;
            }
        }
        if speech_free {
            snr_db = f32::NEG_INFINITY;
        }

        let highest = peak(&noisy).max(peak(&target));
        let headroom_gain = if highest > 1.0 { 1.0 / highest } else { 1.0 };
        if headroom_gain < 1.0 {
            scale(&mut noisy, headroom_gain);
            scale(&mut target, headroom_gain);
        }
        if !untouched {
            self.damage(&mut noisy, low_pass.as_ref(), rng);
            self.mute.apply(&mut noisy, &mut target, rng);
        }
        let band_limit_hz = low_pass.map_or(RATE_HZ / 2.0, |low_pass| low_pass.limit_hz());
        Corrupted {
            noisy,
            target,
            snr_db,
            band_limit_hz,
            headroom_gain,
        }
    }

    /// The speech as the microphone gets it, and as the target keeps it.
    fn speak(
        &self,
        clean: &[f32],
        low_pass: Option<&LowPass>,
        untouched: bool,
        sources: &Sources,
        rng: &mut ChaCha8Rng,
    ) -> (Vec<f32>, Vec<f32>) {
        let mut speech = clean.to_vec();
        if let Some(mut equaliser) = self.equaliser.draw(rng) {
            equaliser.process(&mut speech);
        }
        if let Some(low_pass) = low_pass {
            low_pass.apply(&mut speech);
        }
        let room = if untouched {
            None
        } else {
            self.room.draw(sources.rooms, rng)
        };
        match room {
            Some(response) => response.reverberate_with_early(&speech).into(),
            None => (speech.clone(), speech),
        }
    }

    /// Brings both to a drawn level and returns the noisy side's active level as RMS amplitude;
    /// without speech, the level it would have had.
    fn set_level(&self, noisy: &mut [f32], target: &mut [f32], rng: &mut ChaCha8Rng) -> f32 {
        let wanted = self.level.draw(rng);
        let target_rms = active_rms(target);
        if target_rms == 0.0 {
            return wanted.unwrap_or(amplitude(REFERENCE_DBFS));
        }
        if let Some(wanted) = wanted {
            scale(noisy, wanted / target_rms);
            scale(target, wanted / target_rms);
        }
        active_rms(noisy)
    }

    /// What happens to the microphone's signal alone.
    fn damage(&self, noisy: &mut Vec<f32>, low_pass: Option<&LowPass>, rng: &mut ChaCha8Rng) {
        self.rumble.apply(noisy, rng);
        let clipped = self.clipping.apply(noisy, rng);
        let quantised = self.quantisation.apply(noisy, rng);
        // Distortion makes new content above the limit.
        if (clipped || quantised)
            && let Some(low_pass) = low_pass
        {
            low_pass.apply(noisy);
        }
        self.packet_loss.apply(noisy, rng);
    }
}
