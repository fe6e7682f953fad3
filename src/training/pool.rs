//! Clips of a pack by label, drawn so that no label drowns the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::pack::{Clip, Pack};
use crate::SAMPLE_RATE_HZ;
use crate::audio::resample::resample;
use crate::corruption::Clips;

/// Clips grouped by speaker or noise class.
#[derive(Debug, Clone)]
pub struct Pool {
    pack: Arc<Pack>,
    labels: Vec<Label>,
    /// Running sums of the labels' chances, for drawing.
    label_chances: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Label {
    clips: Vec<usize>,
    /// Running sums of the clips' chances.
    clip_chances: Vec<f64>,
}

impl Pool {
    /// A label's chance is its weighted seconds to the power of `balance_exponent`; a clip's chance
    /// within the label follows its weighted seconds.
    pub fn new(pack: Arc<Pack>, balance_exponent: f64) -> Self {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, clip) in pack.clips().iter().enumerate() {
            groups.entry(&clip.label).or_default().push(number);
        }
        let (mut running, mut label_chances) = (0.0, Vec::with_capacity(groups.len()));
        let labels = groups
            .into_values()
            .map(|clips| {
                let mut sum = 0.0;
                let clip_chances = clips
                    .iter()
                    .map(|&number| {
                        let clip = &pack.clips()[number];
                        sum += clip.seconds() * f64::from(clip.weight);
                        sum
                    })
                    .collect();
                running += sum.powf(balance_exponent);
                label_chances.push(running);
                Label {
                    clips,
                    clip_chances,
                }
            })
            .collect();
        Self {
            pack,
            labels,
            label_chances,
        }
    }

    /// A label, by its chance.
    pub fn draw_label(&self, rng: &mut ChaCha8Rng) -> usize {
        draw(&self.label_chances, rng)
    }

    /// A clip of the label, by its chance.
    pub fn draw_clip(&self, label: usize, rng: &mut ChaCha8Rng) -> &Clip {
        let label = &self.labels[label];
        &self.pack.clips()[label.clips[draw(&label.clip_chances, rng)]]
    }

    /// At most `seconds` of a clip from a random place, at its own rate.
    pub fn excerpt(&self, clip: &Clip, seconds: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let wanted = ((seconds * f64::from(clip.rate_hz)).ceil() as usize).max(1);
        let spare = clip.samples().saturating_sub(wanted);
        let offset = if spare > 0 {
            rng.random_range(0..=spare)
        } else {
            0
        };
        self.pack.samples(clip, offset, wanted)
    }
}

impl Clips for Pool {
    /// One clip again and again, as of one bell, or clips of one label behind each other, cross-faded, until there is
    /// enough.
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Option<Vec<f32>> {
        const FADE_SAMPLES: usize = 960;
        let label = self.draw_label(rng);
        let only = rng.random_bool(0.5).then(|| self.draw_clip(label, rng));
        let mut audio: Vec<f32> = Vec::with_capacity(len_samples);
        // Clips of a few samples would never fill a long stretch.
        for _ in 0..64 {
            let clip = only.unwrap_or_else(|| self.draw_clip(label, rng));
            let missing = len_samples + FADE_SAMPLES - audio.len();
            let seconds = missing as f64 / f64::from(SAMPLE_RATE_HZ);
            let piece = self.excerpt(clip, seconds, rng);
            let piece = resample(&piece, clip.rate_hz, SAMPLE_RATE_HZ).ok()?;
            append_faded(&mut audio, &piece, FADE_SAMPLES);
            if audio.len() >= len_samples {
                break;
            }
        }
        audio.resize(len_samples, 0.0);
        Some(audio)
    }
}

/// Appends `piece`, overlapping the end of `audio` by at most `fade_samples` with constant power.
pub(super) fn append_faded(audio: &mut Vec<f32>, piece: &[f32], fade_samples: usize) {
    let fade = fade_samples.min(audio.len() / 2).min(piece.len() / 2);
    let start = audio.len() - fade;
    for (i, &sample) in piece[..fade].iter().enumerate() {
        let position = (i as f32 + 0.5) / fade as f32;
        audio[start + i] = audio[start + i] * (1.0 - position).sqrt() + sample * position.sqrt();
    }
    audio.extend_from_slice(&piece[fade..]);
}

/// An index with probability in proportion to the steps of the running sums `chances`.
fn draw(chances: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let total = chances.last().copied().unwrap_or(0.0);
    let point = rng.random::<f64>() * total;
    chances
        .partition_point(|&chance| chance <= point)
        .min(chances.len().saturating_sub(1))
}
