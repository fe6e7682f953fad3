//! The one terminal that log messages and moving lines share.

use std::sync::LazyLock;

use indicatif::MultiProgress;
use indicatif_log_bridge::LogWrapper;

static LINES: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// The moving lines at the terminal's end.
pub fn lines() -> &'static MultiProgress {
    &LINES
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
    if LogWrapper::new(lines().clone(), logger).try_init().is_ok() {
        log::set_max_level(level);
    }
}
