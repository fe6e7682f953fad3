//! Signals for tests that other programs can make again to the bit: see `scripts/eval/check_metrics.py`.

use std::f64::consts::PI;

/// The linear congruential generator of "Numerical Recipes": even values from −1 to 1.
pub struct Lcg(u32);

impl Lcg {
    pub fn new(seed: u32) -> Lcg {
        Lcg(seed)
    }

    pub fn draw(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(self.0) / 2f64.powi(31) - 1.0) as f32
    }
}

/// Three seconds of a gliding, swelling harmonic tone with pauses.
pub fn speech_like(rate_hz: u32) -> Vec<f32> {
    (0..3 * rate_hz)
        .map(|n| {
            let t = f64::from(n) / f64::from(rate_hz);
            let phase = 2.0 * PI * (140.0 * t - 8.0 * (2.0 * PI * 0.7 * t).cos());
            let envelope = (2.0 * PI * 2.3 * t).sin().max(0.0).powi(2);
            let voice: f64 = (1..24)
                .map(|k| {
                    let k = f64::from(k);
                    (k * phase).sin() * (1.0 + (2.0 * PI * (0.4 * k + 1.3 * t)).sin()) / k
                })
                .sum();
            (0.1 * envelope * voice) as f32
        })
        .collect()
}

/// The signal with noise of this peak.
pub fn noisy(signal: &[f32], noise_gain: f32) -> Vec<f32> {
    let mut rng = Lcg::new(1);
    signal
        .iter()
        .map(|sample| sample + noise_gain * rng.draw())
        .collect()
}
