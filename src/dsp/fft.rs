//! Real FFTs whose plans are made once per thread and length.

use std::cell::RefCell;
use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

thread_local! {
    static PLANNER: RefCell<RealFftPlanner<f32>> = RefCell::new(RealFftPlanner::new());
}

pub fn forward(len: usize) -> Arc<dyn RealToComplex<f32>> {
    PLANNER.with_borrow_mut(|planner| planner.plan_fft_forward(len))
}

pub fn inverse(len: usize) -> Arc<dyn ComplexToReal<f32>> {
    PLANNER.with_borrow_mut(|planner| planner.plan_fft_inverse(len))
}

/// The next even length from `len` up that has no prime factor above 3: fast, and rarely 12 % longer.
pub fn fast_len(len: usize) -> usize {
    let mut best = len.next_power_of_two().max(2);
    let mut odd = 3;
    while odd < best {
        let candidate = odd * len.div_ceil(odd).next_power_of_two().max(2);
        best = best.min(candidate);
        odd *= 3;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_lengths_are_even_long_enough_and_close() {
        for len in [1, 2, 3, 5, 100, 1023, 240_000, 288_001, 384_000] {
            let fast = fast_len(len);
            assert!(fast >= len && fast.is_multiple_of(2), "{len} -> {fast}");
            assert!(
                len < 100 || fast as f64 <= 1.15 * len as f64,
                "{len} -> {fast}"
            );
        }
    }
}
