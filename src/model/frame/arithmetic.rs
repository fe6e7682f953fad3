//! Functions of whole slices, for whatever vector instructions the processor has.

use multiversion::multiversion;

/// 1 / (1 + e^−x) of each value.
#[multiversion(targets("x86_64+avx2+fma"))]
pub fn sigmoid(values: &mut [f32]) {
    for value in values {
        *value = 1.0 / (1.0 + exp(-*value));
    }
}

/// e^x to 1e-6 of its value, within the range where a sigmoid differs from 0 and 1: vectorises, unlike `f32::exp`.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2²³ rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let y = x.clamp(-80.0, 80.0) * std::f32::consts::LOG2_E;
    let shifted = y + ROUND;
    let whole = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let z = (y - (shifted - ROUND)) * std::f32::consts::LN_2;
    let series = z / 5.0 * (1.0 + z / 6.0);
    let fraction = 1.0 + z * (1.0 + z / 2.0 * (1.0 + z / 3.0 * (1.0 + z / 4.0 * (1.0 + series))));
    fraction * f32::from_bits(((whole + 127) << 23) as u32)
}

/// Negative values become 0.
pub fn relu(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value = value.max(0.0));
}

/// Adds `other` to `sum`.
pub fn add(sum: &mut [f32], other: &[f32]) {
    sum.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
}

#[cfg(test)]
mod tests {
    #[test]
    fn sigmoids_are_accurate() {
        let x: Vec<f32> = (-2000..2000).map(|n| n as f32 * 0.05).collect();
        let mut found = x.clone();
        super::sigmoid(&mut found);
        for (x, found) in x.iter().zip(found) {
            let expected = 1.0 / (1.0 + (-f64::from(*x)).exp());
            assert!((f64::from(found) - expected).abs() < 1e-6, "{x}: {found}");
        }
    }
}
