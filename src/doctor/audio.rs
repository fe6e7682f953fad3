//! The audio server, the devices that the settings name, and the virtual microphone.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use super::Finding;
use crate::devices::CpalBackend;
use crate::devices::pulse::Connection;
use crate::pipeline::queue::{QueueState, capture_queue, playback_queue};
use crate::pipeline::{
    Backend, DeviceChoice, DeviceError, DeviceErrorKind, Direction, OpenStream, StreamWish,
};
use crate::service::config::Settings;
use crate::virtual_mic;

/// How long a microphone is listened to; a working one is never digitally silent for so long.
const LISTEN: Duration = Duration::from_millis(700);
/// A device that does not call back within this time does not work.
const PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(5);

const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// All checks; a daemon that runs may hold the devices itself.
pub fn examine(settings: &Settings, daemon_runs: bool, tell: &mut impl FnMut(Finding)) {
    tell(server());
    let mut backend = CpalBackend::new();
    let pipeline = settings.pipeline();
    let microphone = microphone(&mut backend, &pipeline.input, &pipeline.input_wish);
    tell(microphone.unwrap_or_else(|error| cannot_open(Direction::Input, &error, daemon_runs)));
    match &pipeline.output {
        Some(choice) => {
            let speaker = speaker(&mut backend, choice, &pipeline.output_wish);
            tell(
                speaker.unwrap_or_else(|error| cannot_open(Direction::Output, &error, daemon_runs)),
            );
        }
        None => tell(Finding::good(OUTPUT, "none is wanted")),
    }
    tell(virtual_microphone());
}

fn server() -> Finding {
    const AREA: &str = "server";
    let survey = Connection::open().and_then(|mut connection| connection.survey());
    match survey {
        Ok(survey) => {
            let text = |text: &Option<std::ffi::CString>| {
                text.as_ref().map(|t| t.to_string_lossy().into_owned())
            };
            let name = text(&survey.server.server_name).unwrap_or_else(|| "unnamed".into());
            let version = text(&survey.server.server_version).unwrap_or_default();
            Finding::good(AREA, format!("{name} {version}").trim_end())
        }
        Err(error) => Finding::warning(AREA, error.to_string(), server_remedy(error.kind)),
    }
}

fn server_remedy(kind: DeviceErrorKind) -> &'static str {
    match kind {
        DeviceErrorKind::PermissionDenied => {
            "the server asks for its cookie, ~/.config/pulse/cookie: run as the user of the \
             session, and with the same XDG_CONFIG_HOME"
        }
        _ => {
            "start it (`systemctl --user start pipewire-pulse`, or `pulseaudio --start`); until \
             then ALSA is used, which serves one program at a time and has no virtual microphone"
        }
    }
}

fn microphone(
    backend: &mut CpalBackend,
    choice: &DeviceChoice,
    wish: &StreamWish,
) -> Result<Finding, DeviceError> {
    let (side, mut drain) = capture_queue(thread::current());
    let (events, _reported) = bounded(16);
    let stream = backend.open_input(choice, wish, side, events)?;
    if !calls_back(drain.state()) {
        return Ok(silent_device(INPUT, &stream));
    }
    let mut peak = 0f32;
    let start = Instant::now();
    while start.elapsed() < LISTEN {
        while drain.pop(|samples, _, _| {
            peak = samples.iter().fold(peak, |peak, x| x.abs().max(peak));
        }) {}
        thread::sleep(POLL);
    }
    let what = describe(&stream);
    if peak == 0.0 {
        let remedy = "if it is not a virtual one that nobody plays into: unmute it (in the \
                      desktop's sound settings, or `pactl set-source-mute @DEFAULT_SOURCE@ 0`), or \
                      choose another of `denoised devices` with --input";
        return Ok(Finding::warning(
            INPUT,
            format!("{what}: digital silence"),
            remedy,
        ));
    }
    let peak_dbfs = 20.0 * peak.log10();
    Ok(Finding::good(
        INPUT,
        format!("{what}, peak {peak_dbfs:.0} dBFS"),
    ))
}

fn speaker(
    backend: &mut CpalBackend,
    choice: &DeviceChoice,
    wish: &StreamWish,
) -> Result<Finding, DeviceError> {
    // Nothing is queued, so nothing is heard.
    let (feed, side) = playback_queue();
    let (events, _reported) = bounded(16);
    let stream = backend.open_output(choice, wish, side, events)?;
    Ok(if calls_back(feed.state()) {
        Finding::good(OUTPUT, describe(&stream))
    } else {
        silent_device(OUTPUT, &stream)
    })
}

fn virtual_microphone() -> Finding {
    const AREA: &str = "virtual mic";
    let remedy = "`denoised mic install` makes it, now and at every login";
    match virtual_mic::status() {
        Err(error) => Finding::warning(AREA, format!("{error:#}"), remedy),
        Ok(status) => match status.loaded {
            Err(_) => Finding::warning(
                AREA,
                "not there: it needs an audio server",
                "see the server above",
            ),
            Ok(false) => Finding::warning(AREA, "not there", remedy),
            Ok(true) if status.files.is_empty() => {
                Finding::warning(AREA, "there now, but not after the next login", remedy)
            }
            Ok(true) => Finding::good(AREA, format!("programs can pick \"{}\"", virtual_mic::NAME)),
        },
    }
}

fn calls_back(queue: &QueueState) -> bool {
    let start = Instant::now();
    while queue.callbacks() == 0 && start.elapsed() < PATIENCE {
        thread::sleep(POLL);
    }
    queue.callbacks() > 0
}

fn describe(stream: &OpenStream) -> String {
    format!(
        "{} ({}, {} Hz, {} channels, {})",
        stream.device.name, stream.device.id, stream.rate_hz, stream.channels, stream.format
    )
}

fn silent_device(area: &'static str, stream: &OpenStream) -> Finding {
    Finding::problem(
        area,
        format!("{} opens, but delivers nothing", describe(stream)),
        "plug it in again or restart the audio server; `denoised devices` lists others",
    )
}

fn cannot_open(direction: Direction, error: &DeviceError, daemon_runs: bool) -> Finding {
    let (area, flag) = match direction {
        Direction::Input => (INPUT, "--input"),
        Direction::Output => (OUTPUT, "--output"),
    };
    if daemon_runs && error.kind == DeviceErrorKind::Busy {
        return Finding::good(area, "held by the running daemon");
    }
    let remedy = match error.kind {
        DeviceErrorKind::Busy => {
            "another program holds it: close that one, or use an audio server, which shares devices"
                .to_owned()
        }
        DeviceErrorKind::PermissionDenied => {
            "without an audio server the user must be in the group audio (`sudo usermod -aG audio \
             $USER`, then log in again); in a sandbox, allow it sound"
                .to_owned()
        }
        DeviceErrorKind::HostUnavailable => {
            server_remedy(DeviceErrorKind::HostUnavailable).to_owned()
        }
        _ => format!("`denoised devices` lists what there is: choose with {flag}, or plug it in"),
    };
    Finding::problem(area, error.to_string(), remedy)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn every_failure_to_open_has_a_remedy_of_its_own() {
        let remedy = |kind| {
            let error = DeviceError::new(kind, "why");
            let finding = cannot_open(Direction::Input, &error, false);
            assert_eq!(finding.verdict, Verdict::Problem);
            finding.remedy.unwrap_or_default()
        };
        assert!(remedy(DeviceErrorKind::NotAvailable).contains("--input"));
        assert!(remedy(DeviceErrorKind::Busy).contains("another program"));
        assert!(remedy(DeviceErrorKind::PermissionDenied).contains("group audio"));
        assert!(remedy(DeviceErrorKind::HostUnavailable).contains("start"));
        let busy = DeviceError::new(DeviceErrorKind::Busy, "why");
        let ours = cannot_open(Direction::Output, &busy, true);
        assert_eq!(ours.verdict, Verdict::Good);
    }
}
