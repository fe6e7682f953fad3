//! Levels in dB relative to full scale (a square wave of amplitude 1.0 has 0 dBFS RMS).
//!
//! Speech pauses, so the level of the speech is that of the active time only. The criterion is
//! that of ITU-T P.56 method B (a frame is active if it exceeds a threshold that lies 15.9 dB
//! below the mean power of the frames that exceed it), on the powers of 20 ms frames in place
//! of P.56's smoothed envelope. What the quietest tenth of the frames has is taken for noise.

use super::power_to_db;

/// Quieter samples are digital silence; dither of 16 bits is louder.
const DIGITAL_SILENCE: f32 = 1e-6;

/// Whether there is nothing at all, as from a muted microphone or an editor.
pub fn is_digital_silence(samples: &[f32]) -> bool {
    samples.iter().all(|sample| sample.abs() < DIGITAL_SILENCE)
}

/// Levels below this are reported as this: silence.
pub const FLOOR_DB: f64 = -120.0;

const FRAME_MS: usize = 20;
const P56_MARGIN_DB: f64 = 15.9;
const QUIET_SHARE: f64 = 0.1;
/// The histogram of frame powers spans FLOOR_DB to +20 dBFS.
const BINS_PER_DB: f64 = 4.0;
const BINS: usize = 140 * 4;

/// RMS level in dBFS.
pub fn rms_db(samples: &[f32]) -> f64 {
    let energy: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    floored_db(energy / samples.len().max(1) as f64)
}

/// Level of the largest absolute sample, in dBFS.
pub fn peak_db(samples: &[f32]) -> f64 {
    let peak = samples
        .iter()
        .fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    floored_db(f64::from(peak).powi(2))
}

/// RMS level of the time in which there is speech (module documentation), in dBFS.
pub fn active_speech_db(samples: &[f32], rate_hz: u32) -> f64 {
    let mut meter = LevelMeter::new(rate_hz);
    meter.push(samples);
    meter.active_speech_db()
}

fn floored_db(power: f64) -> f64 {
    power_to_db(power).max(FLOOR_DB)
}

/// Levels of a stream of any length in constant memory.
#[derive(Clone, Debug)]
pub struct LevelMeter {
    frame_samples: usize,
    frame_energy: f64,
    frame_filled: usize,
    samples: u64,
    energy: f64,
    peak: f32,
    /// Per quarter decibel of frame power: number of frames and sum of their powers.
    histogram: Vec<(u64, f64)>,
}

impl LevelMeter {
    /// A meter for samples at `rate_hz`.
    pub fn new(rate_hz: u32) -> LevelMeter {
        LevelMeter {
            frame_samples: (rate_hz as usize * FRAME_MS / 1000).max(1),
            frame_energy: 0.0,
            frame_filled: 0,
            samples: 0,
            energy: 0.0,
            peak: 0.0,
            histogram: vec![(0, 0.0); BINS],
        }
    }

    /// Adds samples.
    pub fn push(&mut self, samples: &[f32]) {
        for &sample in samples {
            let power = f64::from(sample) * f64::from(sample);
            self.energy += power;
            self.peak = self.peak.max(sample.abs());
            self.frame_energy += power;
            self.frame_filled += 1;
            if self.frame_filled == self.frame_samples {
                let power = self.frame_energy / self.frame_samples as f64;
                let bin = ((floored_db(power) - FLOOR_DB) * BINS_PER_DB) as usize;
                let (frames, sum) = &mut self.histogram[bin.min(BINS - 1)];
                *frames += 1;
                *sum += power;
                (self.frame_energy, self.frame_filled) = (0.0, 0);
            }
        }
        self.samples += samples.len() as u64;
    }

    /// Takes over what another meter saw, as if it had been pushed here: the channels of a file.
    pub fn merge(&mut self, other: &LevelMeter) {
        self.samples += other.samples;
        self.energy += other.energy;
        self.peak = self.peak.max(other.peak);
        for (mine, theirs) in self.histogram.iter_mut().zip(&other.histogram) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
    }

    /// As [`rms_db`].
    pub fn rms_db(&self) -> f64 {
        floored_db(self.energy / self.samples.max(1) as f64)
    }

    /// As [`peak_db`].
    pub fn peak_db(&self) -> f64 {
        floored_db(f64::from(self.peak).powi(2))
    }

    /// As [`active_speech_db`].
    pub fn active_speech_db(&self) -> f64 {
        floored_db(self.active_power())
    }

    /// Level of the quietest tenth of the frames, in dBFS.
    pub fn noise_db(&self) -> f64 {
        floored_db(self.noise_power())
    }

    /// The level that `share` of the frames stay below, in dBFS.
    pub fn percentile_db(&self, share: f64) -> f64 {
        let total: u64 = self.histogram.iter().map(|bin| bin.0).sum();
        let mut below = 0;
        let reached = self.histogram.iter().position(|bin| {
            below += bin.0;
            below as f64 > share * total as f64
        });
        FLOOR_DB + reached.unwrap_or(0) as f64 / BINS_PER_DB
    }

    /// Share of the frames below `level_dbfs`.
    pub fn share_below(&self, level_dbfs: f64) -> f64 {
        let total: u64 = self.histogram.iter().map(|bin| bin.0).sum();
        let bins = ((level_dbfs - FLOOR_DB) * BINS_PER_DB).clamp(0.0, BINS as f64) as usize;
        let below: u64 = self.histogram[..bins].iter().map(|bin| bin.0).sum();
        below as f64 / total.max(1) as f64
    }

    /// Blind estimate of the ratio of speech to noise, in dB, from −20 to 100: the power of the
    /// active time without the noise, over that of the noise. Noise that pauses when the speech
    /// does escapes it.
    pub fn snr_estimate_db(&self) -> f64 {
        let noise = self.noise_power().max(10f64.powf(FLOOR_DB / 10.0));
        power_to_db((self.active_power() - noise).max(0.0) / noise).clamp(-20.0, 100.0)
    }

    fn active_power(&self) -> f64 {
        let (mut frames, mut sum) = (0u64, 0.0);
        let mut best = 0.0;
        // From the loudest down: the active set grows until its threshold lies the margin below.
        for (bin, &(bin_frames, bin_sum)) in self.histogram.iter().enumerate().rev() {
            frames += bin_frames;
            sum += bin_sum;
            let threshold_db = FLOOR_DB + bin as f64 / BINS_PER_DB;
            if frames > 0 {
                best = sum / frames as f64;
                if power_to_db(best) - threshold_db >= P56_MARGIN_DB {
                    break;
                }
            }
        }
        best
    }

    fn noise_power(&self) -> f64 {
        let total: u64 = self.histogram.iter().map(|bin| bin.0).sum();
        let wanted = ((total as f64 * QUIET_SHARE).ceil() as u64).max(1);
        let (mut frames, mut sum) = (0u64, 0.0);
        for &(bin_frames, bin_sum) in &self.histogram {
            frames += bin_frames;
            sum += bin_sum;
            if frames >= wanted {
                break;
            }
        }
        sum / frames.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 48_000;

    fn sine(amplitude: f32, seconds: f32) -> Vec<f32> {
        (0..(seconds * RATE_HZ as f32) as usize)
            .map(|n| {
                amplitude * (2.0 * std::f32::consts::PI * 1000.0 * n as f32 / RATE_HZ as f32).sin()
            })
            .collect()
    }

    #[test]
    fn sine_has_its_textbook_levels() {
        let sine = sine(0.5, 1.0);
        assert!((rms_db(&sine) - -9.03).abs() < 0.01);
        assert!((peak_db(&sine) - -6.02).abs() < 0.01);
        assert!((active_speech_db(&sine, RATE_HZ) - -9.03).abs() < 0.01);
    }

    #[test]
    fn silence_and_nothing_are_at_the_floor() {
        for samples in [vec![], vec![0.0; 5000]] {
            assert_eq!(rms_db(&samples), FLOOR_DB);
            assert_eq!(peak_db(&samples), FLOOR_DB);
            assert_eq!(active_speech_db(&samples, RATE_HZ), FLOOR_DB);
        }
    }

    #[test]
    fn pauses_do_not_lower_the_active_level() {
        let mut samples = sine(0.5, 1.0);
        samples.extend(sine(0.0005, 3.0));
        assert!((rms_db(&samples) - -15.05).abs() < 0.01);
        assert!((active_speech_db(&samples, RATE_HZ) - -9.03).abs() < 0.05);
    }

    #[test]
    fn snr_of_speech_with_pauses_in_noise() {
        let mut samples = sine(0.5, 2.0);
        samples.extend(sine(0.05, 2.0));
        let mut meter = LevelMeter::new(RATE_HZ);
        samples.chunks(1234).for_each(|chunk| meter.push(chunk));
        assert!(
            (meter.noise_db() - -29.03).abs() < 0.05,
            "{}",
            meter.noise_db()
        );
        // The active level holds speech and noise, here the same tone: 100 − 1 times the power.
        assert!(
            (meter.snr_estimate_db() - 19.96).abs() < 0.1,
            "{}",
            meter.snr_estimate_db()
        );
    }

    #[test]
    fn percentiles_and_shares_of_a_tone_with_pauses() {
        let mut meter = LevelMeter::new(RATE_HZ);
        meter.push(&[sine(0.5, 3.0), sine(0.005, 1.0)].concat());
        assert!((meter.percentile_db(0.05) - -49.03).abs() < 0.3);
        assert!((meter.percentile_db(0.5) - -9.03).abs() < 0.3);
        assert_eq!(meter.share_below(-30.0), 0.25);
        assert_eq!(LevelMeter::new(RATE_HZ).percentile_db(0.5), FLOOR_DB);
    }

    #[test]
    fn merged_channels_count_like_one_longer_channel() {
        let (loud, quiet) = (sine(0.5, 1.0), sine(0.05, 1.0));
        let mut left = LevelMeter::new(RATE_HZ);
        left.push(&loud);
        let mut right = LevelMeter::new(RATE_HZ);
        right.push(&quiet);
        left.merge(&right);
        assert!((left.rms_db() - rms_db(&[loud, quiet].concat())).abs() < 1e-6);
    }
}
