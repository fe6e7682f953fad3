//! A device of PipeWire's as cpal sees devices: what its PulseAudio server says of it, with streams of its own.

use std::fmt;
use std::time::Duration;

use cpal::traits::DeviceTrait;
use cpal::{
    Data, DeviceDescription, DeviceId, InputCallbackInfo, OutputCallbackInfo, SampleFormat,
    StreamConfig, SupportedStreamConfig,
};

use super::super::pulse;
use super::stream::{self, Stream};
use crate::pipeline::Direction;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Device(pub pulse::Device);

impl Device {
    /// As a device of cpal.
    pub fn into_cpal(self) -> cpal::Device {
        cpal::platform::CustomDevice::from_device(self).into()
    }
}

impl DeviceTrait for Device {
    type SupportedInputConfigs = <pulse::Device as DeviceTrait>::SupportedInputConfigs;
    type SupportedOutputConfigs = <pulse::Device as DeviceTrait>::SupportedOutputConfigs;
    type Stream = Stream;

    fn description(&self) -> Result<DeviceDescription, cpal::Error> {
        self.0.description()
    }

    fn id(&self) -> Result<DeviceId, cpal::Error> {
        self.0.id()
    }

    fn supported_input_configs(&self) -> Result<Self::SupportedInputConfigs, cpal::Error> {
        self.0.supported_input_configs()
    }

    fn supported_output_configs(&self) -> Result<Self::SupportedOutputConfigs, cpal::Error> {
        self.0.supported_output_configs()
    }

    fn default_input_config(&self) -> Result<SupportedStreamConfig, cpal::Error> {
        self.0.default_input_config()
    }

    fn default_output_config(&self) -> Result<SupportedStreamConfig, cpal::Error> {
        self.0.default_output_config()
    }

    /// Its waiting is limited by the stream, not by `_timeout`.
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
        let shape = self.0.shape(Direction::Input, config, format)?;
        stream::record(&self.0.name, shape, callback, report)
    }

    /// Its waiting is limited by the stream, not by `_timeout`.
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
        let shape = self.0.shape(Direction::Output, config, format)?;
        stream::play(&self.0.name, shape, callback, report)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
