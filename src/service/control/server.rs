//! The daemon's side of the socket.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, Sender, bounded};

use super::folder::Claim;
use super::protocol::{MAX_REQUEST_BYTES, Reply, Request};
use crate::service::bounded::{Door, Lines, Ticket};

const MAX_CLIENTS: usize = 8;
/// How long a client may be silent, and how long it may take to read a reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the daemon may take for an answer; loading another model is the slowest.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long a daemon that ends waits until its last reply is written.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// A request, and where its reply goes.
#[derive(Debug)]
pub struct Call {
    pub request: Request,
    replies: Sender<Reply>,
}

/// What the daemon said. It may wait until this is dropped.
pub struct Answer {
    pub reply: Reply,
    _replies: Receiver<Reply>,
}

impl Call {
    /// Puts a request to the daemon's main thread and waits for what it says.
    pub fn make(request: Request, calls: &Sender<Call>) -> Answer {
        let (replies, answer) = bounded(0);
        let sent = calls.send_timeout(Call { request, replies }, ANSWER_WITHIN);
        let reply = sent
            .ok()
            .and_then(|()| answer.recv_timeout(ANSWER_WITHIN).ok())
            .unwrap_or_else(|| Reply::Error("the daemon does not answer".into()));
        Answer {
            reply,
            _replies: answer,
        }
    }

    /// Answers.
    pub fn reply(&self, reply: Reply) {
        // A client that has left needs no reply.
        let _ = self.replies.send_timeout(reply, LAST_WORD_WITHIN);
    }

    /// Answers and waits until the [`Answer`] has been passed on, for a process that ends then.
    pub fn reply_and_wait(&self, reply: Reply) {
        self.reply(reply.clone());
        // Nobody takes a second one; what ends this is that the other end goes.
        self.reply(reply);
    }
}

/// The open socket; dropping it removes the socket and then the claim to the folder.
#[derive(Debug)]
pub struct Server {
    claim: Claim,
}

impl Server {
    /// Opens the socket in the claimed folder and sends what clients ask to `calls`.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn start(claim: Claim, calls: Sender<Call>) -> Result<Server> {
        let path = claim.socket();
        let open = || -> io::Result<UnixListener> {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // Nobody else can be in the folder, so no one connects before the mode is set.
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener =
            open().with_context(|| format!("{}: cannot open the socket", path.display()))?;
        thread::Builder::new()
            .name("control".into())
            .spawn(move || accept(&listener, &calls))?;
        Ok(Server { claim })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.claim.socket()) {
            log::debug!("the control socket is gone already: {error}");
        }
    }
}

fn accept(listener: &UnixListener, calls: &Sender<Call>) {
    let mut door = Door::new(MAX_CLIENTS);
    for client in listener.incoming() {
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                log::warn!("the control socket cannot accept a client: {error}");
                thread::sleep(Duration::from_secs(1));
                continue;
            }
        };
        if let Err(error) = admit(client, door.enter(), calls) {
            log::debug!("a client of the control socket is turned away: {error:#}");
        }
    }
}

/// Checks who it is and gives the client a thread.
fn admit(mut client: UnixStream, ticket: Option<Ticket>, calls: &Sender<Call>) -> Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(&client)?.uid;
    client.set_write_timeout(Some(PATIENCE))?;
    if !peer.is_root() && peer != rustix::process::geteuid() {
        return Ok(say(
            &mut client,
            &Reply::Error("another user's daemon".into()),
        )?);
    }
    let Some(ticket) = ticket else {
        let busy = "too many clients; try again";
        return Ok(say(&mut client, &Reply::Error(busy.into()))?);
    };
    let calls = calls.clone();
    thread::Builder::new()
        .name("control-client".into())
        .spawn(move || {
            let _ticket = ticket;
            if let Err(error) = converse(&mut client, &calls) {
                log::debug!("a client of the control socket left: {error}");
            }
        })?;
    Ok(())
}

fn converse(client: &mut UnixStream, calls: &Sender<Call>) -> io::Result<()> {
    let mut lines = Lines::new(client.try_clone()?, MAX_REQUEST_BYTES);
    loop {
        let line = match lines.next(PATIENCE) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let reply = format!("a request has at most {MAX_REQUEST_BYTES} bytes");
                return say(client, &Reply::Error(reply));
            }
            Err(error) => return Err(error),
        };
        match serde_json::from_slice(&line) {
            Ok(request) => say(client, &Call::make(request, calls).reply)?,
            Err(error) => say(client, &Reply::Error(format!("not a request: {error}")))?,
        }
    }
}

fn say(client: &mut UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    client.write_all(&line)
}
