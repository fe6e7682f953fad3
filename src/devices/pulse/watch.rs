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
        // It may have gone while the stream was being opened.
        state.tell();
        Watched(wanted)
    }

    /// Goes on with the streams of a watch that has ended: not every one ends with it.
    pub fn take_over(&self, ended: &Self) {
        let streams = std::mem::take(&mut lock(&ended.state).streams);
        let mut state = lock(&self.state);
        state.streams.extend(streams);
        state.tell();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        (self.close)();
    }
}

impl State {
    fn update(&mut self, survey: Survey) {
        self.survey = survey;
        self.tell();
    }

    /// Tells of what has become of the streams' devices.
    fn tell(&mut self) {
        let survey = &self.survey;
        self.streams.retain_mut(|stream| stream.update(survey));
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
            let told = match listeners {
                Some(any) if listeners != self.listeners => {
                    self.send(StreamEventKind::Listeners(any))
                }
                _ => true,
            };
            // Else the next change is another chance.
            if told {
                self.listeners = listeners;
            }
        }
        true
    }

    /// Whether there was room for it. A full channel already holds enough reasons to act on an error.
    fn send(&self, kind: StreamEventKind) -> bool {
        let direction = self.direction;
        self.events
            .try_send(StreamEvent { direction, kind })
            .is_ok()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every change leaves the state whole, also one that panics.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use pulseaudio::protocol::{SinkInfo, SourceInfo};

    use super::super::{VIRTUAL_SINK, VIRTUAL_SOURCE};
    use super::*;

    fn watch(survey: Survey) -> Watch {
        let state = State {
            survey,
            ..State::default()
        };
        Watch {
            state: Arc::new(Mutex::new(state)),
            close: Box::new(|| {}),
        }
    }

    /// The virtual microphone, to which nobody listens.
    fn survey() -> Survey {
        let named = |name: &str| std::ffi::CString::new(name).unwrap();
        Survey {
            sinks: vec![SinkInfo {
                name: named(VIRTUAL_SINK),
                ..SinkInfo::default()
            }],
            sources: vec![SourceInfo {
                name: named(VIRTUAL_SOURCE),
                ..SourceInfo::default()
            }],
            ..Survey::default()
        }
    }

    #[test]
    fn what_found_no_room_is_told_after_the_next_change() {
        let (events, told) = bounded(1);
        let direction = Direction::Output;
        let kind = StreamEventKind::Listeners(true);
        events.send(StreamEvent { direction, kind }).unwrap();
        let watch = watch(survey());
        let _watched = watch.add(direction, VIRTUAL_SINK, events);
        told.recv().unwrap();
        for expected in [Some(StreamEventKind::Listeners(false)), None] {
            lock(&watch.state).update(survey());
            let event = told.try_recv().ok();
            assert_eq!(event.map(|event| event.kind), expected);
        }
    }

    #[test]
    fn a_new_watch_looks_after_the_streams_of_the_one_before() {
        let (events, told) = bounded(4);
        let ended = watch(survey());
        let _watched = ended.add(Direction::Output, VIRTUAL_SINK, events);
        told.recv().unwrap();
        watch(Survey::default()).take_over(&ended);
        let event = told.try_recv().unwrap();
        let StreamEventKind::Error(error) = event.kind else {
            panic!("{event:?}");
        };
        assert_eq!(error.kind, DeviceErrorKind::NotAvailable);
    }
}
