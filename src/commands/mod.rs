//! What the user can ask for. Commands are thin: they check arguments, call the library and report.

pub mod adapt;
pub mod bench;
pub mod capture_noise;
pub mod clean;
pub mod config;
pub mod corrupt;
pub mod data;
pub mod devices;
pub mod doctor;
pub mod eval;
pub mod info;
pub mod latency;
pub mod mic;
pub mod mode;
pub mod models;
pub mod reload;
pub mod run;
pub mod service;
pub mod set;
pub mod status;
pub mod stop;
pub mod train;
mod training_run;
mod workers;

use std::process::ExitCode;

use crate::service::control::{Client, Request, folder};

/// Has the running daemon do something, and prints what it says about it.
///
/// # Errors
/// None runs, or it was not done.
fn demand(request: &Request) -> anyhow::Result<ExitCode> {
    let said = Client::connect(&folder::socket_to_ask())?.demand(request)?;
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}
