//! The two modules at the next login: a drop-in of PipeWire's, a block in PulseAudio's start script.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::modules;
use crate::devices::pulse::Survey;
use crate::pending_file::PendingFile;
use crate::user_folders;

/// The start script of a user replaces this one, so it has to include it.
const SYSTEM_SCRIPT: &str = "/etc/pulse/default.pa";
const BEGIN: &str =
    "### denoised: the virtual microphone; `denoised mic remove` removes this block";
const END: &str = "### denoised: end";

/// Who loads the modules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Server {
    PulseAudio,
    PipeWire,
}

impl Server {
    /// Which one it is that speaks PulseAudio's protocol.
    pub fn of(survey: &Survey) -> Self {
        if survey.is_pipewire() {
            Self::PipeWire
        } else {
            Self::PulseAudio
        }
    }

    fn path(self) -> Result<PathBuf> {
        let (folder, file) = match self {
            Self::PipeWire => (
                user_folders::configurations(),
                "pipewire/pipewire-pulse.conf.d/denoised.conf",
            ),
            // Its start script is the one file that PulseAudio looks for below HOME alone.
            Self::PulseAudio => (user_folders::default_configurations(), "pulse/default.pa"),
        };
        let folder = folder
            .context("HOME is not set, so there is no place for the virtual microphone's file")?;
        Ok(folder.join(file))
    }
}

/// Has the modules loaded at login.
pub fn install(server: Server) -> Result<()> {
    let path = server.path()?;
    let present = read(&path)?;
    let wanted = match server {
        Server::PipeWire => drop_in(),
        Server::PulseAudio => {
            let others = without_block(present.as_deref().unwrap_or_default());
            ensure!(
                !others.is_empty() || Path::new(SYSTEM_SCRIPT).exists(),
                "{SYSTEM_SCRIPT} is missing, so {} cannot include it; copy PulseAudio's start \
                 script there, then install again",
                path.display()
            );
            with_block(&others)
        }
    };
    if present.as_ref() != Some(&wanted) {
        write(&path, &wanted)?;
    }
    Ok(())
}

/// Undoes [`install`] for either server; says whether there was anything.
pub fn remove() -> Result<bool> {
    let files = files()?;
    for path in &files {
        let others = if *path == Server::PulseAudio.path()? {
            without_block(&read(path)?.unwrap_or_default())
        } else {
            String::new()
        };
        if others.is_empty() {
            fs::remove_file(path).with_context(|| format!("{}: cannot remove", path.display()))?;
        } else {
            write(path, &others)?;
        }
    }
    Ok(!files.is_empty())
}

/// The files that hold the modules.
pub fn files() -> Result<Vec<PathBuf>> {
    let drop_in = Server::PipeWire.path()?;
    let script = Server::PulseAudio.path()?;
    let mut files = Vec::new();
    if read(&drop_in)?.is_some() {
        files.push(drop_in);
    }
    if read(&script)?.is_some_and(|text| text.lines().any(|line| line == BEGIN)) {
        files.push(script);
    }
    Ok(files)
}

fn drop_in() -> String {
    let commands: String = modules::all()
        .iter()
        .map(|module| {
            let arguments = module.arguments().replace('"', "\\\"");
            let command = format!("\"load-module\" args = \"{} {arguments}\"", module.name);
            format!("    {{ cmd = {command} flags = [ nofail ] }}\n")
        })
        .collect();
    format!(
        "# The virtual microphone of denoised; `denoised mic remove` removes this file.\n\
         pulse.cmd = [\n{commands}]\n"
    )
}

/// A start script with the modules after `others`, the lines of the user.
fn with_block(others: &str) -> String {
    let include = if others.is_empty() {
        format!(".include {SYSTEM_SCRIPT}\n")
    } else {
        String::new()
    };
    let commands: String = modules::all()
        .iter()
        .map(|module| format!("load-module {} {}\n", module.name, module.arguments()))
        .collect();
    let newline = if others.is_empty() || others.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    // Without sound is worse than without the microphone: no command's failure ends the server.
    format!("{others}{newline}{BEGIN}\n{include}.nofail\n{commands}{END}\n")
}

/// The lines of the user. Where they follow our `.include`, it stays with them.
fn without_block(script: &str) -> String {
    let mut others = String::new();
    let mut include = "";
    let mut inside = false;
    for line in script.split_inclusive('\n') {
        match line.trim_end() {
            BEGIN => inside = true,
            END if inside => inside = false,
            text if inside && text.starts_with(".include ") => include = line,
            _ if inside => {}
            _ => others += line,
        }
    }
    if others.is_empty() {
        others
    } else {
        format!("{include}{others}")
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{}: cannot read", path.display())),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let pending = PendingFile::new(path)?;
    pending
        .handle()?
        .write_all(text.as_bytes())
        .with_context(|| format!("{}: cannot write", path.display()))?;
    pending.commit(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_install_and_remove() {
        let own = "load-module module-a\nset-default-sink b\n";
        for script in ["", own] {
            let installed = with_block(script);
            assert!(installed.contains("load-module module-remap-source "));
            assert_eq!(without_block(&installed), script);
            assert_eq!(with_block(&without_block(&installed)), installed);
        }
        assert_eq!(without_block(&with_block("no newline")), "no newline\n");
    }

    #[test]
    fn a_user_script_replaces_the_systems_so_ours_includes_it() {
        let include = ".include /etc/pulse/default.pa\n";
        let ours = with_block("");
        assert!(ours.contains(include));
        assert!(!with_block("load-module module-a\n").contains(include));
        let extended = format!("{ours}load-module module-a\n");
        let expected = format!("{include}load-module module-a\n");
        assert_eq!(without_block(&extended), expected);
    }
}
