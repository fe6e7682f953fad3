//! One of the two devices.

use std::sync::Arc;
use std::time::Instant;

use super::super::backend::{DeviceChoice, DeviceError, Direction, OpenStream, StreamWish};
use super::super::queue::QueueState;
use super::super::stats::{DeviceStatus, State};
use super::super::supervisor::Supervisor;

/// One direction: its device as it is wanted and as it is.
pub struct Side {
    pub direction: Direction,
    pub supervisor: Supervisor,
    pub choice: Option<DeviceChoice>,
    pub wish: StreamWish,
    pub open: Option<(OpenStream, Arc<QueueState>)>,
    /// The default device when the stream was opened.
    pub default: Option<String>,
    pub was_opened: bool,
    pub error: Option<String>,
}

impl Side {
    /// No device is wanted yet.
    pub fn new(direction: Direction, now: Instant) -> Self {
        Self {
            direction,
            supervisor: Supervisor::new(now),
            choice: None,
            wish: StreamWish::default(),
            open: None,
            default: None,
            was_opened: false,
            error: None,
        }
    }

    /// Logs a new problem once.
    pub fn complain(&mut self, error: &DeviceError) {
        let message = error.to_string();
        if self.error.as_ref() != Some(&message) {
            log::warn!("{}: {message}; trying again", self.direction);
        }
        self.error = Some(message);
    }

    /// What there is to show, if a device is wanted.
    pub fn status(&self) -> Option<DeviceStatus> {
        let choice = self.choice.as_ref()?;
        let state = self.supervisor.state();
        let mut status = DeviceStatus {
            state,
            id: match choice {
                DeviceChoice::Default => "default".into(),
                DeviceChoice::Id(id) => id.clone(),
                DeviceChoice::NamePart(part) => part.clone(),
            },
            name: String::new(),
            rate_hz: 0,
            channels: 0,
            format: String::new(),
            period_ms: 0.0,
            error: self.error.clone().filter(|_| state != State::Running),
        };
        if let Some((stream, _)) = &self.open {
            status.id.clone_from(&stream.device.id);
            status.name.clone_from(&stream.device.name);
            status.rate_hz = stream.rate_hz;
            status.channels = stream.channels;
            status.format.clone_from(&stream.format);
            status.period_ms = stream.period_frames as f32 * 1e3 / stream.rate_hz as f32;
        }
        Some(status)
    }
}
