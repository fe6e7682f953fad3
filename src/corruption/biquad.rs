//! Second-order filters after R. Bristow-Johnson's "Audio EQ Cookbook", run as a cascade.

use std::f32::consts::TAU;

use super::RATE_HZ;

/// Coefficients of one section, normalised so that a0 = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
}

impl Biquad {
    /// A peak (or dip) of `gain_db` at `hz`.
    pub fn peak(hz: f32, q: f32, gain_db: f32) -> Self {
        let (cos, alpha, a) = design(hz, q, gain_db);
        Self::normalised(
            [1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a],
            [1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a],
        )
    }

    /// Raises (or lowers) everything below `hz` by `gain_db`.
    pub fn low_shelf(hz: f32, q: f32, gain_db: f32) -> Self {
        let (cos, alpha, a) = design(hz, q, gain_db);
        let beta = 2.0 * a.sqrt() * alpha;
        Self::normalised(
            [
                a * ((a + 1.0) - (a - 1.0) * cos + beta),
                2.0 * a * ((a - 1.0) - (a + 1.0) * cos),
                a * ((a + 1.0) - (a - 1.0) * cos - beta),
            ],
            [
                (a + 1.0) + (a - 1.0) * cos + beta,
                -2.0 * ((a - 1.0) + (a + 1.0) * cos),
                (a + 1.0) + (a - 1.0) * cos - beta,
            ],
        )
    }

    /// Raises (or lowers) everything above `hz` by `gain_db`.
    pub fn high_shelf(hz: f32, q: f32, gain_db: f32) -> Self {
        let (cos, alpha, a) = design(hz, q, gain_db);
        let beta = 2.0 * a.sqrt() * alpha;
        Self::normalised(
            [
                a * ((a + 1.0) + (a - 1.0) * cos + beta),
                -2.0 * a * ((a - 1.0) + (a + 1.0) * cos),
                a * ((a + 1.0) + (a - 1.0) * cos - beta),
            ],
            [
                (a + 1.0) - (a - 1.0) * cos + beta,
                2.0 * ((a - 1.0) - (a + 1.0) * cos),
                (a + 1.0) - (a - 1.0) * cos - beta,
            ],
        )
    }

    /// Cuts below `hz`, 12 dB per octave.
    pub fn high_pass(hz: f32, q: f32) -> Self {
        let (cos, alpha, _) = design(hz, q, 0.0);
        let edge = (1.0 + cos) / 2.0;
        Self::normalised(
            [edge, -2.0 * edge, edge],
            [1.0 + alpha, -2.0 * cos, 1.0 - alpha],
        )
    }

    /// Cuts above `hz`, 12 dB per octave.
    pub fn low_pass(hz: f32, q: f32) -> Self {
        let (cos, alpha, _) = design(hz, q, 0.0);
        let edge = (1.0 - cos) / 2.0;
        Self::normalised(
            [edge, 2.0 * edge, edge],
            [1.0 + alpha, -2.0 * cos, 1.0 - alpha],
        )
    }

    /// Passes the surroundings of `hz` with unit gain there.
    pub fn band_pass(hz: f32, q: f32) -> Self {
        let (cos, alpha, _) = design(hz, q, 0.0);
        Self::normalised([alpha, 0.0, -alpha], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    fn normalised(b: [f32; 3], a: [f32; 3]) -> Self {
        Self {
            b: b.map(|b| b / a[0]),
            a: [a[1] / a[0], a[2] / a[0]],
        }
    }
}

/// cos ω₀, α and A of the cookbook; the frequency is kept where the formulas are stable.
fn design(hz: f32, q: f32, gain_db: f32) -> (f32, f32, f32) {
    let omega = TAU * hz.clamp(1.0, 0.49 * RATE_HZ) / RATE_HZ;
    (
        omega.cos(),
        omega.sin() / (2.0 * q),
        10f32.powf(gain_db / 40.0),
    )
}

/// Sections in series, with their state.
#[derive(Clone, Debug)]
pub struct Cascade {
    sections: Vec<(Biquad, [f32; 2])>,
}

impl Cascade {
    /// The sections in the order given, at rest.
    pub fn new(sections: impl IntoIterator<Item = Biquad>) -> Self {
        Self {
            sections: sections
                .into_iter()
                .map(|section| (section, [0.0; 2]))
                .collect(),
        }
    }

    /// Filters in place; the state carries over to the next call.
    pub fn process(&mut self, samples: &mut [f32]) {
        // All sections per sample, not all samples per section: the chains of additions overlap.
        match self.sections.as_mut_slice() {
            [a] => fused([a], samples),
            [a, b] => fused([a, b], samples),
            [a, b, c] => fused([a, b, c], samples),
            [a, b, c, d] => fused([a, b, c, d], samples),
            more => more
                .iter_mut()
                .for_each(|section| fused([section], samples)),
        }
    }
}

/// Transposed direct form II.
fn fused<const N: usize>(sections: [&mut (Biquad, [f32; 2]); N], samples: &mut [f32]) {
    let mut local = sections.each_ref().map(|section| **section);
    for sample in samples {
        let mut x = *sample;
        for (Biquad { b, a }, state) in &mut local {
            let y = b[0] * x + state[0];
            state[0] = b[1] * x - a[0] * y + state[1];
            state[1] = b[2] * x - a[1] * y;
            x = y;
        }
        *sample = x;
    }
    for (section, local) in sections.into_iter().zip(local) {
        // Decaying state must not end in denormals, which are slow.
        section.1 = local
            .1
            .map(|state| if state.abs() < 1e-20 { 0.0 } else { state });
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_1_SQRT_2;

    use super::*;

    fn gain_db_at(biquads: &[Biquad], hz: f32) -> f32 {
        let mut tone: Vec<f32> = (0..48_000)
            .map(|n| (TAU * ((hz * n as f32) % RATE_HZ) / RATE_HZ).sin())
            .collect();
        Cascade::new(biquads.iter().copied()).process(&mut tone);
        let power: f32 = tone[24_000..].iter().map(|x| x * x).sum::<f32>() / 24_000.0;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn gains_are_where_the_cookbook_puts_them() {
        let near =
            |actual: f32, wanted: f32| assert!((actual - wanted).abs() < 0.1, "{actual} {wanted}");
        near(gain_db_at(&[Biquad::peak(1000.0, 1.0, 6.0)], 1000.0), 6.0);
        near(gain_db_at(&[Biquad::peak(1000.0, 1.0, 6.0)], 50.0), 0.0);
        near(
            gain_db_at(&[Biquad::low_shelf(500.0, 0.7, -9.0)], 30.0),
            -9.0,
        );
        near(
            gain_db_at(&[Biquad::low_shelf(500.0, 0.7, -9.0)], 10_000.0),
            0.0,
        );
        near(
            gain_db_at(&[Biquad::high_shelf(3000.0, 0.7, 9.0)], 20_000.0),
            9.0,
        );
        near(
            gain_db_at(&[Biquad::high_shelf(3000.0, 0.7, 9.0)], 100.0),
            0.0,
        );
        near(
            gain_db_at(&[Biquad::low_pass(2000.0, FRAC_1_SQRT_2)], 2000.0),
            -3.01,
        );
        near(
            gain_db_at(&[Biquad::high_pass(2000.0, FRAC_1_SQRT_2)], 2000.0),
            -3.01,
        );
        near(gain_db_at(&[Biquad::band_pass(2000.0, 2.0)], 2000.0), 0.0);
        near(
            gain_db_at(&[Biquad::peak(1000.0, 1.0, 6.0); 5], 1000.0),
            30.0,
        );
    }
}
