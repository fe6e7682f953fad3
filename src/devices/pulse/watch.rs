//! Watches a server: which devices there are, and what happens to those in use.
//!
//! A server moves the streams of a vanished device to another one and tells nobody, least of all
//! cpal: the daemon would clean the sound of the speakers. So each open stream's device is looked
//! for after every change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use crossbeam_channel::Sender;

use super::{Connection, Survey};
use crate::pipeline::{DeviceError, DeviceErrorKind, Direction, StreamEvent, StreamEventKind};

/// A watched server; dropping it ends the watch.
pub struct Watch {
    state: Arc<Mutex<State>>,
    close: Box<dyn Fn() + Send + Sync>,
}

/// A watched stream: held as long as events are wanted.
pub struct Watched(#[expect(dead_code, reason = "only counted")] Arc<()>);

#[derive(Default)]
struct State {
    survey: Survey,
    /// Why the watch has ended.
    ended: Option<DeviceError>,
    streams: Vec<Stream>,
}

struct Stream {
    direction: Direction,
    device: String,
    events: Sender<StreamEvent>,
    listeners: Option<bool>,
    wanted: Weak<()>,
}

impl Watch {
    /// Connects to the user's server and watches it.
    ///
    /// # Errors
    /// `HostUnavailable` when none answers.
    pub fn start() -> Result<Self, DeviceError> {
        let mut connection = Connection::open()?;
        let close = connection.closer()?;
        connection.subscribe()?;
        let survey = connection.survey()?;
        let state = Arc::new(Mutex::new(State {
            survey,
            ..State::default()
        }));
        let watched = Arc::clone(&state);
        thread::Builder::new()
            .name("device watch".into())
            .spawn(move || {
                let error = loop {
                    match connection.wait().and_then(|()| connection.survey()) {
                        Ok(survey) => lock(&watched).update(survey),
                        Err(error) => break error,
                    }
                };
                lock(&watched).ended = Some(error);
            })
            .map_err(|error| DeviceError::new(DeviceErrorKind::Busy, error.to_string()))?;
        Ok(Self {
            state,
            close: Box::new(close),
        })
    }

    /// The server now.
    ///
    /// # Errors
    /// Why the watch has ended: the server did.
    pub fn survey(&self) -> Result<Survey, DeviceError> {
        let state = lock(&self.state);
        match &state.ended {
            Some(error) => Err(error.clone()),
            None => Ok(state.survey.clone()),
        }
    }

    /// Sends `events` of what happens to the device of a stream.
    pub fn add(&self, direction: Direction, device: &str, events: Sender<StreamEvent>) -> Watched {
        let wanted = Arc::new(());
        let mut state = lock(&self.state);
        state.streams.push(Stream {
            direction,
            device: device.into(),
            events,
            listeners: None,
            wanted: Arc::downgrade(&wanted),
        });
        let State {
            survey, streams, ..
        } = &mut *state;
        // It may have gone while the stream was being opened.
        streams.retain_mut(|stream| stream.update(survey));
        Watched(wanted)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        (self.close)();
    }
}

impl State {
    fn update(&mut self, survey: Survey) {
        self.streams.retain_mut(|stream| stream.update(&survey));
        self.survey = survey;
    }
}

impl Stream {
    /// Tells of changes; false when nothing more will happen.
    fn update(&mut self, survey: &Survey) -> bool {
        if self.wanted.strong_count() == 0 {
            return false;
        }
        if !survey.has(self.direction, &self.device) {
            let message = format!("{} is gone", self.device);
            let error = DeviceError::new(DeviceErrorKind::NotAvailable, message);
            self.send(StreamEventKind::Error(error));
            return false;
        }
        if self.direction == Direction::Output {
            let listeners = survey.has_listeners(&self.device);
            if let Some(any) = listeners
                && listeners != self.listeners
            {
                self.send(StreamEventKind::Listeners(any));
            }
            self.listeners = listeners;
        }
        true
    }

    fn send(&self, kind: StreamEventKind) {
        let direction = self.direction;
        // A full channel already holds enough reasons to act.
        let _ = self.events.try_send(StreamEvent { direction, kind });
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every change leaves the state whole, also one that panics.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
