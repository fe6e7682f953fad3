//! A plain connection: a command, its answer, and events while waiting.
//!
//! The protocol's messages come from the crate that cpal uses; its client offers neither modules
//! nor events, waits for a hanging server for ever, and clears a megabyte for every message.

use std::ffi::CString;
use std::io::{BufReader, Cursor, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, CommandReply, Descriptor, DescriptorFlags,
    LoadModuleParams, ModuleInfo, Prop, Props, ProtocolError, SetClientNameReply, SubscriptionMask,
};

use super::Survey;
use crate::pipeline::{DeviceError, DeviceErrorKind};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
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
        let mut message = Vec::new();
        while !self.changed {
            self.receive(&mut message)?;
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

    /// Sends a command and waits for its answer.
    pub(super) fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R, ProtocolError> {
        let answer = self.round_trip(command)?;
        let (_, reply) = protocol::read_reply_message(&mut Cursor::new(answer), self.version)?;
        Ok(reply)
    }

    fn tell(&mut self, command: &Command) -> Result<(), ProtocolError> {
        self.round_trip(command).map(drop)
    }

    /// Sends a command and gives back the message that answers it.
    fn round_trip(&mut self, command: &Command) -> Result<Vec<u8>, ProtocolError> {
        self.send(command)?;
        let mut message = Vec::new();
        loop {
            self.receive(&mut message)?;
            match self.read_command(&message) {
                Ok((sequence, Command::Reply)) if sequence == self.sequence => return Ok(message),
                Ok((sequence, Command::Error(refusal))) if sequence == self.sequence => {
                    return Err(ProtocolError::ServerError(refusal));
                }
                _ => self.note_event(&message),
            }
        }
    }

    /// Sends a command whose answer comes among the messages.
    pub(super) fn send(&mut self, command: &Command) -> Result<(), ProtocolError> {
        self.sequence += 1;
        let socket = self.socket.get_mut();
        protocol::write_command_message(socket, self.sequence, command, self.version)
    }

    /// Sends the `samples` of a channel, which `message` is only the room for.
    pub(super) fn send_samples(
        &mut self,
        channel: u32,
        samples: impl Iterator<Item = f32>,
        message: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        message.clear();
        message.extend([0; protocol::DESCRIPTOR_SIZE]);
        message.extend(samples.flat_map(f32::to_le_bytes));
        let (header, samples) = message
            .split_first_chunk_mut()
            .expect("the header is the message's first part");
        let descriptor = Descriptor {
            length: samples.len() as u32,
            channel,
            offset: 0,
            flags: DescriptorFlags::empty(),
        };
        protocol::encode_descriptor(header, &descriptor);
        Ok(self.socket.get_mut().write_all(message)?)
    }

    fn note_event(&mut self, message: &[u8]) {
        let command = self.read_command(message);
        self.changed |= matches!(command, Ok((_, Command::SubscribeEvent(_))));
    }

    /// The command in a message, and its number.
    pub(super) fn read_command(&self, message: &[u8]) -> Result<(u32, Command), ProtocolError> {
        protocol::read_command_message(&mut Cursor::new(message), self.version)
    }

    /// The next `message`, with its header; gives the channel that it belongs to.
    pub(super) fn receive(&mut self, message: &mut Vec<u8>) -> Result<u32, ProtocolError> {
        message.resize(protocol::DESCRIPTOR_SIZE, 0);
        self.socket.read_exact(message)?;
        let header = protocol::read_descriptor(&mut Cursor::new(&message))?;
        if header.length > LONGEST_MESSAGE {
            let bytes = header.length;
            return Err(ProtocolError::Invalid(format!(
                "a message of {bytes} bytes"
            )));
        }
        message.resize(protocol::DESCRIPTOR_SIZE + header.length as usize, 0);
        self.socket
            .read_exact(&mut message[protocol::DESCRIPTOR_SIZE..])?;
        Ok(header.channel)
    }

    pub(super) fn limit_waiting(&self, limit: Option<Duration>) -> Result<(), ProtocolError> {
        Ok(self.socket.get_ref().set_read_timeout(limit)?)
    }
}

fn c_string(text: &str) -> Result<CString, DeviceError> {
    CString::new(text).map_err(|_| {
        let message = format!("{text:?} has a zero byte");
        DeviceError::new(DeviceErrorKind::Unsupported, message)
    })
}
