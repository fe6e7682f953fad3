//! The folder that holds the socket, and the one daemon that owns it.

use std::env;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

const SOCKET: &str = "control.sock";
const SYSTEM: &str = "/run/denoised";

/// Why this process cannot be the daemon.
#[derive(Debug, thiserror::Error)]
#[error(
    "denoised is already running for this user ({0}): see `denoised status`, end it with `denoised stop`"
)]
pub struct AlreadyRunning(pub String);

/// The daemon's own folder: what systemd made for the service, else `denoised` in the session's
/// folder for such things.
///
/// # Errors
/// There is no session.
pub fn own() -> Result<PathBuf> {
    // systemd separates several folders by colons; the system unit in systemd/ asks for one.
    env::var_os("RUNTIME_DIRECTORY")
        .map(PathBuf::from)
        .or_else(in_session)
        .context(
            "XDG_RUNTIME_DIR is not set, so there is no place for the control socket: log in (not \
             through su), or set it, e.g. to /run/user/$(id -u)",
        )
}

/// The socket to ask: the user's daemon or, if there is none, the system's.
pub fn socket_to_ask() -> PathBuf {
    in_session()
        .map(|folder| folder.join(SOCKET))
        .filter(|socket| socket.exists())
        .unwrap_or_else(|| Path::new(SYSTEM).join(SOCKET))
}

fn in_session() -> Option<PathBuf> {
    let session = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?);
    session.is_absolute().then(|| session.join("denoised"))
}

/// The folder, claimed: no second daemon can have it while this lives, however that one ends.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    _locked: File,
}

impl Claim {
    /// Makes the folder if needed and claims it.
    ///
    /// # Errors
    /// [`AlreadyRunning`], or the folder cannot be written to.
    pub fn new(folder: &Path) -> Result<Claim> {
        let lock = folder.join("lock");
        let file = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| {
                OpenOptions::new()
                    .create(true)
                    .write(true)
                    .truncate(false)
                    .mode(0o600)
                    .open(&lock)
            })
            .with_context(|| format!("{}: cannot open", lock.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
            Ok(()) => Ok(Claim {
                folder: folder.to_path_buf(),
                _locked: file,
            }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(AlreadyRunning(folder.display().to_string()).into())
            }
            Err(error) => Err(error).with_context(|| format!("{}: cannot lock", lock.display())),
        }
    }

    /// Where the socket belongs. One that is there already was left by a daemon that is gone.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }
}
