//! The reconstruction loss between the clean x and the output x̂.
//!
//! Spectra are compared after compressing magnitudes by a power of 0.3 (Braun and Tashev, 2021; the
//! loss of DeepFilterNet, Schröter et al., 2022), on magnitudes and on complex values, at the
//! network's own resolution and at one other, drawn per update. Speech removed costs more than noise
//! left. The waveform term is the soft-thresholded noise-to-signal ratio of Wisdom et al. (2020). What listeners would say
//! ([`Opinion`]) may be a part, too: other terms ask for the clean voice, this one for a voice that sounds clean. So may
//! [`Pesq`], which hears what is added more than what is missing, and [`Stoi`], which asks whether words stay clear.
//!
//! Much clean speech is narrow-band. Above a recording's bandwidth the frames with speech do not
//! count, so the network does not learn to low-pass; frames without speech count fully.

use tch::{Device, Kind, Tensor};

use super::batch::Batch;
use super::compressed;
use super::config::LossConfig;
use super::opinion::Opinion;
use super::pesq::Pesq;
use super::stoi::Stoi;
use crate::model::ModelConfig;
use crate::model::stft::{self, Stft};

/// Frames this far below the mean power hold no speech.
const INACTIVE_POWER: f64 = 1e-5;
/// The waveform terms stop at 30 dB.
const WAVEFORM_FLOOR: f64 = 1e-3;
/// Of clips that are next to silent.
const LEAST_ENERGY: f64 = 1e-3;
/// At 48 kHz: flat below 400 Hz, 6 dB per octave above.
const PRE_EMPHASIS: f64 = 0.95;
/// Bandwidths of hearing grow with 1 + f / 229 Hz (Glasberg and Moore, 1990).
const ERB_DOUBLES_HZ: f64 = 229.0;
/// Level of the speech at which opinions are asked for: -26 dB.
const LISTENING_RMS: f64 = 0.05;
const BEST_OPINION: f64 = 5.0;
const BEST_PESQ: f64 = 4.64;
/// So many clips for each one whose opinion is asked for, since that costs more than the network.
const CLIPS_PER_OPINION: i64 = 6;

/// Compares outputs with targets.
#[derive(Debug)]
pub struct Loss {
    config: LossConfig,
    stft: Stft,
    weight: Tensor,
    bin_hz: Tensor,
    others: Vec<(Stft, Tensor)>,
    opinion: Option<Opinion>,
    pesq: Option<Pesq>,
    stoi: Option<Stoi>,
}

/// The value to minimise and what it consists of.
#[derive(Debug)]
pub struct LossValue {
    pub total: Tensor,
    /// Mean signal-to-distortion ratio of the clips with speech, in dB, not scale-invariant. A tensor, because reading it
    /// waits for a GPU.
    pub sdr_db: Tensor,
}

impl Loss {
    pub fn new(
        config: &LossConfig,
        model: &ModelConfig,
        opinion: Option<Opinion>,
        device: Device,
    ) -> Self {
        let rate_hz = f64::from(model.sample_rate_hz);
        let resolution = |window, hop| {
            (
                Stft::new(window, hop, device),
                weights(window, rate_hz, device),
            )
        };
        let (stft, weight) = resolution(model.window_samples, model.hop_samples);
        Self {
            config: config.clone(),
            stft,
            weight,
            bin_hz: bin_hz(model.window_samples, rate_hz, device),
            others: config
                .resolutions_samples
                .iter()
                .map(|&window| resolution(window, window / 2))
                .collect(),
            opinion,
            pesq: (config.pesq > 0.0).then(|| Pesq::new(device)),
            stoi: (config.stoi > 0.0).then(|| Stoi::new(device)),
        }
    }

    /// Spectra `[clips, frames, bins, 2]` of noisy and target audio.
    pub fn analyse(&self, batch: &Batch) -> (Tensor, Tensor) {
        let spectrum = |samples: &Tensor| {
            self.stft
                .analyse(samples, &mut self.stft.past(batch.clips()))
        };
        (spectrum(&batch.noisy), spectrum(&batch.target))
    }

    /// Audio `[clips, samples]` of spectra, one hop late.
    pub fn synthesise(&self, spectrum: &Tensor, clips: i64) -> Tensor {
        self.stft
            .synthesise(spectrum, &mut self.stft.overlap(clips))
    }

    /// Hop of the spectra in samples.
    pub fn hop_samples(&self) -> usize {
        self.stft.hop_samples() as usize
    }

    /// The loss of `estimate` against `target`, both `[clips, frames, bins, 2]`; `update` picks the
    /// other resolution.
    pub fn compare(
        &self,
        estimate: &Tensor,
        target: &Tensor,
        batch: &Batch,
        update: u64,
    ) -> LossValue {
        let gain = batch.gain.view([-1, 1, 1, 1]);
        let mask = self.known(target, batch);
        let estimate = estimate * (&mask * &gain);
        let target = target * (mask * gain);
        let mut total = self.spectral(&estimate, &target, &self.weight);

        let clips = batch.clips();
        let (output, clean) = (
            self.synthesise(&estimate, clips),
            self.synthesise(&target, clips),
        );
        if !self.others.is_empty() {
            let (stft, weight) = &self.others[(update % self.others.len() as u64) as usize];
            let whole = output.size()[1] / stft.hop_samples() * stft.hop_samples();
            let spectrum = |samples: &Tensor| {
                stft.analyse(&samples.narrow(1, 0, whole), &mut stft.past(clips))
            };
            total += self.spectral(&spectrum(&output), &spectrum(&clean), weight)
                * self.config.other_resolution;
        }

        if let Some(opinion) = &self.opinion
            && let listened = asked(update + 1, clips) - asked(update, clips)
            && listened > 0
        {
            let first = |all: &Tensor| all.narrow(0, 0, listened);
            let (heard, speech) = (first(&output), first(&batch.speech));
            let overall = opinion.of(&(heard * LISTENING_RMS)).select(1, 2);
            let missing = ((-overall + BEST_OPINION) * speech).sum(Kind::Float);
            total += missing * (self.config.opinion * CLIPS_PER_OPINION as f64 / clips as f64);
        }

        if let Some(pesq) = &self.pesq {
            let missing = (-pesq.of(&output, &clean) + BEST_PESQ) * &batch.speech;
            total += missing.mean(Kind::Float) * self.config.pesq;
        }
        if let Some(stoi) = &self.stoi {
            let missing = (-stoi.of(&output, &clean) + 1.0) * &batch.speech;
            total += missing.mean(Kind::Float) * self.config.stoi;
        }

        let error = output - &clean;
        let waveform = noise_to_signal_db(&error, &clean, &batch.speech);
        let sdr_db = -waveform.detach();
        total += waveform * self.config.waveform_per_db;
        if self.config.emphasised_per_db > 0.0 {
            let emphasised =
                noise_to_signal_db(&emphasise(&error), &emphasise(&clean), &batch.speech);
            total += emphasised * self.config.emphasised_per_db;
        }
        LossValue { total, sdr_db }
    }

    /// 1 where the target is known, 0 above the bandwidth of frames with speech: `[clips, frames, bins, 1]`.
    fn known(&self, target: &Tensor, batch: &Batch) -> Tensor {
        let power = stft::power(target).sum_dim_intlist(-1, false, Kind::Float);
        let mean = power.mean_dim(1, true, Kind::Float);
        let inactive = power.le_tensor(&(mean * INACTIVE_POWER)).unsqueeze(-1);
        let inside = self
            .bin_hz
            .unsqueeze(0)
            .le_tensor(&batch.bandwidth_hz.unsqueeze(1))
            .unsqueeze(1);
        inactive
            .logical_or(&inside)
            .to_kind(Kind::Float)
            .unsqueeze(-1)
    }

    fn spectral(&self, estimate: &Tensor, target: &Tensor, weight: &Tensor) -> Tensor {
        compressed::difference(estimate, target, weight, &self.config)
    }
}

/// Mean ratio in dB of the energies of `error` and `clean`, both `[clips, samples]`, over the clips with speech.
fn noise_to_signal_db(error: &Tensor, clean: &Tensor, speech: &Tensor) -> Tensor {
    let energy = |samples: &Tensor| samples.square().sum_dim_intlist(1, false, Kind::Float);
    let ratio = energy(error) / (energy(clean) + LEAST_ENERGY);
    let db = (ratio + WAVEFORM_FLOOR).log10() * 10.0 * speech;
    db.sum(Kind::Float) / speech.sum(Kind::Float).clamp_min(1.0)
}

/// Speech falls by some 6 dB per octave above 1 kHz; a first difference lifts it by as much.
fn emphasise(samples: &Tensor) -> Tensor {
    let (now, before) = (
        samples.narrow(1, 1, samples.size()[1] - 1),
        samples.narrow(1, 0, samples.size()[1] - 1),
    );
    now - before * PRE_EMPHASIS
}

/// Opinions asked for before an update, of parts of `clips`: where these are few, not in every update.
fn asked(update: u64, clips: i64) -> i64 {
    update as i64 * clips / CLIPS_PER_OPINION
}

fn bin_hz(window: i64, rate_hz: f64, device: Device) -> Tensor {
    Tensor::arange(window / 2 + 1, (Kind::Float, device)) * (rate_hz / window as f64)
}

/// Importance of each bin: equal for equal steps on the ERB-rate scale, 1 on average.
fn weights(window: i64, rate_hz: f64, device: Device) -> Tensor {
    let weight = (bin_hz(window, rate_hz, device) / ERB_DOUBLES_HZ + 1.0).reciprocal();
    let mean = weight.mean(Kind::Float);
    weight / mean
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn a_lost_hiss_weighs_as_much_as_a_lost_vowel_after_pre_emphasis() {
        let tone = |hz: f64, amplitude: f64| {
            let phase = Tensor::arange(48_000, (Kind::Double, Device::Cpu)) * (hz * TAU / 48e3);
            (phase.sin() * amplitude).unsqueeze(0)
        };
        let (vowel, hiss) = (tone(500.0, 1.0), tone(6000.0, 0.1));
        let clean = &vowel + &hiss;
        let speech = Tensor::ones([1], (Kind::Double, Device::Cpu));
        let db = |error: &Tensor, clean: &Tensor| {
            noise_to_signal_db(error, clean, &speech).double_value(&[])
        };
        let lost_db = db(&emphasise(&hiss), &emphasise(&clean));
        assert!(db(&hiss, &clean) < -19.0 && lost_db > -4.0, "{lost_db}");
    }

    #[test]
    fn opinions_are_asked_of_a_sixth_of_the_clips_in_batches_of_any_size() {
        for clips in [1, 3, 6, 48] {
            let of_update = |update| asked(update + 1, clips) - asked(update, clips);
            assert_eq!((0..60).map(of_update).sum::<i64>(), 10 * clips);
            let even = (0..60).all(|update| (of_update(update) - clips / 6).abs() <= 1);
            assert!(even, "{clips}");
        }
    }
}
