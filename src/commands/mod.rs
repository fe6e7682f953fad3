//! What the user can ask for. Commands are thin: they check arguments, call the library and report.

pub mod bench;
pub mod clean;
pub mod corrupt;
pub mod devices;
pub mod mic;
pub mod train;
