//! The background service around the pipeline: configuration, control socket, metrics, systemd.
//!
//! [`daemon`] is the middle: one thread owns the pipeline and serves signals, the [`control`]
//! socket and the clock, one after the other. [`config`] says what it should do, [`status`] what
//! it does; [`metrics`], [`meter`] and [`notify`] show that to Prometheus, people and systemd; [`hangup`]
//! notices when their terminal is closed.

mod bounded;
pub mod config;
pub mod control;
pub mod daemon;
pub mod hangup;
pub mod meter;
mod metrics;
mod notify;
pub mod status;
pub mod units;
