//! The virtual microphone: a source that other programs record while denoised plays into it.
//!
//! It is made of two modules, the same for PulseAudio and for PipeWire in its place: a null sink,
//! which denoised plays into, and a source remapped from the sink's monitor, because many programs
//! hide monitors. [`modules`] loads them now, [`persistence`] has them loaded at the next login.
//! (A PipeWire node of class `Audio/Source/Virtual` would be one device instead of two, but
//! PulseAudio clients, which cpal is, see no sink in it to play into.)

mod modules;
mod persistence;

use std::path::PathBuf;

use anyhow::{Context, Result};

use self::persistence::Server;
use crate::devices::pulse::{Connection, VIRTUAL_SINK, VIRTUAL_SOURCE, id};
use crate::pipeline::{DeviceError, Direction};

/// How other programs call the microphone.
pub const NAME: &str = "Denoised Microphone";

/// What there is of the microphone.
#[derive(Debug)]
pub struct Status {
    /// Programs can record it now; an error says why the server could not be asked.
    pub loaded: Result<bool>,
    /// Programs record it unless told otherwise.
    pub is_default: bool,
    /// The files that bring it back at the next login.
    pub files: Vec<PathBuf>,
}

/// The device to play into.
pub fn sink_id() -> String {
    id(VIRTUAL_SINK)
}

/// Makes the microphone, now and at every login. Does nothing where it exists.
///
/// # Errors
/// No server runs, or it or the configuration folder refuses; nothing is left behind then.
pub fn install(make_default: bool) -> Result<()> {
    let mut connection = Connection::open().context(
        "the virtual microphone needs PulseAudio, or PipeWire with pipewire-pulse, running in this \
         session",
    )?;
    let server = Server::of(&connection.survey()?);
    let added = modules::load(&mut connection)?;
    if let Err(error) = persistence::install(server) {
        if added {
            modules::unload(&mut connection)?;
        }
        return Err(error);
    }
    if make_default {
        connection
            .set_default_source(VIRTUAL_SOURCE)
            .context("cannot make the virtual microphone the default")?;
    }
    Ok(())
}

/// What [`remove`] did.
pub enum Removal {
    Everything,
    /// It does not come back; whether it is there now is not known, since no server could be asked.
    FromNextLogin(DeviceError),
    WasNotThere,
}

/// Removes what [`install`] made.
///
/// # Errors
/// The server or the configuration folder refuses.
pub fn remove() -> Result<Removal> {
    // The files first: they can go without a server.
    let had_files = persistence::remove()?;
    let mut connection = match Connection::open() {
        Ok(connection) => connection,
        Err(error) if had_files => return Ok(Removal::FromNextLogin(error)),
        Err(_) => return Ok(Removal::WasNotThere),
    };
    let survey = connection.survey()?;
    // The server would go on remembering a default that is gone.
    if is_default(&survey)
        && let Some(microphone) = survey.default_device(Direction::Input)
    {
        connection.set_default_source(&microphone)?;
    }
    let was_there = modules::unload(&mut connection)? || had_files;
    Ok(if was_there {
        Removal::Everything
    } else {
        Removal::WasNotThere
    })
}

/// Looks at the microphone.
///
/// # Errors
/// The configuration folder cannot be read.
pub fn status() -> Result<Status> {
    let survey = Connection::open().and_then(|mut connection| connection.survey());
    Ok(Status {
        is_default: survey.as_ref().is_ok_and(is_default),
        loaded: survey
            .map(|survey| {
                survey.has(Direction::Input, VIRTUAL_SOURCE)
                    && survey.has(Direction::Output, VIRTUAL_SINK)
            })
            .map_err(Into::into),
        files: persistence::files()?,
    })
}

fn is_default(survey: &crate::devices::pulse::Survey) -> bool {
    let default = survey.server.default_source_name.as_deref();
    default.is_some_and(|name| name.to_bytes() == VIRTUAL_SOURCE.as_bytes())
}
