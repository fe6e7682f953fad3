//! The network on single frames, as a stream has them: plain slices instead of tensors.
//!
//! A frame's arithmetic takes a tenth of a millisecond; a few hundred tensor operations on a frame take several
//! times that. So every layer has a counterpart here that is made from it, holds what it remembers of the frames
//! before, and gives the same numbers. A clone shares the weights and remembers on its own.

mod arithmetic;
mod autoencoder;
mod band_conv;
mod bands;
mod conv;
mod features;
mod filter;
mod network;
mod patterns;
mod recurrence;
mod scene;
mod stft;

pub use autoencoder::FrameAutoencoder;
pub use band_conv::FrameBandConv;
pub use bands::FrameBands;
pub use conv::FrameConv;
pub use network::FrameNetwork;
pub use patterns::FramePatterns;
pub use recurrence::FrameRecurrence;
pub use scene::FrameScene;
pub use stft::FrameStft;
