//! A command's side of the socket.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::protocol::{Reply, Request};
use crate::service::bounded::Lines;
use crate::service::status::Status;

/// Longer than the daemon may take, so that it can say itself what is wrong.
const PATIENCE: Duration = Duration::from_secs(70);
const MAX_REPLY_BYTES: usize = 1 << 20;

/// No daemon listens.
#[derive(Debug, thiserror::Error)]
#[error("denoised is not running: start it with `denoised run` or `denoised service install`")]
pub struct NotRunning;

/// A connection to the daemon.
pub struct Client {
    stream: UnixStream,
    lines: Lines<UnixStream>,
}

impl Client {
    /// Connects to the socket at `path`, see [`super::folder::socket_to_ask`].
    ///
    /// # Errors
    /// [`NotRunning`], or the socket belongs to another user.
    pub fn connect(path: &Path) -> Result<Client> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                return Err(NotRunning.into());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{}: cannot connect", path.display()));
            }
        };
        stream.set_write_timeout(Some(PATIENCE))?;
        let lines = Lines::new(stream.try_clone()?, MAX_REPLY_BYTES);
        Ok(Client { stream, lines })
    }

    /// Asks and waits for the reply.
    ///
    /// # Errors
    /// The connection broke, or the answer is none.
    pub fn ask(&mut self, request: &Request) -> Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        // A refused client is answered and hung up on before it has asked.
        let written = self.stream.write_all(&line);
        let reply = match self.lines.next(PATIENCE) {
            Ok(Some(reply)) => reply,
            Ok(None) => bail!("the daemon has ended"),
            Err(error) => {
                return Err(written.err().unwrap_or(error)).context("the daemon does not answer");
            }
        };
        serde_json::from_slice(&reply)
            .context("the daemon is of another version: restart it (`denoised stop`)")
    }

    /// Asks for something to be done and gives what the daemon says about it.
    ///
    /// # Errors
    /// It was not done.
    pub fn demand(&mut self, request: &Request) -> Result<String> {
        match self.ask(request)? {
            Reply::Done(said) => Ok(said),
            Reply::Error(said) => bail!(said),
            Reply::Status(_) => bail!("the daemon answered another question"),
        }
    }

    /// Waits until the daemon has ended, after it agreed to [`Request::Stop`].
    ///
    /// # Errors
    /// It takes too long.
    pub fn wait_for_end(mut self) -> Result<()> {
        match self.lines.next(PATIENCE) {
            Err(error) if error.kind() == ErrorKind::TimedOut => bail!("the daemon does not end"),
            _ => Ok(()),
        }
    }

    /// Asks for the daemon's state.
    ///
    /// # Errors
    /// The daemon did not say it.
    pub fn status(&mut self) -> Result<Status> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            Reply::Error(said) => bail!(said),
            Reply::Done(_) => bail!("the daemon answered another question"),
        }
    }
}
