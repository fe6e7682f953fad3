//! Seeing that training has gone wrong: losses that are not numbers, gradients that explode.
//!
//! A single broken batch is harmless: the optimiser clips large gradients and passes over those that
//! are not finite. Several in a row mean that the weights themselves are broken.

/// Broken updates in a row that mean divergence.
const IN_A_ROW: u32 = 5;
/// A gradient this many times the usual one counts as broken.
const EXPLOSION: f64 = 100.0;
/// Weight of the newest gradient in what is usual.
const RENEWAL: f64 = 0.02;
/// Updates until it is known what is usual.
const ACQUAINTANCE: u32 = 50;

/// Watches losses and gradient norms, update by update.
#[derive(Debug, Default)]
pub struct Watch {
    /// Moving average of the logarithm of the norm.
    usual: f64,
    seen: u32,
    broken: u32,
}

impl Watch {
    /// Whether the weights must be taken back, now that an update had this loss and gradient norm.
    pub fn diverged(&mut self, loss: f64, norm: f64) -> bool {
        let exploded = self.seen >= ACQUAINTANCE && norm.ln() > self.usual + EXPLOSION.ln();
        if loss.is_finite() && norm.is_finite() && !exploded {
            let newest = norm.max(f64::MIN_POSITIVE).ln();
            self.seen = self.seen.saturating_add(1);
            // The plain mean at first.
            self.usual += (newest - self.usual) * RENEWAL.max(1.0 / f64::from(self.seen));
            self.broken = 0;
        } else {
            self.broken += 1;
        }
        self.broken >= IN_A_ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(norms: impl IntoIterator<Item = f64>) -> bool {
        let mut watch = Watch::default();
        norms.into_iter().any(|norm| watch.diverged(0.1, norm))
    }

    #[test]
    fn numbers_that_are_none_and_explosions_are_seen_if_they_last() {
        let usual = || (0..100).map(|n| 1.0 + f64::from(n % 7));
        assert!(!judge(usual()));
        assert!(!judge(usual().chain([f64::NAN; 4]).chain(usual())));
        assert!(judge(usual().chain([f64::NAN; 5])));
        assert!(judge(usual().chain([1e4; 5])));
        assert!(!judge(usual().chain([50.0; 200])));
        let mut watch = Watch::default();
        assert!((0..5).any(|_| watch.diverged(f64::INFINITY, 1.0)));
    }
}
