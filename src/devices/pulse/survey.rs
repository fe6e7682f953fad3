//! The devices of a server at one moment.

use std::ffi::CString;

use pulseaudio::protocol::{
    ChannelMap, SampleSpec, ServerInfo, SinkInfo, SourceFlags, SourceInfo, SourceOutputInfo,
};

use super::device::Device;
use super::{VIRTUAL_SINK, VIRTUAL_SOURCE};
use crate::pipeline::{DeviceInfo, Direction};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    pub server: ServerInfo,
    pub sinks: Vec<SinkInfo>,
    pub sources: Vec<SourceInfo>,
    /// Streams that record a source.
    pub recordings: Vec<SourceOutputInfo>,
}

impl Survey {
    /// Whether this is PipeWire in PulseAudio's place.
    pub fn is_pipewire(&self) -> bool {
        let name = self.server.server_name.as_ref().map(text);
        name.is_some_and(|name| name.contains("PipeWire"))
    }

    fn described(&self, direction: Direction) -> Vec<Described<'_>> {
        match direction {
            Direction::Input => self.sources.iter().map(Described::from).collect(),
            Direction::Output => self.sinks.iter().map(Described::from).collect(),
        }
    }

    /// Inputs, then outputs.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        let info = |direction, device: &Described| {
            let name = text(device.name);
            DeviceInfo {
                id: id(&name),
                host: HOST.into(),
                direction,
                is_default: self.default_device(direction).as_deref() == Some(&name),
                rates_hz: vec![device.sample_spec.sample_rate],
                channels: u16::from(device.sample_spec.channels),
                name: device.for_people(),
            }
        };
        let both = [Direction::Input, Direction::Output].into_iter();
        both.flat_map(|direction| {
            let devices = self.described(direction).into_iter();
            devices.map(move |device| info(direction, &device))
        })
        .collect()
    }

    /// The device of this name, to open streams on.
    pub fn device(&self, direction: Direction, name: &str) -> Option<Device> {
        let devices = self.described(direction);
        let device = devices.iter().find(|device| text(device.name) == name)?;
        Some(Device {
            direction,
            name: device.name.clone(),
            description: device.for_people(),
            rate_hz: device.sample_spec.sample_rate,
            channels: device.channel_map,
        })
    }

    /// Whether there is a device of this name.
    pub fn has(&self, direction: Direction, name: &str) -> bool {
        self.device(direction, name).is_some()
    }

    /// Name of the default device. Where the virtual microphone is installed, the default output
    /// is to play into it; where it is the default input, the first real microphone stands in for
    /// it: denoised must not record itself. So it does for a loudspeaker's monitor, which servers
    /// choose where the only microphone is unplugged.
    pub fn default_device(&self, direction: Direction) -> Option<String> {
        if direction == Direction::Output {
            if self.has(Direction::Output, VIRTUAL_SINK) {
                return Some(VIRTUAL_SINK.to_owned());
            }
            return self.server.default_sink_name.as_ref().map(text);
        }
        let default = self.server.default_source_name.as_ref().map(text);
        let source = |name: &String| self.sources.iter().find(|s| text(&s.name) == *name);
        let is_no_microphone = |s: &SourceInfo| is_own(s) || self.is_of_loudspeaker(s);
        if default
            .as_ref()
            .and_then(source)
            .is_some_and(is_no_microphone)
        {
            let real = |s: &&SourceInfo| !is_own(s) && s.monitor_of_sink_index.is_none();
            let hardware = |s: &&SourceInfo| real(s) && s.flags.contains(SourceFlags::HARDWARE);
            let stand_in = self.sources.iter().find(hardware);
            let stand_in = stand_in.or_else(|| self.sources.iter().find(real));
            return stand_in.map(|source| text(&source.name));
        }
        default
    }

    /// Whether a source is what a sound card plays; null sinks and the like carry what was meant for them. Their flags
    /// do not tell: PipeWire's null sinks are hardware by them.
    fn is_of_loudspeaker(&self, source: &SourceInfo) -> bool {
        let monitored = |sink: &&SinkInfo| source.monitor_of_sink_name.as_ref() == Some(&sink.name);
        let sink = self.sinks.iter().find(monitored);
        sink.is_some_and(|sink| sink.card_index.is_some())
    }

    /// Whether a program takes what is played into this sink, as far as that can be known: of the
    /// virtual microphone's.
    pub fn has_listeners(&self, sink: &str) -> Option<bool> {
        let name = (sink == VIRTUAL_SINK).then_some(VIRTUAL_SOURCE)?;
        let microphone = self.sources.iter().find(|s| text(&s.name) == name)?;
        let monitor = self.sources.iter().find(|s| feeds_own(s)).map(|s| s.index);
        // The source's own state is no help: PipeWire runs it whether or not it is recorded.
        let listens = |r: &SourceOutputInfo| {
            // The microphone itself records the monitor all the time.
            let by_microphone = r.owner_module_index == microphone.owner_module_index;
            let records_monitor = monitor == Some(r.source_index) && !by_microphone;
            !r.corked && (r.source_index == microphone.index || records_monitor)
        };
        Some(self.recordings.iter().any(listens))
    }
}

/// What sinks and sources have in common.
struct Described<'a> {
    name: &'a CString,
    description: Option<&'a CString>,
    sample_spec: SampleSpec,
    channel_map: ChannelMap,
}

impl Described<'_> {
    fn for_people(&self) -> String {
        text(self.description.unwrap_or(self.name))
    }
}

impl<'a> From<&'a SourceInfo> for Described<'a> {
    fn from(source: &'a SourceInfo) -> Self {
        Self {
            name: &source.name,
            description: source.description.as_ref(),
            sample_spec: source.sample_spec,
            channel_map: source.channel_map,
        }
    }
}

impl<'a> From<&'a SinkInfo> for Described<'a> {
    fn from(sink: &'a SinkInfo) -> Self {
        Self {
            name: &sink.name,
            description: sink.description.as_ref(),
            sample_spec: sink.sample_spec,
            channel_map: sink.channel_map,
        }
    }
}

/// The virtual microphone or what feeds it.
fn is_own(source: &SourceInfo) -> bool {
    text(&source.name) == VIRTUAL_SOURCE || feeds_own(source)
}

/// The monitor of what is played into for the virtual microphone.
fn feeds_own(source: &SourceInfo) -> bool {
    source.monitor_of_sink_name.as_ref().map(text).as_deref() == Some(VIRTUAL_SINK)
}

const HOST: &str = "pulseaudio";

/// The id of the device of this name, as cpal writes it.
pub fn id(name: &str) -> String {
    format!("{HOST}:{name}")
}

fn text(name: &CString) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, monitor_of: Option<&str>, hardware: bool) -> SourceInfo {
        SourceInfo {
            name: CString::new(name).unwrap(),
            monitor_of_sink_index: monitor_of.map(|_| 1),
            monitor_of_sink_name: monitor_of.map(|sink| CString::new(sink).unwrap()),
            flags: if hardware {
                SourceFlags::HARDWARE
            } else {
                SourceFlags::empty()
            },
            ..SourceInfo::default()
        }
    }

    fn survey(default: &str) -> Survey {
        Survey {
            server: ServerInfo {
                default_source_name: Some(CString::new(default).unwrap()),
                ..ServerInfo::default()
            },
            sinks: vec![SinkInfo::new_dummy(1)],
            sources: vec![
                source("denoised.monitor", Some("denoised"), false),
                source("denoised_mic", None, false),
                source("speaker.monitor", Some("speaker"), false),
                source("effect", None, false),
                source("usb", None, true),
            ],
            recordings: Vec::new(),
        }
    }

    #[test]
    fn never_takes_its_own_output_as_the_default_microphone() {
        let default = |name| survey(name).default_device(Direction::Input).unwrap();
        assert_eq!(default("effect"), "effect");
        assert_eq!(default("speaker.monitor"), "speaker.monitor");
        assert_eq!(default("denoised_mic"), "usb");
        assert_eq!(default("denoised.monitor"), "usb");
        let marked: Vec<_> = survey("denoised_mic").devices();
        let marked: Vec<_> = marked
            .iter()
            .filter(|d| d.is_default)
            .map(|d| &d.id)
            .collect();
        assert_eq!(marked, ["pulseaudio:usb"]);
    }

    #[test]
    fn never_takes_a_loudspeaker_as_the_default_microphone() {
        let mut survey = survey("speaker.monitor");
        survey.sinks[0].name = CString::new("speaker").unwrap();
        survey.sinks[0].card_index = Some(1);
        let default = |survey: &Survey| survey.default_device(Direction::Input);
        assert_eq!(default(&survey).as_deref(), Some("usb"));
        survey.sources.truncate(3);
        assert_eq!(default(&survey), None, "unplugged");
    }

    #[test]
    fn knows_who_listens_to_the_virtual_microphone_alone() {
        let mut survey = survey("usb");
        assert_eq!(survey.has_listeners("speaker"), None);
        assert_eq!(survey.has_listeners("denoised"), Some(false));
        survey.sources[1].index = 7;
        let recording = |corked| SourceOutputInfo {
            source_index: 7,
            corked,
            ..SourceOutputInfo::default()
        };
        survey.recordings = vec![recording(true)];
        assert_eq!(survey.has_listeners("denoised"), Some(false), "paused");
        survey.recordings.push(recording(false));
        assert_eq!(survey.has_listeners("denoised"), Some(true));
    }

    #[test]
    fn who_records_the_virtual_microphones_monitor_listens_but_for_itself() {
        let mut survey = survey("usb");
        let module = Some(20);
        (survey.sources[0].index, survey.sources[1].index) = (3, 7);
        survey.sources[1].owner_module_index = module;
        let recording = |owner_module_index| SourceOutputInfo {
            source_index: 3,
            owner_module_index,
            ..SourceOutputInfo::default()
        };
        survey.recordings = vec![recording(module)];
        assert_eq!(survey.has_listeners("denoised"), Some(false));
        survey.recordings.push(recording(None));
        assert_eq!(survey.has_listeners("denoised"), Some(true));
    }
}
