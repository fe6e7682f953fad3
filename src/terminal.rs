//! The one terminal that log messages and moving lines share, and which may be closed at any time.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use env_logger::Logger;
use indicatif::MultiProgress;
use log::{Log, Metadata, Record};

static LINES: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// The moving lines at the terminal's end.
pub fn lines() -> &'static MultiProgress {
    &LINES
}

/// Whether standard error is a terminal, and still open.
pub fn is_there() -> bool {
    std::io::stderr().is_terminal()
}

/// Prints `text` and an end of line on standard output. Whoever has closed it has seen enough, which is no error.
///
/// # Errors
/// It cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("cannot write to standard output"),
    }
}

/// Sends log messages to standard error, above the moving lines. `RUST_LOG` chooses them.
pub fn init_log() {
    let logger = env_logger::Builder::from_env(
        env_logger::Env::default()
            .default_filter_or("warn,denoised=info,symphonia=off,pulseaudio=off"),
    )
    .build();
    let level = logger.filter();
    // It fails only where there is a logger already, and then that one serves.
    if log::set_boxed_logger(Box::new(AboveLines(logger))).is_ok() {
        log::set_max_level(level);
    }
}

struct AboveLines(Logger);

impl Log for AboveLines {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        if !self.0.matches(record) {
            return;
        }
        // On a terminal that has been closed, moving the lines away panics.
        if is_there() {
            LINES.suspend(|| self.0.log(record));
        } else {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}
