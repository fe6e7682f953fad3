//! What SIGHUP means: read the configuration again or, where the terminal has been closed, end.

use std::fs::File;

/// The terminal that the daemon was started from.
pub struct Terminal {
    ends_with_it: bool,
}

impl Terminal {
    /// To be asked before the first signal is caught: who starts a program through nohup has it ignore SIGHUP.
    pub fn of_start() -> Self {
        Self {
            ends_with_it: is_open() && !hangup_is_ignored(),
        }
    }

    /// Whether there was one to end with, and it has been closed.
    pub fn is_closed(&self) -> bool {
        self.ends_with_it && !is_open()
    }
}

fn is_open() -> bool {
    File::open("/dev/tty").is_ok()
}

fn hangup_is_ignored() -> bool {
    // SAFETY: all zeros is a valid action, and none is set.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}
