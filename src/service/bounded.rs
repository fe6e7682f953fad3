//! Reading from strangers: a limit on bytes, a limit on time and a limit on how many at once.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stream whose reads can be given up.
pub trait Timed: Read {
    /// Lets each following read wait this long.
    fn give_up_after(&self, wait: Duration) -> io::Result<()>;
}

impl Timed for UnixStream {
    fn give_up_after(&self, wait: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(wait))
    }
}

impl Timed for TcpStream {
    fn give_up_after(&self, wait: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(wait))
    }
}

/// Lines from a stream.
pub struct Lines<S> {
    stream: S,
    pending: Vec<u8>,
    max_bytes: usize,
}

impl<S: Timed> Lines<S> {
    /// Lines of at most `max_bytes` each.
    pub fn new(stream: S, max_bytes: usize) -> Self {
        Lines {
            stream,
            pending: Vec::new(),
            max_bytes,
        }
    }

    /// The next line without its line feed; `None` at the stream's end.
    ///
    /// # Errors
    /// `InvalidData`: the line is too long. `TimedOut`: it was not complete `within` this time,
    /// however it trickled in.
    pub fn next(&mut self, within: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + within;
        let mut searched = 0;
        loop {
            let end = self.pending[searched..].iter().position(|&b| b == b'\n');
            if let Some(end) = end.map(|end| searched + end) {
                let mut line: Vec<u8> = self.pending.drain(..=end).collect();
                line.pop();
                return Ok(Some(line));
            }
            searched = self.pending.len();
            if searched > self.max_bytes {
                return Err(ErrorKind::InvalidData.into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.give_up_after(left)?;
            let mut chunk = [0; 512];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Counts visitors; each holds a [`Ticket`] while it is there.
#[derive(Debug)]
pub struct Door {
    inside: Arc<()>,
    places: usize,
}

/// One visitor's place; dropping it frees the place.
#[derive(Debug)]
pub struct Ticket {
    _inside: Arc<()>,
}

impl Door {
    /// A door to so many places.
    pub fn new(places: usize) -> Self {
        Door {
            inside: Arc::new(()),
            places,
        }
    }

    /// A place, if one is free. One thread only may ask.
    pub fn enter(&mut self) -> Option<Ticket> {
        (Arc::strong_count(&self.inside) <= self.places).then(|| Ticket {
            _inside: self.inside.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    #[test]
    fn lines_come_one_by_one_however_they_were_sent() {
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        sender.write_all(b"one\ntwo\nthr").unwrap();
        let mut lines = Lines::new(receiver, 10);
        assert_eq!(lines.next(SOON).unwrap().unwrap(), b"one");
        assert_eq!(lines.next(SOON).unwrap().unwrap(), b"two");
        sender.write_all(b"ee\n").unwrap();
        drop(sender);
        assert_eq!(lines.next(SOON).unwrap().unwrap(), b"three");
        assert_eq!(lines.next(SOON).unwrap(), None);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        sender.write_all(&[b'x'; 2000]).unwrap();
        let error = Lines::new(receiver, 1000).next(SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn trickling_bytes_do_not_prolong_the_wait() {
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        let trickle = thread::spawn(move || {
            while sender.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let begun = Instant::now();
        let error = Lines::new(receiver, 1000).next(SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(2));
        trickle.join().unwrap();
    }

    #[test]
    fn a_full_door_opens_when_somebody_leaves() {
        let mut door = Door::new(2);
        let first = door.enter();
        let _second = door.enter();
        assert!(door.enter().is_none());
        drop(first);
        assert!(door.enter().is_some());
    }
}
