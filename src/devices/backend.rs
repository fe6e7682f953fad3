//! cpal as the pipeline's backend: its own hosts, and PulseAudio's devices as [`pulse`](super::pulse) makes them.

use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{DeviceId, HostId};
use crossbeam_channel::Sender;

use super::choice;
use super::deadline::within;
use super::host_devices::list;
#[cfg(feature = "pipewire")]
use super::pipewire;
use super::pulse::{Survey, VIRTUAL_SINK, Watch, Watched};
use super::stream::{self, Format, Found, Side};
use crate::pipeline::{
    Backend, CaptureSide, DeviceChoice, DeviceError, DeviceErrorKind, DeviceInfo, Direction,
    OpenStream, PlaybackSide, StreamEvent, StreamHandle, StreamWish,
};

/// A server may take this long to start a stream; a Bluetooth headset needs about two seconds.
const OPENING: Duration = Duration::from_secs(5);
/// A hanging server must not hold up the daemon when it closes a stream.
const CLOSING: Duration = Duration::from_secs(1);

/// Opens devices through cpal.
///
/// Devices of a PulseAudio server (or PipeWire's) come first; where none runs, and none has run
/// since this was made, the default is ALSA's. Devices of the other hosts are found by their ids,
/// such as `alsa:default`. Built with the feature `pipewire`, streams of PipeWire's devices are its own, not
/// those of its PulseAudio server, which add more latency.
#[derive(Default)]
pub struct CpalBackend {
    pulse: Option<Watch>,
    /// A server that is gone comes back: the sound card is not to be taken from under it.
    had_pulse: bool,
    /// Whether the default output was the virtual microphone's.
    had_virtual_sink: bool,
    told_of_alsa: bool,
}

impl CpalBackend {
    /// Connects to nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The server, watched anew if need be.
    fn pulse(&mut self) -> Result<&Watch, DeviceError> {
        let alive = self.pulse.take_if(|watch| watch.survey().is_ok());
        let watch = match alive {
            Some(watch) => watch,
            None => Watch::start()?,
        };
        if let Some(ended) = &self.pulse {
            watch.take_over(ended);
        }
        self.had_pulse = true;
        Ok(self.pulse.insert(watch))
    }

    /// The host for those who name none.
    fn default_host(&mut self) -> Result<HostId, DeviceError> {
        let had_pulse = self.had_pulse;
        match self.pulse() {
            Ok(_) => Ok(HostId::PulseAudio),
            Err(error) if had_pulse => Err(error),
            Err(error) => {
                if !std::mem::replace(&mut self.told_of_alsa, true) {
                    log::info!("using ALSA: {error}");
                }
                Ok(HostId::Alsa)
            }
        }
    }

    fn find(
        &mut self,
        choice: &DeviceChoice,
        direction: Direction,
    ) -> Result<DeviceInfo, DeviceError> {
        let named = match choice {
            DeviceChoice::Default => None,
            DeviceChoice::Id(text) | DeviceChoice::NamePart(text) => {
                text.parse::<DeviceId>().ok().map(|id| id.host())
            }
        };
        let host = match named {
            Some(host) => host,
            None => self.default_host()?,
        };
        let device = choice::find(choice, direction, &self.devices_of(host)?).cloned()?;
        if direction == Direction::Output && *choice == DeviceChoice::Default {
            self.check_default_output(&device)?;
        }
        Ok(device)
    }

    /// What was played into the virtual microphone is not to come out of the loudspeakers once it is gone: they would
    /// howl.
    fn check_default_output(&mut self, device: &DeviceInfo) -> Result<(), DeviceError> {
        let is_virtual = device.id == super::pulse::id(VIRTUAL_SINK);
        if self.had_virtual_sink && !is_virtual {
            return Err(DeviceError::new(
                DeviceErrorKind::NotAvailable,
                "the virtual microphone is gone: `denoised mic install` brings it back, --output \
                 names a speaker",
            ));
        }
        self.had_virtual_sink = is_virtual;
        Ok(())
    }

    fn devices_of(&mut self, host: HostId) -> Result<Vec<DeviceInfo>, DeviceError> {
        if host == HostId::PulseAudio {
            return Ok(self.pulse()?.survey()?.devices());
        }
        let list = move || Ok(list(&cpal::host_from_id(host)?)?);
        within(OPENING, list).unwrap_or_else(|| Err(hangs()))
    }

    fn open(
        &mut self,
        choice: &DeviceChoice,
        wish: &StreamWish,
        side: Side,
        events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError> {
        let direction = side.direction();
        let device = self.find(choice, direction)?;
        let id: DeviceId = device.id.parse()?;
        let (wish, name) = (wish.clone(), id.id().to_owned());
        let survey = match id.host() {
            HostId::PulseAudio => Some(self.pulse()?.survey()?),
            _ => None,
        };
        let for_stream = events.clone();
        let opened = within(OPENING, move || {
            let found = match survey {
                Some(survey) => on_server(&survey, &id, direction),
                None => device_of(&cpal::host_from_id(id.host())?, &id, direction)?.map(|device| {
                    Found {
                        device,
                        asks_early: false,
                    }
                }),
            };
            let gone =
                || DeviceError::new(DeviceErrorKind::NotAvailable, format!("no device {id}"));
            stream::open(&found.ok_or_else(gone)?, &wish, side, for_stream)
        });
        let (stream, format) = opened.unwrap_or_else(|| Err(hangs()))?;
        let watched = match &self.pulse {
            Some(watch) if device.host == HostId::PulseAudio.to_string() => {
                Some(watch.add(direction, &name, events))
            }
            _ => None,
        };
        let handle = Handle {
            stream: Some(stream),
            _watched: watched,
        };
        Ok(describe(device, format, handle))
    }
}

impl Backend for CpalBackend {
    fn devices(&mut self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let had_pulse = self.had_pulse;
        let survey = match self.pulse() {
            Ok(watch) => Some(watch.survey()?),
            Err(error) if had_pulse => return Err(error),
            Err(_) => None,
        };
        let mut devices = survey.as_ref().map(Survey::devices).unwrap_or_default();
        let default_host = self.default_host()?;
        for host in cpal::available_hosts() {
            if host != HostId::PulseAudio {
                // One host that fails must not hide the others' devices.
                let mut others = self.devices_of(host).unwrap_or_default();
                for device in &mut others {
                    device.is_default &= host == default_host;
                }
                devices.extend(others);
            }
        }
        Ok(devices)
    }

    fn default_device(&mut self, direction: Direction) -> Result<Option<String>, DeviceError> {
        match self.default_host()? {
            HostId::PulseAudio => {
                let survey = self.pulse()?.survey()?;
                Ok(survey
                    .default_device(direction)
                    .map(|name| super::pulse::id(&name)))
            }
            // Without a server "default" is a device of that name, which moves by itself.
            _ => Ok(None),
        }
    }

    fn open_input(
        &mut self,
        choice: &DeviceChoice,
        wish: &StreamWish,
        side: CaptureSide,
        events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError> {
        self.open(choice, wish, Side::Capture(side), events)
    }

    fn open_output(
        &mut self,
        choice: &DeviceChoice,
        wish: &StreamWish,
        side: PlaybackSide,
        events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError> {
        self.open(choice, wish, Side::Playback(side), events)
    }
}

/// An open stream, closed on drop.
struct Handle {
    stream: Option<cpal::Stream>,
    _watched: Option<Watched>,
}

impl StreamHandle for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        let stream = self.stream.take();
        within(CLOSING, move || drop(stream));
    }
}

fn describe(device: DeviceInfo, format: Format, handle: Handle) -> OpenStream {
    OpenStream {
        device,
        rate_hz: format.rate_hz,
        channels: format.channels,
        format: format.sample.to_string(),
        period_frames: format.period_frames,
        handle: Box::new(handle),
    }
}

/// A host's device of this id; some hosts have one id for both directions.
fn device_of(
    host: &cpal::Host,
    id: &DeviceId,
    direction: Direction,
) -> Result<Option<cpal::Device>, cpal::Error> {
    Ok(host.devices()?.find(|device| {
        device.id().is_ok_and(|own| own == *id)
            && match direction {
                Direction::Input => device.supports_input(),
                Direction::Output => device.supports_output(),
            }
    }))
}

/// The server's device, on PipeWire's own graph where that is to be had.
fn on_server(survey: &Survey, id: &DeviceId, direction: Direction) -> Option<Found> {
    let device = survey.device(direction, id.id())?;
    #[cfg(feature = "pipewire")]
    if survey.is_pipewire() && pipewire::answers() {
        return Some(Found {
            device: pipewire::Device(device).into_cpal(),
            asks_early: false,
        });
    }
    Some(Found {
        device: device.into_cpal(),
        asks_early: true,
    })
}

fn hangs() -> DeviceError {
    let seconds = OPENING.as_secs();
    DeviceError::new(
        DeviceErrorKind::Busy,
        format!("the device did not start within {seconds} s"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loudspeakers_do_not_stand_in_for_the_virtual_microphone() {
        let output = |id: &str| DeviceInfo {
            id: id.into(),
            name: id.into(),
            host: "pulseaudio".into(),
            direction: Direction::Output,
            is_default: true,
            rates_hz: vec![48_000],
            channels: 2,
        };
        let [speaker, sink] = ["pulseaudio:speaker", "pulseaudio:denoised"].map(output);
        let mut backend = CpalBackend::new();
        for device in [&speaker, &sink] {
            backend.check_default_output(device).unwrap();
        }
        for _ in 0..2 {
            let error = backend.check_default_output(&speaker).unwrap_err();
            assert_eq!(error.kind, DeviceErrorKind::NotAvailable);
        }
        backend.check_default_output(&sink).unwrap();
    }
}
