//! What the network computes in while training.

use serde::{Deserialize, Serialize};
use tch::Kind;

/// Number format of the network's activations while training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    Float32,
    /// About twice as fast where the processor or GPU multiplies bfloat16 itself.
    Bfloat16,
    /// Bfloat16 where this processor multiplies it itself.
    Auto,
}

impl Precision {
    pub fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 => Kind::BFloat16,
            Self::Auto if multiplies_bfloat16() => Kind::BFloat16,
            Self::Auto => Kind::Float,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn multiplies_bfloat16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn multiplies_bfloat16() -> bool {
    false
}
