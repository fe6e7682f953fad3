//! The systemd units that ship with the program, with this executable in them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::pending_file::PendingFile;
use crate::user_folders;

/// Name of the unit, in both scopes.
const NAME: &str = "denoised.service";
/// What the units in `systemd/` run; replaced by the path of this program.
const PLACEHOLDER: &str = "/usr/bin/denoised";

/// Which service manager runs the daemon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scope {
    /// The user's, in a session.
    User,
    /// The machine's, for boxes without sessions.
    System,
}

impl Scope {
    fn unit(self) -> &'static str {
        match self {
            Scope::User => include_str!("../../systemd/denoised.service"),
            Scope::System => include_str!("../../systemd/denoised-system.service"),
        }
    }

    /// Where the unit goes.
    fn path(self) -> Result<PathBuf> {
        let folder = match self {
            Scope::System => PathBuf::from("/etc/systemd/system"),
            Scope::User => user_folders::configurations()
                .context("HOME is not set, so there is no place for the unit")?
                .join("systemd/user"),
        };
        Ok(folder.join(NAME))
    }

    fn systemctl(self) -> Command {
        let mut command = Command::new("systemctl");
        if self == Scope::User {
            command.arg("--user");
        }
        command
    }

    fn control(self, arguments: &[&str]) -> Result<()> {
        let output = self
            .systemctl()
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("systemctl cannot be run")?;
        if !output.status.success() {
            bail!(
                "systemctl {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    /// Fails where no service manager of this scope can be asked.
    fn require(self) -> Result<()> {
        self.control(&["show", "--property=Version"]).context(
            "systemd cannot be reached, so nothing was changed: start `denoised run` from your \
             session's autostart instead",
        )
    }
}

/// Writes the unit, enables and starts it, or restarts it if it was there. Twice is as once.
///
/// # Errors
/// No systemd, no permission, or the daemon does not start.
pub fn install(scope: Scope) -> Result<PathBuf> {
    scope.require()?;
    let executable = std::env::current_exe().context("cannot find the own executable")?;
    if scope == Scope::System {
        ensure_open_to_all(&executable)?;
    }
    let path = scope.path()?;
    let unit = PendingFile::new(&path)?;
    std::fs::write(unit.path(), unit_for(scope, &executable)?)
        .with_context(|| format!("{}: cannot write", path.display()))?;
    unit.commit(true)?;
    scope.control(&["daemon-reload"])?;
    scope.control(&["enable", NAME])?;
    scope.control(&["restart", NAME]).with_context(|| {
        let system = if scope == Scope::System {
            " --system"
        } else {
            ""
        };
        format!("the unit is installed, but does not start; see `denoised service status{system}`")
    })?;
    Ok(path)
}

/// The system's unit runs as a user of its own, who must reach the program and what lies beside it.
fn ensure_open_to_all(executable: &Path) -> Result<()> {
    for folder in executable.ancestors().skip(1) {
        let mode = folder.metadata().map(|found| found.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o001 == 0) {
            bail!(
                "{}: the service's user may not enter this folder: move the folder of denoised \
                 (with .libtorch and models) to where all users may, such as /opt, and install \
                 the service from there",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Stops and disables the daemon and removes the unit; says whether there was one.
///
/// # Errors
/// No systemd, or no permission.
pub fn remove(scope: Scope) -> Result<bool> {
    let path = scope.path()?;
    if !path.exists() {
        return Ok(false);
    }
    scope.require()?;
    scope.control(&["disable", "--now", NAME])?;
    std::fs::remove_file(&path).with_context(|| format!("{}: cannot remove", path.display()))?;
    scope.control(&["daemon-reload"])?;
    Ok(true)
}

/// Lets systemctl show the state; its exit code is 0 if the daemon runs.
///
/// # Errors
/// There is no systemctl.
pub fn status(scope: Scope) -> Result<u8> {
    let status = scope
        .systemctl()
        .args(["status", "--no-pager", NAME])
        .status()
        .context("systemctl cannot be run: is there systemd on this machine?")?;
    Ok(status
        .code()
        .and_then(|code| code.try_into().ok())
        .unwrap_or(1))
}

/// The unit's text, running `executable`.
fn unit_for(scope: Scope, executable: &Path) -> Result<String> {
    let path = executable
        .to_str()
        .context("the path of the executable is not UTF-8, which a unit needs")?;
    if path.contains(['\n', '"', '\\']) {
        bail!("{path}: a unit cannot hold this path; move the program");
    }
    // systemd.service(5): % starts a specifier, $ a variable (not in the command's first word).
    let quoted = format!("\"{}\"", path.replace('%', "%%"));
    Ok(scope.unit().replace(PLACEHOLDER, &quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_unit_needs_a_program_that_all_can_reach() {
        let folder = tempfile::tempdir().unwrap();
        let open = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(folder.path(), permissions).unwrap();
            ensure_open_to_all(&folder.path().join("denoised"))
        };
        assert!(open(0o755).is_ok());
        let error = open(0o750).unwrap_err().to_string();
        assert!(error.starts_with(&folder.path().display().to_string()));
    }

    #[test]
    fn units_run_this_executable_wherever_it_is() {
        for scope in [Scope::User, Scope::System] {
            let unit = unit_for(scope, Path::new("/opt/my 100% tools/denoised")).unwrap();
            let start = "\nExecStart=\"/opt/my 100%% tools/denoised\" run";
            assert!(unit.contains(start), "{unit}");
            assert!(!unit.contains(PLACEHOLDER));
        }
    }
}
