//! The shape of a stream in PipeWire's words: a pod of its format, and the properties of its node.

use std::io::Cursor;

use pipewire::keys;
use pipewire::properties::PropertiesBox;
use pipewire::spa;
use spa::param::ParamType;
use spa::param::audio::{AudioFormat, AudioInfoRaw};
use spa::pod::serialize::PodSerializer;
use spa::pod::{Object, Value};
use spa::utils::SpaTypes;

use super::super::pulse::Shape;
use crate::pipeline::Direction;

/// What a PulseAudio server adds to the name of a sink whose sound is recorded; for PipeWire it is the sink itself.
const MONITOR: &str = ".monitor";
/// One and two channels have their usual places; more are taken in the device's own order.
const PLACES: [&[u32]; 3] = [
    &[],
    &[spa::sys::SPA_AUDIO_CHANNEL_MONO],
    &[
        spa::sys::SPA_AUDIO_CHANNEL_FL,
        spa::sys::SPA_AUDIO_CHANNEL_FR,
    ],
];

/// `f32` samples of this shape, serialised.
pub fn pod(shape: &Shape) -> Option<Vec<u8>> {
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32LE);
    info.set_rate(shape.rate_hz);
    info.set_channels(shape.channels.num_channels().into());
    let places = PLACES.get(usize::from(shape.channels.num_channels()));
    if let Some(places) = places {
        let mut position = info.position();
        position[..places.len()].copy_from_slice(places);
        info.set_position(position);
    }
    let format = Value::Object(Object {
        type_: SpaTypes::ObjectParamFormat.as_raw(),
        id: ParamType::EnumFormat.as_raw(),
        properties: info.into(),
    });
    let (written, _) = PodSerializer::serialize(Cursor::new(Vec::new()), &format).ok()?;
    Some(written.into_inner())
}

/// A node that stays with the device of this name and runs with the other direction's, in cycles of a period.
pub fn properties(direction: Direction, device: &str, shape: &Shape) -> PropertiesBox {
    let mut properties = PropertiesBox::new();
    let (sink, is_monitor) = match device.strip_suffix(MONITOR) {
        Some(sink) if direction == Direction::Input => (sink, "true"),
        _ => (device, "false"),
    };
    let category = match direction {
        Direction::Input => "Capture",
        Direction::Output => "Playback",
    };
    let latency = format!("{}/{}", shape.period_frames, shape.rate_hz);
    let group = format!("denoised-{}", std::process::id());
    for (key, value) in [
        (*keys::MEDIA_TYPE, "Audio"),
        (*keys::MEDIA_CATEGORY, category),
        (*keys::APP_NAME, "denoised"),
        (*keys::TARGET_OBJECT, sink),
        (*keys::STREAM_CAPTURE_SINK, is_monitor),
        (*keys::NODE_LATENCY, &latency),
        (*keys::NODE_GROUP, &group),
    ] {
        properties.insert(key, value);
    }
    properties
}
