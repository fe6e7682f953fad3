//! What there is to train on, before training: recordings measured, judged and made.
//!
//! [`measure`] looks at one file, [`report`] sums up folders and says in plain words what to do;
//! [`record`] takes the noise of a room from a microphone, and [`room`] says whether it is good for
//! adapting to.

pub mod clipping;
pub mod measure;
pub mod record;
pub mod report;
pub mod room;
