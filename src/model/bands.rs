//! Bands on the ERB-rate scale: how 481 STFT bins become 96 features, and 96 gains a curve over all bins.
//!
//! Band centres follow the equivalent rectangular bandwidth of hearing (Glasberg and Moore, 1990),
//! never closer than one bin. Between two centres the weights are linear and add up to one, so the
//! same matrix averages power into bands and interpolates gains back to bins.

use tch::{Device, Tensor};

/// Interpolation weights `[bands, bins]`: each column adds up to one.
pub fn interpolation(bands: i64, bins: i64, bin_hz: f64, device: Device) -> Tensor {
    let centres = centre_bins(bands, bins, bin_hz);
    let (bands, bins) = (bands as usize, bins as usize);
    let mut weights = vec![0f32; bands * bins];
    for (band, pair) in centres.windows(2).enumerate() {
        for bin in pair[0]..=pair[1] {
            let position = (bin - pair[0]) as f32 / (pair[1] - pair[0]) as f32;
            weights[band * bins + bin] = 1.0 - position;
            weights[(band + 1) * bins + bin] = position;
        }
    }
    Tensor::from_slice(&weights)
        .view([bands as i64, bins as i64])
        .to_device(device)
}

/// Averaging weights `[bins, bands]`: each band is a weighted mean of its bins' power.
pub fn averaging(interpolation: &Tensor) -> Tensor {
    let sums = interpolation.sum_dim_intlist(1, true, tch::Kind::Float);
    (interpolation / sums).transpose(0, 1).contiguous()
}

/// Increasing bin numbers, the first 0 and the last `bins - 1`.
fn centre_bins(bands: i64, bins: i64, bin_hz: f64) -> Vec<usize> {
    let erb_rate = |hz: f64| 21.4 * (1.0 + 0.00437 * hz).log10();
    let hz = |erb_rate: f64| (10f64.powf(erb_rate / 21.4) - 1.0) / 0.00437;
    let top = erb_rate((bins - 1) as f64 * bin_hz);
    let mut centres: Vec<usize> = Vec::with_capacity(bands as usize);
    for band in 0..bands {
        let ideal = (hz(top * band as f64 / (bands - 1) as f64) / bin_hz).round() as usize;
        let lowest = centres.last().map_or(0, |last| last + 1);
        // Leave a bin for each band still to come.
        let highest = (bins - (bands - band)) as usize;
        centres.push(ideal.max(lowest).min(highest));
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centres_are_one_bin_apart_at_the_bottom_and_reach_nyquist() {
        let centres = centre_bins(96, 481, 50.0);
        assert_eq!(centres[0], 0);
        assert_eq!(centres[95], 480);
        assert!(centres.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(centres[..20], (0..20).collect::<Vec<_>>());
        assert!(centres[95] - centres[94] > 10);
    }

    #[test]
    fn constant_gains_stay_constant_and_flat_power_stays_flat() {
        let up = interpolation(96, 481, 50.0, Device::Cpu);
        let gains = Tensor::ones([1, 96], (tch::Kind::Float, Device::Cpu)).matmul(&up);
        let flat = Tensor::ones([1, 481], (tch::Kind::Float, Device::Cpu)).matmul(&averaging(&up));
        assert!(f64::try_from((gains - 1.0).abs().max()).unwrap() < 1e-6);
        assert!(f64::try_from((flat - 1.0).abs().max()).unwrap() < 1e-5);
    }
}
