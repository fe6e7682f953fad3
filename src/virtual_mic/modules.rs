//! The two modules in the running server.

use anyhow::{Context, Result};

use super::NAME;
use crate::devices::pulse::{Connection, VIRTUAL_SINK, VIRTUAL_SOURCE};

/// A module and its arguments.
pub struct Module {
    pub name: &'static str,
    /// The argument that names what it makes.
    marker: String,
    rest: String,
}

impl Module {
    pub fn arguments(&self) -> String {
        format!("{} {}", self.marker, self.rest)
    }
}

/// What the microphone is made of, in the order of loading. By their priority PipeWire's session
/// manager makes neither device a default of its own accord; PulseAudio prefers sound cards anyway.
pub fn all() -> [Module; 2] {
    [
        Module {
            name: "module-null-sink",
            marker: format!("sink_name={VIRTUAL_SINK}"),
            rest: "rate=48000 channels=1 channel_map=mono \
                   sink_properties='device.description=\"Denoised\" priority.session=-1'"
                .into(),
        },
        Module {
            name: "module-remap-source",
            marker: format!("source_name={VIRTUAL_SOURCE}"),
            rest: format!(
                "master={VIRTUAL_SINK}.monitor channels=1 channel_map=mono \
                 master_channel_map=mono \
                 source_properties='device.description=\"{NAME}\" priority.session=-1'"
            ),
        },
    ]
}

/// Loads all modules unless they are there; says whether they were not.
pub fn load(connection: &mut Connection) -> Result<bool> {
    if indices(connection)?.len() == all().len() {
        return Ok(false);
    }
    // A part of them is of no use and may have been made in another way.
    unload(connection)?;
    for module in all() {
        if let Err(error) = connection.load_module(module.name, &module.arguments()) {
            unload(connection)?;
            return Err(error).with_context(|| format!("cannot load {}", module.name));
        }
    }
    Ok(true)
}

/// Unloads what is there of the modules; says whether there was anything.
pub fn unload(connection: &mut Connection) -> Result<bool> {
    let indices = indices(connection)?;
    for index in indices.iter().rev() {
        connection
            .unload_module(*index)
            .context("cannot unload the virtual microphone")?;
    }
    Ok(!indices.is_empty())
}

/// The loaded ones, in the order of [`all`].
fn indices(connection: &mut Connection) -> Result<Vec<u32>> {
    let loaded = connection.modules()?;
    let indices = all().into_iter().flat_map(|module| {
        let ours = loaded.iter().filter(move |info| {
            let arguments = info.argument.as_ref().map(|text| text.to_string_lossy());
            info.name.to_bytes() == module.name.as_bytes()
                && arguments.is_some_and(|text| text.split(' ').any(|word| word == module.marker))
        });
        ours.map(|info| info.index).collect::<Vec<_>>()
    });
    Ok(indices.collect())
}
