//! Bands on the ERB-rate scale: how the STFT bins become features, and gains of the bands a curve over all bins.
//!
//! Band centres follow the equivalent rectangular bandwidth of hearing (Glasberg and Moore, 1990),
//! never closer than one bin. Between two centres the weights are linear and add up to one, so the
//! same weights average power into bands and interpolate gains back to bins. On clips both are matrix
//! products; on one frame of a stream, where reading the matrix would cost more than anything else,
//! only the two bands of each bin are looked at.

use tch::{Device, Kind, Tensor};

use super::slices::values;

/// Weights between bins and bands.
#[derive(Debug)]
pub struct Bands {
    /// `[bands, bins]`: each column adds up to one.
    interpolation: Tensor,
    /// `[bins, bands]`: each column adds up to one.
    averaging: Tensor,
    /// For each bin the band below it, and the weight of the band above.
    places: Vec<(usize, f32)>,
    /// For each band one over the sum of its weights.
    shares: Vec<f32>,
}

impl Bands {
    /// `bands` bands over `bins` bins, `bin_hz` apart from 0 Hz on.
    pub fn new(bands: i64, bins: i64, bin_hz: f64, device: Device) -> Self {
        let centres = centre_bins(bands, bins, bin_hz);
        let (band_count, bin_count) = (bands as usize, bins as usize);
        let mut places = vec![(0, 0.0); bin_count];
        for (band, pair) in centres.windows(2).enumerate() {
            let width = (pair[1] - pair[0]) as f32;
            for (offset, place) in places[pair[0]..=pair[1]].iter_mut().enumerate() {
                *place = (band, offset as f32 / width);
            }
        }
        let mut weights = vec![0f32; band_count * bin_count];
        let mut sums = vec![0f32; band_count];
        for (bin, &(band, above)) in places.iter().enumerate() {
            for (band, weight) in [(band, 1.0 - above), (band + 1, above)] {
                weights[band * bin_count + bin] = weight;
                sums[band] += weight;
            }
        }
        let shares: Vec<f32> = sums.iter().map(|sum| 1.0 / sum).collect();
        let interpolation = Tensor::from_slice(&weights)
            .view([bands, bins])
            .to_device(device);
        let averaging = (&interpolation
            * Tensor::from_slice(&shares).to_device(device).view([-1, 1]))
        .transpose(0, 1)
        .contiguous();
        Self {
            interpolation,
            averaging,
            places,
            shares,
        }
    }

    /// Weighted means of the power `[…, bins]` in each band: `[…, bands]`.
    pub fn average(&self, power: &Tensor) -> Tensor {
        if !self.is_one_frame(power, self.places.len()) {
            return power.matmul(&self.averaging);
        }
        let mut sums = vec![0f32; self.shares.len()];
        for (&power, &(band, above)) in values(power).iter().zip(&self.places) {
            sums[band] += power * (1.0 - above);
            sums[band + 1] += power * above;
        }
        for (sum, share) in sums.iter_mut().zip(&self.shares) {
            *sum *= share;
        }
        reshaped(&sums, power)
    }

    /// The curve over the lowest `bins` bins `[…, bins]` through the `levels` `[…, bands]`.
    pub fn interpolate(&self, levels: &Tensor, bins: i64) -> Tensor {
        if !self.is_one_frame(levels, self.shares.len()) {
            return levels.matmul(&self.interpolation.narrow(1, 0, bins));
        }
        let bands = values(levels);
        let curve: Vec<f32> = self.places[..bins as usize]
            .iter()
            .map(|&(band, above)| bands[band] * (1.0 - above) + bands[band + 1] * above)
            .collect();
        reshaped(&curve, levels)
    }

    fn is_one_frame(&self, tensor: &Tensor, length: usize) -> bool {
        tensor.numel() == length
            && tensor.device() == Device::Cpu
            && tensor.kind() == Kind::Float
            && tensor.is_contiguous()
            && !tensor.requires_grad()
    }
}

/// One frame in the shape of another.
fn reshaped(frame: &[f32], like: &Tensor) -> Tensor {
    let mut shape = like.size();
    shape.pop();
    shape.push(frame.len() as i64);
    Tensor::from_slice(frame).view(&shape[..])
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
    fn constant_gains_stay_constant_and_flat_power_stays_flat_on_frames_and_clips() {
        let bands = Bands::new(96, 481, 50.0, Device::Cpu);
        for frames in [1, 3] {
            let ones = |width: i64| Tensor::ones([frames, width], (Kind::Float, Device::Cpu));
            let (curve, means) = (bands.interpolate(&ones(96), 481), bands.average(&ones(481)));
            assert_eq!(
                (curve.size(), means.size()),
                (vec![frames, 481], vec![frames, 96])
            );
            for result in [curve, means] {
                assert!(f64::try_from((result - 1.0).abs().max()).unwrap() < 1e-5);
            }
        }
    }

    #[test]
    fn one_frame_gets_what_it_gets_in_a_clip() {
        let bands = Bands::new(96, 481, 50.0, Device::Cpu);
        let random = |width: i64| Tensor::rand([2, width], (Kind::Float, Device::Cpu));
        let (levels, power) = (random(96), random(481));
        let one = |t: &Tensor| t.narrow(0, 1, 1).copy();
        let pairs = [
            (
                bands.interpolate(&levels, 200),
                bands.interpolate(&one(&levels), 200),
            ),
            (bands.average(&power), bands.average(&one(&power))),
        ];
        for (clip, frame) in pairs {
            let difference = (clip.narrow(0, 1, 1) - frame).abs().max();
            assert!(f64::try_from(difference).unwrap() < 1e-5);
        }
    }
}
