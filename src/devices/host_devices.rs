//! The devices of a host other than PulseAudio: sound cards by name, not the dozens of plug-ins beside them.

use cpal::HostId;
use cpal::traits::{DeviceTrait, HostTrait};

use crate::pipeline::{DeviceInfo, Direction};

/// Lists the devices of a host as cpal knows them, inputs first.
pub fn list(host: &cpal::Host) -> Result<Vec<DeviceInfo>, cpal::Error> {
    let id = |device: Option<cpal::Device>| device.and_then(|device| device.id().ok());
    let (default_input, default_output) = (
        id(host.default_input_device()),
        id(host.default_output_device()),
    );
    let mut devices = Vec::new();
    for device in host.devices()? {
        let own = device.id()?;
        if own.host() == HostId::Alsa && !is_plain(own.id()) {
            continue;
        }
        let name = device.description()?.name().to_owned();
        let describe = |direction, is_default, ranges: Vec<cpal::SupportedStreamConfigRange>| {
            let mut rates_hz: Vec<_> = ranges
                .iter()
                .flat_map(|range| [range.min_sample_rate(), range.max_sample_rate()])
                .collect();
            rates_hz.sort_unstable();
            rates_hz.dedup();
            DeviceInfo {
                id: own.to_string(),
                name: name.clone(),
                host: own.host().to_string(),
                direction,
                is_default,
                rates_hz,
                channels: ranges
                    .iter()
                    .map(|range| range.channels())
                    .max()
                    .unwrap_or(0),
            }
        };
        // A device that cannot be asked, such as a busy one, does not take this direction now.
        if let Ok(ranges) = device.supported_input_configs()
            && device.supports_input()
        {
            let is_default = default_input.as_ref() == Some(&own);
            devices.push(describe(Direction::Input, is_default, ranges.collect()));
        }
        if let Ok(ranges) = device.supported_output_configs()
            && device.supports_output()
        {
            let is_default = default_output.as_ref() == Some(&own);
            devices.push(describe(Direction::Output, is_default, ranges.collect()));
        }
    }
    devices.sort_by_key(|device| device.direction == Direction::Output);
    Ok(devices)
}

/// Whether an ALSA device is the default or a sound card, converting or not, by the card's name:
/// there are dozens of other plug-ins, and numbers of cards change.
fn is_plain(id: &str) -> bool {
    let card = id
        .strip_prefix("hw:CARD=")
        .or(id.strip_prefix("plughw:CARD="));
    id == "default" || card.is_some_and(|card| !card.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_sound_cards_by_name_alone() {
        for id in ["default", "hw:CARD=PCH,DEV=0", "plughw:CARD=Yeti,DEV=0"] {
            assert!(is_plain(id), "{id}");
        }
        for id in ["hw:CARD=0,DEV=0", "surround51:CARD=PCH", "null"] {
            assert!(!is_plain(id), "{id}");
        }
    }
}
