//! Where the server's cookie is, without which PulseAudio refuses its clients.

use std::env;
use std::path::{Path, PathBuf};

/// Names the cookie in `PULSE_COOKIE` where the crate that speaks the protocol would not find it:
/// it looks below `$HOME/.config` alone, but the server writes below `$XDG_CONFIG_HOME`.
///
/// # Safety
/// As [`env::set_var`]: no other thread may run yet.
pub unsafe fn name_in_environment() {
    let configuration = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    if env::var_os("PULSE_COOKIE").is_none()
        && let Some(cookie) = configuration.as_deref().and_then(below)
    {
        // SAFETY: the caller's promise.
        unsafe { env::set_var("PULSE_COOKIE", cookie) };
    }
}

fn below(configuration: &Path) -> Option<PathBuf> {
    let cookie = configuration.join("pulse/cookie");
    (cookie.is_absolute() && cookie.is_file()).then_some(cookie)
}
