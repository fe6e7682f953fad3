//! What may keep the live daemon from working on this machine, and what helps.
//!
//! [`computing`] looks at the model and the processor, [`audio`] at server, devices and the virtual
//! microphone. Every check uses the code that the daemon itself would use.

mod audio;
mod computing;

use serde::Serialize;

use crate::service::config::{self, Flags};
use crate::service::control::client::Client;
use crate::service::control::folder;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Good,
    /// It works, but not as well as it could.
    Warning,
    /// Live cleaning does not work like this.
    Problem,
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was checked, in a word or two.
    pub area: &'static str,
    pub verdict: Verdict,
    /// What was found.
    pub what: String,
    /// What to do about it; none where all is well.
    pub remedy: Option<String>,
}

impl Finding {
    fn good(area: &'static str, what: impl Into<String>) -> Self {
        Self {
            area,
            verdict: Verdict::Good,
            what: what.into(),
            remedy: None,
        }
    }

    fn warning(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            area,
            verdict: Verdict::Warning,
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }

    fn problem(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Problem,
            ..Self::warning(area, what, remedy)
        }
    }
}

/// Checks everything, with the settings that `denoised run` would use with the same `flags`;
/// hands over each finding as soon as it is there.
pub fn examine(flags: &Flags, mut tell: impl FnMut(Finding)) {
    let settings = match config::resolve(flags) {
        Ok(resolution) => {
            tell(Finding::good("configuration", "valid"));
            resolution.settings
        }
        Err(invalid) => {
            let remedy = "correct what is named there; `denoised config check` tries it again";
            return tell(Finding::problem(
                "configuration",
                invalid.to_string().trim_end(),
                remedy,
            ));
        }
    };
    tell(computing::libtorch());
    computing::worker(settings.model.as_deref(), &mut tell);
    let daemon = daemon();
    let runs = daemon.verdict == Verdict::Good;
    // A running daemon has its folder, wherever that is.
    if !runs {
        tell(session());
    }
    audio::examine(&settings, runs, &mut tell);
    tell(daemon);
}

/// The folder that the control socket needs.
fn session() -> Finding {
    const AREA: &str = "permissions";
    let remedy = "log in to a session of your own (not through su or sudo)";
    match folder::own() {
        Err(error) => Finding::problem(AREA, format!("{error:#}"), remedy),
        Ok(folder) => {
            // The daemon makes its own folder in the session's.
            let place = folder.ancestors().find(|place| place.exists());
            let writable = place.is_some_and(|place| {
                rustix::fs::access(place, rustix::fs::Access::WRITE_OK).is_ok()
            });
            if writable {
                Finding::good(AREA, format!("{} can be written", folder.display()))
            } else {
                Finding::problem(
                    AREA,
                    format!("{} cannot be written", folder.display()),
                    remedy,
                )
            }
        }
    }
}

fn daemon() -> Finding {
    const AREA: &str = "daemon";
    let socket = folder::socket_to_ask();
    let status = Client::connect(&socket).and_then(|mut client| client.status());
    match status {
        Ok(status) => Finding::good(AREA, format!("running, {}", status.pipeline.state)),
        Err(error) => Finding::warning(
            AREA,
            format!("{error:#}"),
            "`denoised run` cleans now, `denoised service install` in every session",
        ),
    }
}
