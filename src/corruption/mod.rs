//! The corruption process: what turns clean speech x into the noisy input of the autoencoder.
//!
//! A [`Recipe`] holds the probabilities and ranges of every stage; [`Recipe::corrupt`] draws from
//! them and passes a clip through the stages in this order, which is the order of a real recording:
//!
//! 1. [`equaliser`]: the microphone's colour, on the speech and so on its target too
//!    (colour is not noise, the model must not learn to undo it);
//! 2. [`band_limit`]: a low-pass on speech, target and noise alike, so that the model neither
//!    extends bands nor cuts them;
//! 3. [`room`]: reverberation; the target keeps the direct sound and the early reflections;
//! 4. [`level`]: the level of the active speech, the same for the target;
//! 5. [`noise`]: a mixture of [`file`](file_noise), [`coloured`], [`hum`], [`fan`], [`babble`],
//!    [`clicks`], [`struck`] things and [`calls`] at a drawn signal-to-noise ratio;
//! 6. what only the noisy side suffers: [`rumble`] and offset, [`clipping`], [`quantisation`],
//!    [`packet_loss`];
//! 7. [`mute`]: stretches that a switch or a gate holds far down, on both sides.
//!
//! Some clips stay untouched (clean in, clean out) and some hold no speech (silence as target).
//! Everything is mono `f32` at 48 kHz, and everything follows from the seed of the generator.
//! [`live`] is the stage of the daemon: noise on a running microphone, frame by frame.

pub mod babble;
pub mod band_limit;
pub mod biquad;
pub mod calls;
pub mod clicks;
pub mod clipping;
pub mod clips;
pub mod coloured;
mod convolution;
pub mod draw;
pub mod drift;
pub mod equaliser;
pub mod fan;
pub mod file_noise;
pub mod folder;
pub mod hum;
pub mod level;
pub mod live;
pub mod mute;
pub mod noise;
pub mod packet_loss;
mod process;
pub mod quantisation;
pub mod recipe;
mod rhythm;
pub mod room;
pub mod rumble;
pub mod shoebox;
pub mod struck;
mod wavetable;

pub use clips::Clips;
pub use process::{Corrupted, Sources};
pub use recipe::Recipe;
pub use room::Rooms;

/// The internal sample rate as a float, in Hz.
const RATE_HZ: f32 = crate::SAMPLE_RATE_HZ as f32;
