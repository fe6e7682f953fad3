//! Everything that can be set. A field here is a flag of `denoised run`, a `DENOISED_…` variable
//! and a key of the configuration file at once: one parser, one help text, one default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueHint::{AnyPath, FilePath};

use crate::arguments;
use crate::corruption::live::LiveOptions;
use crate::pipeline::{self, Mode, Sound, StreamWish};

/// The daemon's settings, all values checked.
#[derive(clap::Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Settings (flag, variable or key of the configuration file)")]
pub struct Settings {
    /// Microphone: an id or part of a name that `denoised devices` shows; `default` follows the
    /// system's choice
    #[arg(
        long,
        value_name = "DEVICE",
        env = "DENOISED_INPUT",
        default_value = "default"
    )]
    pub input: String,

    /// Where the result is played: as for input, or `none`; `default` is the virtual microphone
    /// where there is one
    #[arg(
        long,
        value_name = "DEVICE",
        env = "DENOISED_OUTPUT",
        default_value = "default"
    )]
    pub output: String,

    /// What happens to the sound: cleaned, passed on, made noisy, or made noisy and then cleaned
    #[arg(
        long,
        value_name = "clean|bypass|corrupt|corrupt+clean",
        env = "DENOISED_MODE",
        default_value_t
    )]
    pub mode: Mode,

    /// Noise for the corrupting modes: signal-to-noise ratio in dB and a folder of recordings or a
    /// kind of noise
    #[arg(
        long,
        value_name = "snr=DB,noise=DIR|KIND",
        env = "DENOISED_CORRUPT",
        default_value = "snr=5,noise=pink"
    )]
    pub corrupt: LiveOptions,

    /// Weights to clean with: a file, or what `denoised models` lists [default: denoised]
    #[arg(long, value_name = "NAME|FILE", env = "DENOISED_MODEL", value_hint = AnyPath)]
    pub model: Option<PathBuf>,

    /// Weights of a lighter model, for when the machine is too busy for the other one [default: light, if both delay
    /// the sound alike]
    #[arg(long, value_name = "NAME|FILE", env = "DENOISED_LIGHT_MODEL", value_hint = AnyPath)]
    pub light_model: Option<PathBuf>,

    /// Lower noise by this much at most, in dB, or off for no limit
    #[arg(long, value_name = "DB", env = "DENOISED_ATTEN_LIMIT_DB", default_value = arguments::ATTEN_LIMIT_DB, value_parser = arguments::attenuation_db)]
    pub atten_limit_db: f32,

    /// Share of cleaned sound in the output: 0 is the input, 1 the cleaned sound
    #[arg(long, value_name = "0..1", env = "DENOISED_MIX", default_value_t = 1.0, value_parser = arguments::share)]
    pub mix: f32,

    /// Gain before everything else, in dB
    #[arg(
        long, value_name = "DB", env = "DENOISED_INPUT_GAIN_DB", default_value_t = 0.0,
        value_parser = arguments::gain_db, allow_negative_numbers = true
    )]
    pub input_gain_db: f32,

    /// Clean left and right by themselves, at twice the cost, rather than their mean
    #[arg(
        long, value_name = "true|false", env = "DENOISED_STEREO", default_value_t = false,
        default_missing_value = "true", num_args = 0..=1, require_equals = true,
        action = clap::ArgAction::Set
    )]
    pub stereo: bool,

    /// Audio held ready for playback, in ms, no less than the callbacks need: more survives a busier machine
    #[arg(
        long, value_name = "MS", env = "DENOISED_LATENCY_MS", default_value_t = 20.0,
        value_parser = arguments::latency_ms
    )]
    pub latency_ms: f32,

    /// Length of the devices' callbacks, in ms [default: the device's choice]
    #[arg(long, value_name = "MS", env = "DENOISED_QUANTUM_MS", value_parser = arguments::quantum_ms)]
    pub quantum_ms: Option<f32>,

    /// WAV file to record the result in; in the configuration file, relative to its folder
    #[arg(long, value_name = "FILE", env = "DENOISED_RECORD", value_hint = FilePath)]
    pub record: Option<PathBuf>,

    /// WAV file to record the microphone in, before any processing
    #[arg(long, value_name = "FILE", env = "DENOISED_RECORD_RAW", value_hint = FilePath)]
    pub record_raw: Option<PathBuf>,

    /// A recording of this many MB continues in a new file
    #[arg(
        long, value_name = "MB", env = "DENOISED_RECORD_LIMIT_MB", default_value_t = 2000,
        value_parser = clap::value_parser!(u64).range(1..=4000)
    )]
    pub record_limit_mb: u64,

    /// Serve the state for Prometheus at this port of this machine; with an address before the
    /// port, for whom it can be reached from
    #[arg(long, value_name = "[ADDR:]PORT", env = "DENOISED_METRICS", value_parser = arguments::listen_address)]
    pub metrics: Option<SocketAddr>,
}

impl Settings {
    /// What the pipeline needs to know of it.
    pub fn pipeline(&self) -> pipeline::Settings {
        let wish = StreamWish {
            period_ms: self.quantum_ms,
            ..StreamWish::default()
        };
        pipeline::Settings {
            input: self.input.as_str().into(),
            output: (self.output != "none").then(|| self.output.as_str().into()),
            input_wish: wish.clone(),
            output_wish: wish,
            sound: Sound {
                mode: self.mode,
                atten_limit_db: self.atten_limit_db,
                mix: self.mix,
                input_gain_db: self.input_gain_db,
            },
            stereo: self.stereo,
            queue_ms: self.latency_ms,
            record: self.record.clone(),
            record_raw: self.record_raw.clone(),
            record_max_bytes: self.record_limit_mb * 1_000_000,
            ..pipeline::Settings::default()
        }
    }
}
