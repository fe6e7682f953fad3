//! Signal measures that depend on nothing else: levels, SI-SDR, spectrograms and delays.

pub mod alignment;
pub mod chirp;
mod exp2;
pub mod fft;
pub mod level;
pub mod si_sdr;
pub mod spectrogram;

pub use exp2::exp2;

/// 10 log10 of a power ratio; −∞ for silence.
pub fn power_to_db(power: f64) -> f64 {
    10.0 * power.log10()
}
