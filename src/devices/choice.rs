//! Which device a user means.

use crate::pipeline::{DeviceChoice, DeviceError, DeviceErrorKind, DeviceInfo, Direction};

/// Finds the device of `direction` that `choice` means among `devices`.
///
/// A part of a name that fits several devices means the one whose name or id it is as a whole.
///
/// # Errors
/// `NotAvailable` with what there is instead; `Unsupported` when several devices fit.
pub fn find<'a>(
    choice: &DeviceChoice,
    direction: Direction,
    devices: &'a [DeviceInfo],
) -> Result<&'a DeviceInfo, DeviceError> {
    let all = || devices.iter().filter(move |d| d.direction == direction);
    match choice {
        DeviceChoice::Default => all()
            .find(|d| d.is_default)
            .ok_or_else(|| not_available(format!("there is no default {direction} device"), all())),
        DeviceChoice::Id(id) => all()
            .find(|device| device.id == *id)
            .ok_or_else(|| not_available(format!("there is no {direction} device {id}"), all())),
        DeviceChoice::NamePart(part) => {
            let part = part.to_lowercase();
            if let Some(device) = all().find(|device| is_whole(device, &part)) {
                return Ok(device);
            }
            let fitting: Vec<_> = all().filter(|device| contains(device, &part)).collect();
            match fitting[..] {
                [device] => Ok(device),
                [] => Err(not_available(
                    format!("no {direction} device has \"{part}\" in its name or id"),
                    all(),
                )),
                _ => Err(DeviceError::new(
                    DeviceErrorKind::Unsupported,
                    format!(
                        "\"{part}\" fits several {direction} devices: {}",
                        list(fitting.into_iter())
                    ),
                )),
            }
        }
    }
}

/// Whether lower-case `text` is all of the device's name, id, or id without its host.
fn is_whole(device: &DeviceInfo, text: &str) -> bool {
    let id = device.id.to_lowercase();
    let bare = id.split_once(':').map_or("", |(_, bare)| bare);
    id == text || bare == text || device.name.to_lowercase() == text
}

fn contains(device: &DeviceInfo, text: &str) -> bool {
    device.id.to_lowercase().contains(text) || device.name.to_lowercase().contains(text)
}

fn not_available<'a>(
    problem: String,
    devices: impl Iterator<Item = &'a DeviceInfo>,
) -> DeviceError {
    let there = list(devices);
    let hint = if there.is_empty() {
        "there are none".into()
    } else {
        format!("there are {there}")
    };
    DeviceError::new(DeviceErrorKind::NotAvailable, format!("{problem}; {hint}"))
}

fn list<'a>(devices: impl Iterator<Item = &'a DeviceInfo>) -> String {
    let ids: Vec<_> = devices.map(|device| device.id.as_str()).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, name: &str, direction: Direction) -> DeviceInfo {
        DeviceInfo {
            id: id.into(),
            name: name.into(),
            host: "pulseaudio".into(),
            direction,
            is_default: id.ends_with("headset"),
            rates_hz: vec![48_000],
            channels: 1,
        }
    }

    fn devices() -> Vec<DeviceInfo> {
        vec![
            device("pulseaudio:usb", "Blue Yeti", Direction::Input),
            device("pulseaudio:usb-2", "Blue Snowball", Direction::Input),
            device("pulseaudio:headset", "Headset", Direction::Input),
            device("pulseaudio:speaker", "Blue Speaker", Direction::Output),
        ]
    }

    fn id_of(choice: DeviceChoice, direction: Direction) -> Result<String, DeviceError> {
        find(&choice, direction, &devices()).map(|device| device.id.clone())
    }

    fn part(text: &str) -> Result<String, DeviceError> {
        id_of(DeviceChoice::NamePart(text.into()), Direction::Input)
    }

    #[test]
    fn finds_by_part_id_and_default() {
        assert_eq!(part("yeti").unwrap(), "pulseaudio:usb");
        assert_eq!(part("SNOW").unwrap(), "pulseaudio:usb-2");
        assert_eq!(part("usb").unwrap(), "pulseaudio:usb", "a whole id wins");
        assert_eq!(part("pulseaudio:usb").unwrap(), "pulseaudio:usb");
        let default = id_of(DeviceChoice::Default, Direction::Input);
        assert_eq!(default.unwrap(), "pulseaudio:headset");
        let blue = DeviceChoice::NamePart("blue".into());
        assert_eq!(
            id_of(blue, Direction::Output).unwrap(),
            "pulseaudio:speaker"
        );
    }

    #[test]
    fn says_what_fits_and_what_there_is() {
        let ambiguous = part("blue").unwrap_err();
        assert_eq!(ambiguous.kind, DeviceErrorKind::Unsupported);
        assert!(
            ambiguous
                .message
                .contains("pulseaudio:usb, pulseaudio:usb-2")
        );
        let missing = part("webcam").unwrap_err();
        assert_eq!(missing.kind, DeviceErrorKind::NotAvailable);
        assert!(missing.message.contains("pulseaudio:headset"));
        let id = DeviceChoice::Id("pulseaudio:us".into());
        assert!(id_of(id, Direction::Input).is_err());
        assert!(id_of(DeviceChoice::Default, Direction::Output).is_err());
    }
}
