//! Functions of whole slices, for whatever vector instructions the processor has.

use multiversion::multiversion;

use crate::dsp::exp2;

/// 1 / (1 + e^−x) of each value.
#[multiversion(targets("x86_64+avx2+fma"))]
pub fn sigmoid(values: &mut [f32]) {
    for value in values {
        // Beyond these limits it is 0 or 1.
        let exponent = -value.clamp(-80.0, 80.0) * std::f32::consts::LOG2_E;
        *value = 1.0 / (1.0 + exp2(exponent));
    }
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
