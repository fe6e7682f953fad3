//! [`Bands`](super::super::bands::Bands) on single frames: each bin lies between two bands.

/// Weights between bins and bands.
#[derive(Debug)]
pub struct FrameBands {
    /// For each bin the band below it, and the weight of the band above.
    places: Vec<(usize, f32)>,
    /// Where the bins of each band but the last begin, and where all end.
    edges: Vec<usize>,
    /// For each band one over the sum of its weights.
    shares: Vec<f32>,
}

impl FrameBands {
    /// Bands around increasing `centres`, given as bin numbers from 0 to the last bin.
    pub fn new(centres: &[usize]) -> Self {
        let bins = centres.last().map_or(0, |last| last + 1);
        let mut places = vec![(0, 0.0); bins];
        for (band, pair) in centres.windows(2).enumerate() {
            let width = (pair[1] - pair[0]) as f32;
            for (offset, place) in places[pair[0]..=pair[1]].iter_mut().enumerate() {
                *place = (band, offset as f32 / width);
            }
        }
        let mut sums = vec![0f32; centres.len()];
        for &(band, above) in &places {
            sums[band] += 1.0 - above;
            sums[band + 1] += above;
        }
        let shares = sums.iter().map(|sum| 1.0 / sum).collect();
        let mut edges = centres.to_vec();
        if let Some(end) = edges.last_mut() {
            *end += 1;
        }
        Self {
            places,
            edges,
            shares,
        }
    }

    /// How much of each bin belongs to each band, as `(bin, band, weight)`, and one over the sum of each band's weights.
    pub fn weights(&self) -> (impl Iterator<Item = (usize, usize, f32)>, &[f32]) {
        let places = self.places.iter().enumerate();
        let weights = places
            .flat_map(|(bin, &(band, above))| [(bin, band, 1.0 - above), (bin, band + 1, above)]);
        (weights, &self.shares)
    }

    /// Weighted means of the power of all bins in each band.
    pub fn average(&self, power: &[f32]) -> Vec<f32> {
        let mut means = vec![0f32; self.shares.len()];
        for (band, edges) in self.edges.windows(2).enumerate() {
            let bins = edges[0]..edges[1];
            let [mut lower, mut upper] = [0.0; 2];
            for (power, (_, above)) in power[bins.clone()].iter().zip(&self.places[bins]) {
                lower += power * (1.0 - above);
                upper += power * above;
            }
            means[band] += lower;
            means[band + 1] += upper;
        }
        for (mean, share) in means.iter_mut().zip(&self.shares) {
            *mean *= share;
        }
        means
    }

    /// The curve through the `levels` of the bands, bin by bin.
    pub fn interpolate(&self, levels: &[f32]) -> impl Iterator<Item = f32> {
        self.places
            .iter()
            .map(|&(band, above)| levels[band] * (1.0 - above) + levels[band + 1] * above)
    }
}
