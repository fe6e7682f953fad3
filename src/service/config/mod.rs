//! The configuration: flags, variables, the file and defaults become one [`Settings`].
//!
//! [`settings`] lists what can be set; [`flags`] and [`mod@file`] read it; [`resolve()`] decides.

pub mod file;
mod flags;
mod resolve;
mod settings;
mod template;

pub use flags::Flags;
pub use resolve::{Invalid, Origin, Resolution, Resolved, resolve};
pub use settings::Settings;
pub use template::template;
