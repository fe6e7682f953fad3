//! A device of a server as cpal sees devices: streams of `f32`, which the server converts.
//!
//! cpal's own host for such servers clears a megabyte for every message and asks for the time at every
//! callback: together that costs more than the network. It also allows a recording no room for bursts.

use std::ffi::CString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use cpal::traits::DeviceTrait;
use cpal::{
    BufferSize, Data, DeviceDescription, DeviceDescriptionBuilder, DeviceId, ErrorKind, FrameCount,
    HostId, InputCallbackInfo, OutputCallbackInfo, SampleFormat, StreamConfig, SupportedBufferSize,
    SupportedStreamConfig, SupportedStreamConfigRange,
};
use pulseaudio::protocol::ChannelMap;
use pulseaudio::protocol::sample_spec::MAX_RATE;

use super::stream::{self, Shape, Stream};
use crate::pipeline::Direction;

/// Lowest rate that is worth converting.
const MIN_RATE_HZ: u32 = 1_000;
/// Longest period: a second at 48 kHz.
const LONGEST_PERIOD_FRAMES: FrameCount = 48_000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub direction: Direction,
    /// Its name for the server.
    pub name: CString,
    /// Its name for people.
    pub description: String,
    pub rate_hz: u32,
    pub channels: ChannelMap,
}

impl Device {
    /// As a device of cpal.
    pub fn into_cpal(self) -> cpal::Device {
        cpal::platform::CustomDevice::from_device(self).into()
    }

    fn default_config(&self, direction: Direction) -> Result<SupportedStreamConfig, cpal::Error> {
        self.check(direction)?;
        Ok(SupportedStreamConfig::new(
            self.channels.num_channels().into(),
            self.rate_hz,
            PERIODS,
            SampleFormat::F32,
        ))
    }

    /// The device's own channels, and those that a server converts to and from by plain rules.
    fn configs(&self, direction: Direction) -> Vec<SupportedStreamConfigRange> {
        if direction != self.direction {
            return Vec::new();
        }
        let own = u16::from(self.channels.num_channels());
        let plain = [1, 2].into_iter().filter(|channels| *channels != own);
        std::iter::once(own)
            .chain(plain)
            .map(|channels| {
                SupportedStreamConfigRange::new(
                    channels,
                    MIN_RATE_HZ,
                    MAX_RATE,
                    PERIODS,
                    SampleFormat::F32,
                )
            })
            .collect()
    }

    fn check(&self, direction: Direction) -> Result<(), cpal::Error> {
        match direction == self.direction {
            true => Ok(()),
            false => Err(cpal::Error::new(ErrorKind::UnsupportedOperation)),
        }
    }

    /// The stream that `config` asks for.
    ///
    /// # Errors
    /// For the other direction, or a format that [`Self::configs`] does not have.
    pub fn shape(
        &self,
        direction: Direction,
        config: StreamConfig,
        format: SampleFormat,
    ) -> Result<Shape, cpal::Error> {
        self.check(direction)?;
        let own = u16::from(self.channels.num_channels());
        let channels = match config.channels {
            channels if channels == own => self.channels,
            1 => ChannelMap::mono(),
            2 => ChannelMap::stereo(),
            _ => return Err(cpal::Error::new(ErrorKind::UnsupportedConfig)),
        };
        match (format, config.buffer_size) {
            (SampleFormat::F32, BufferSize::Fixed(period_frames)) => Ok(Shape {
                rate_hz: config.sample_rate,
                channels,
                period_frames,
            }),
            _ => Err(cpal::Error::new(ErrorKind::UnsupportedConfig)),
        }
    }
}

const PERIODS: SupportedBufferSize = SupportedBufferSize::Range {
    min: 1,
    max: LONGEST_PERIOD_FRAMES,
};

impl DeviceTrait for Device {
    type SupportedInputConfigs = std::vec::IntoIter<SupportedStreamConfigRange>;
    type SupportedOutputConfigs = std::vec::IntoIter<SupportedStreamConfigRange>;
    type Stream = Stream;

    fn description(&self) -> Result<DeviceDescription, cpal::Error> {
        Ok(DeviceDescriptionBuilder::new(self.description.clone()).build())
    }

    fn id(&self) -> Result<DeviceId, cpal::Error> {
        Ok(DeviceId::new(
            HostId::PulseAudio,
            self.name.to_string_lossy(),
        ))
    }

    fn supported_input_configs(&self) -> Result<Self::SupportedInputConfigs, cpal::Error> {
        Ok(self.configs(Direction::Input).into_iter())
    }

    fn supported_output_configs(&self) -> Result<Self::SupportedOutputConfigs, cpal::Error> {
        Ok(self.configs(Direction::Output).into_iter())
    }

    fn default_input_config(&self) -> Result<SupportedStreamConfig, cpal::Error> {
        self.default_config(Direction::Input)
    }

    fn default_output_config(&self) -> Result<SupportedStreamConfig, cpal::Error> {
        self.default_config(Direction::Output)
    }

    /// Its waiting is limited by the connection, not by `_timeout`.
    fn build_input_stream_raw<D, E>(
        &self,
        config: StreamConfig,
        format: SampleFormat,
        callback: D,
        report: E,
        _timeout: Option<Duration>,
    ) -> Result<Stream, cpal::Error>
    where
        D: FnMut(&Data, &InputCallbackInfo) + Send + 'static,
        E: FnMut(cpal::Error) + Send + 'static,
    {
        let shape = self.shape(Direction::Input, config, format)?;
        stream::record(&self.name, shape, callback, report)
    }

    /// Its waiting is limited by the connection, not by `_timeout`.
    fn build_output_stream_raw<D, E>(
        &self,
        config: StreamConfig,
        format: SampleFormat,
        callback: D,
        report: E,
        _timeout: Option<Duration>,
    ) -> Result<Stream, cpal::Error>
    where
        D: FnMut(&mut Data, &OutputCallbackInfo) + Send + 'static,
        E: FnMut(cpal::Error) + Send + 'static,
    {
        let shape = self.shape(Direction::Output, config, format)?;
        stream::play(&self.name, shape, callback, report)
    }
}

impl Hash for Device {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.description)
    }
}
