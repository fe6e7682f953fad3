//! Bands on the ERB-rate scale: how the STFT bins become features, and gains of the bands a curve over all bins.
//!
//! Band centres follow the equivalent rectangular bandwidth of hearing (Glasberg and Moore, 1990),
//! never closer than one bin. Between two centres the weights are linear and add up to one, so the
//! same weights average power into bands and interpolate gains back to bins. On clips both are matrix
//! products; on single frames ([`FrameBands`]) only the two bands of each bin are looked at.

use tch::{Device, Tensor};

use super::frame::FrameBands;

/// Weights between bins and bands.
#[derive(Debug)]
pub struct Bands {
    /// `[bands, bins]`: each column adds up to one.
    interpolation: Tensor,
    /// `[bins, bands]`: each column adds up to one.
    averaging: Tensor,
}

impl Bands {
    /// `bands` bands over `bins` bins, `bin_hz` apart from 0 Hz on.
    pub fn new(bands: i64, bins: i64, bin_hz: f64, device: Device) -> Self {
        let frames = Self::frames(bands, bins, bin_hz);
        let (entries, shares) = frames.weights();
        let mut weights = vec![0f32; (bands * bins) as usize];
        for (bin, band, weight) in entries {
            weights[band * bins as usize + bin] = weight;
        }
        let interpolation = Tensor::from_slice(&weights)
            .view([bands, bins])
            .to_device(device);
        let averaging = (&interpolation
            * Tensor::from_slice(shares).to_device(device).view([-1, 1]))
        .transpose(0, 1)
        .contiguous();
        Self {
            interpolation,
            averaging,
        }
    }

    /// The same bands on single frames.
    pub fn frames(bands: i64, bins: i64, bin_hz: f64) -> FrameBands {
        FrameBands::new(&centre_bins(bands, bins, bin_hz))
    }

    /// Weighted means of the power `[…, bins]` in each band: `[…, bands]`.
    pub fn average(&self, power: &Tensor) -> Tensor {
        power.matmul(&self.averaging)
    }

    /// The curve over the lowest `bins` bins `[…, bins]` through the `levels` `[…, bands]`.
    pub fn interpolate(&self, levels: &Tensor, bins: i64) -> Tensor {
        levels.matmul(&self.interpolation.narrow(1, 0, bins))
    }
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
    use tch::Kind;

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
        let bands = Bands::new(96, 481, 50.0, Device::Cpu);
        let ones = |width: i64| Tensor::ones([3, width], (Kind::Float, Device::Cpu));
        let (curve, means) = (bands.interpolate(&ones(96), 481), bands.average(&ones(481)));
        assert_eq!((curve.size(), means.size()), (vec![3, 481], vec![3, 96]));
        for result in [curve, means] {
            assert!(f64::try_from((result - 1.0).abs().max()).unwrap() < 1e-5);
        }
    }
}
