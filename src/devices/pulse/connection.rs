//! A plain connection: a command, its answer, and events while waiting.
//!
//! The protocol's messages come from the crate that cpal uses; its client offers neither modules
//! nor events and waits for a hanging server for ever.

use std::ffi::CString;
use std::io::{self, BufReader, Cursor, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    self, AuthParams, AuthReply, ChannelMap, Command, CommandReply, CreateRecordStreamReply,
    LoadModuleParams, ModuleInfo, Prop, Props, ProtocolError, RecordStreamParams, SampleFormat,
    SampleSpec, SetClientNameReply, SubscriptionMask,
};

use super::Survey;
use crate::pipeline::{DeviceError, DeviceErrorKind};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rate of the paused stream: only lengths are counted with it.
const PAUSED_RATE_HZ: u32 = 48_000;
/// Longer messages are not messages.
const LONGEST_MESSAGE: u32 = 16 << 20;

/// See the module.
pub struct Connection {
    socket: BufReader<UnixStream>,
    version: u16,
    sequence: u32,
    changed: bool,
}

impl Connection {
    /// Connects to the user's server, as its environment says.
    ///
    /// # Errors
    /// `HostUnavailable` when none answers.
    pub fn open() -> Result<Self, DeviceError> {
        let unavailable = |why: String| {
            DeviceError::new(
                DeviceErrorKind::HostUnavailable,
                format!("no PulseAudio or PipeWire server: {why}"),
            )
        };
        let path = pulseaudio::socket_path_from_env().ok_or_else(|| {
            unavailable("neither PULSE_SERVER nor XDG_RUNTIME_DIR leads to its socket".into())
        })?;
        let socket = UnixStream::connect(&path)
            .map_err(|error| unavailable(format!("{}: {error}", path.display())))?;
        socket
            .set_write_timeout(Some(PATIENCE))
            .map_err(ProtocolError::Io)?;
        let mut connection = Self {
            socket: BufReader::new(socket),
            version: protocol::MAX_VERSION,
            sequence: 0,
            changed: false,
        };
        connection.limit_waiting(Some(PATIENCE))?;
        connection.introduce()?;
        Ok(connection)
    }

    fn introduce(&mut self) -> Result<(), ProtocolError> {
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        let auth: AuthReply = self.ask(&Command::Auth(AuthParams {
            version: protocol::MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: cookie.unwrap_or_default(),
        }))?;
        self.version = auth.version.min(protocol::MAX_VERSION);
        let mut properties = Props::new();
        properties.set(Prop::ApplicationName, c"denoised");
        let _: SetClientNameReply = self.ask(&Command::SetClientName(properties))?;
        Ok(())
    }

    /// All devices and defaults, and who records.
    ///
    /// # Errors
    /// `HostUnavailable` when the server does not answer.
    pub fn survey(&mut self) -> Result<Survey, DeviceError> {
        Ok(Survey {
            server: self.ask(&Command::GetServerInfo)?,
            sinks: self.ask(&Command::GetSinkInfoList)?,
            sources: self.ask(&Command::GetSourceInfoList)?,
            recordings: self.ask(&Command::GetSourceOutputInfoList)?,
        })
    }

    /// The loaded modules.
    ///
    /// # Errors
    /// As [`Connection::survey`].
    pub fn modules(&mut self) -> Result<Vec<ModuleInfo>, DeviceError> {
        Ok(self.ask(&Command::GetModuleInfoList)?)
    }

    /// Loads a module.
    ///
    /// # Errors
    /// When the server does not know the module or it refuses its arguments.
    pub fn load_module(&mut self, name: &str, arguments: &str) -> Result<(), DeviceError> {
        let command = Command::LoadModule(LoadModuleParams {
            name: c_string(name)?,
            arguments: Some(c_string(arguments)?),
        });
        Ok(self.tell(&command)?)
    }

    /// Unloads the module of this index.
    ///
    /// # Errors
    /// When it is not loaded.
    pub fn unload_module(&mut self, index: u32) -> Result<(), DeviceError> {
        Ok(self.tell(&Command::UnloadModule(index))?)
    }

    /// Makes a source the one that programs record unless told otherwise.
    ///
    /// # Errors
    /// When there is no such source.
    pub fn set_default_source(&mut self, name: &str) -> Result<(), DeviceError> {
        Ok(self.tell(&Command::SetDefaultSource(c_string(name)?))?)
    }

    /// Records the source of this name, paused from the start and for as long as the connection
    /// lasts, and wants its samples every `period`.
    ///
    /// # Errors
    /// When there is no such source.
    pub fn record_paused(&mut self, source: &str, period: Duration) -> Result<(), DeviceError> {
        let sample_spec = SampleSpec {
            format: SampleFormat::S16Le,
            channels: 1,
            sample_rate: PAUSED_RATE_HZ,
        };
        let frames = (period.as_secs_f64() * f64::from(PAUSED_RATE_HZ)).round() as u32;
        let bytes = frames * sample_spec.format.bytes_per_sample() as u32;
        let _: CreateRecordStreamReply =
            self.ask(&Command::CreateRecordStream(RecordStreamParams {
                sample_spec,
                channel_map: ChannelMap::mono(),
                source_name: Some(c_string(source)?),
                buffer_attr: BufferAttr {
                    fragment_size: bytes,
                    ..BufferAttr::default()
                },
                flags: StreamFlags {
                    start_corked: true,
                    no_move: true,
                    adjust_latency: true,
                    ..StreamFlags::default()
                },
                ..RecordStreamParams::default()
            }))?;
        Ok(())
    }

    /// From now on [`Connection::wait`] tells of devices that come and go, of programs that start
    /// or stop recording, and of changed defaults.
    ///
    /// # Errors
    /// As [`Connection::survey`].
    pub fn subscribe(&mut self) -> Result<(), DeviceError> {
        Ok(self.tell(&Command::Subscribe(
            SubscriptionMask::SINK
                | SubscriptionMask::SOURCE
                | SubscriptionMask::SOURCE_OUTPUT
                | SubscriptionMask::SERVER,
        ))?)
    }

    /// Waits for something to change.
    ///
    /// # Errors
    /// When the server ends the connection.
    pub fn wait(&mut self) -> Result<(), DeviceError> {
        self.limit_waiting(None)?;
        while !self.changed {
            let message = self.read_message()?;
            self.note_event(&message);
        }
        self.changed = false;
        Ok(self.limit_waiting(Some(PATIENCE))?)
    }

    /// Ends the connection, from any thread.
    ///
    /// # Errors
    /// Out of file handles.
    pub fn closer(&self) -> Result<impl Fn() + Send + Sync + use<>, DeviceError> {
        let socket = self
            .socket
            .get_ref()
            .try_clone()
            .map_err(ProtocolError::Io)?;
        Ok(move || {
            // An error means that it has ended already.
            let _ = socket.shutdown(Shutdown::Both);
        })
    }

    fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R, ProtocolError> {
        let answer = self.round_trip(command)?;
        let (_, reply) = protocol::read_reply_message(&mut Cursor::new(answer), self.version)?;
        Ok(reply)
    }

    fn tell(&mut self, command: &Command) -> Result<(), ProtocolError> {
        self.round_trip(command).map(drop)
    }

    /// Sends a command and gives back the message that answers it.
    fn round_trip(&mut self, command: &Command) -> Result<Vec<u8>, ProtocolError> {
        self.sequence += 1;
        let socket = self.socket.get_mut();
        protocol::write_command_message(socket, self.sequence, command, self.version)?;
        loop {
            let message = self.read_message()?;
            match protocol::read_command_message(&mut Cursor::new(&message), self.version) {
                Ok((sequence, Command::Reply)) if sequence == self.sequence => return Ok(message),
                Ok((sequence, Command::Error(refusal))) if sequence == self.sequence => {
                    return Err(ProtocolError::ServerError(refusal));
                }
                _ => self.note_event(&message),
            }
        }
    }

    fn note_event(&mut self, message: &[u8]) {
        let command = protocol::read_command_message(&mut Cursor::new(message), self.version);
        self.changed |= matches!(command, Ok((_, Command::SubscribeEvent(_))));
    }

    /// The next message, with its header.
    fn read_message(&mut self) -> Result<Vec<u8>, ProtocolError> {
        let header = protocol::read_descriptor(&mut self.socket)?;
        if header.length > LONGEST_MESSAGE {
            let bytes = header.length;
            return Err(ProtocolError::Invalid(format!(
                "a message of {bytes} bytes"
            )));
        }
        let mut message = [0; protocol::DESCRIPTOR_SIZE];
        protocol::encode_descriptor(&mut message, &header);
        let mut message = message.to_vec();
        let read = (&mut self.socket)
            .take(header.length.into())
            .read_to_end(&mut message)?;
        if read < header.length as usize {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(message)
    }

    fn limit_waiting(&self, limit: Option<Duration>) -> Result<(), ProtocolError> {
        Ok(self.socket.get_ref().set_read_timeout(limit)?)
    }
}

fn c_string(text: &str) -> Result<CString, DeviceError> {
    CString::new(text).map_err(|_| {
        let message = format!("{text:?} has a zero byte");
        DeviceError::new(DeviceErrorKind::Unsupported, message)
    })
}
