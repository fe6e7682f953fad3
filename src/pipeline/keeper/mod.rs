//! The thread that owns the devices: does what the supervisors say and hands queues to the worker.

mod board;
mod side;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::DeviceFormat;
use super::backend::{
    Backend, DeviceChoice, DeviceError, DeviceErrorKind, Direction, OpenStream, StreamEvent,
    StreamEventKind,
};
use super::gauges::Gauges;
use super::handle::WorkerLink;
use super::queue::{capture_queue, playback_queue};
use super::settings::Settings;
use super::supervisor::{Action, Event};
use super::worker::Command;
pub use board::DeviceBoard;
use side::Side;

const TICK: Duration = Duration::from_millis(100);
/// How often the default devices are asked for.
const DEFAULT_CHECK: Duration = Duration::from_secs(2);
/// Events of streams that may wait; more say nothing new.
const EVENTS: usize = 64;

/// What the keeper is told.
pub enum Order {
    /// Use the devices of these settings from now on.
    Devices(Box<Settings>),
    /// Close the microphone, then say so.
    CloseInput(Sender<()>),
    Stop,
}

/// State of the keeper's thread.
pub struct Keeper {
    backend: Box<dyn Backend>,
    worker: WorkerLink,
    gauges: Arc<Gauges>,
    board: Arc<DeviceBoard>,
    sides: [Side; 2],
    events: (Sender<StreamEvent>, Receiver<StreamEvent>),
    checked_at: Instant,
}

impl Keeper {
    /// No device is wanted before the first [`Order::Devices`].
    pub fn new(
        backend: Box<dyn Backend>,
        worker: WorkerLink,
        gauges: Arc<Gauges>,
        board: Arc<DeviceBoard>,
    ) -> Self {
        let now = Instant::now();
        Self {
            backend,
            worker,
            gauges,
            board,
            sides: [Direction::Input, Direction::Output].map(|direction| Side::new(direction, now)),
            events: bounded(EVENTS),
            checked_at: now,
        }
    }

    /// Keeps the devices open until told to stop.
    pub fn run(mut self, orders: &Receiver<Order>) {
        let events = self.events.1.clone();
        loop {
            select! {
                recv(orders) -> order => match order {
                    Ok(Order::Devices(settings)) => self.want(&settings),
                    Ok(Order::CloseInput(done)) => {
                        self.send(Direction::Input, Event::Stop);
                        let _ = done.send(());
                    }
                    Ok(Order::Stop) | Err(_) => break,
                },
                recv(events) -> event => {
                    // This end holds a sender.
                    if let Ok(event) = event {
                        self.react(event);
                    }
                }
                default(TICK) => {}
            }
            self.tick();
        }
        for direction in [Direction::Input, Direction::Output] {
            self.send(direction, Event::Stop);
        }
        self.show();
    }

    fn want(&mut self, settings: &Settings) {
        let wanted = [
            (Some(&settings.input), &settings.input_wish),
            (settings.output.as_ref(), &settings.output_wish),
        ];
        for (n, (choice, wish)) in wanted.into_iter().enumerate() {
            let side = &mut self.sides[n];
            if side.choice.as_ref() == choice && side.wish == *wish {
                continue;
            }
            side.choice = choice.cloned();
            side.wish = wish.clone();
            side.error = None;
            let event = choice.map_or(Event::Stop, |_| Event::Wanted);
            self.send(self.sides[n].direction, event);
        }
    }

    fn react(&mut self, event: StreamEvent) {
        let direction = event.direction;
        match event.kind {
            StreamEventKind::Listeners(listeners) => {
                self.worker.send(Command::Listeners(listeners));
            }
            // What a stream says when it is closed.
            StreamEventKind::Error(_) if self.sides[direction as usize].open.is_none() => {}
            StreamEventKind::Error(error) => {
                match error.kind {
                    DeviceErrorKind::Xrun => {
                        self.gauges.xruns.fetch_add(1, Relaxed);
                        log::debug!("{direction}: {error}");
                    }
                    DeviceErrorKind::Changed | DeviceErrorKind::RealtimeDenied => {
                        log::info!("{direction}: {error}");
                    }
                    _ => self.sides[direction as usize].complain(&error),
                }
                self.send(direction, Event::Failed(error.kind));
            }
        }
    }

    fn tick(&mut self) {
        for n in 0..self.sides.len() {
            let side = &self.sides[n];
            let callbacks = side.open.as_ref().map_or(0, |(_, queue)| queue.callbacks());
            self.send(side.direction, Event::Tick { callbacks });
        }
        if self.checked_at.elapsed() >= DEFAULT_CHECK {
            self.checked_at = Instant::now();
            self.check_defaults();
        }
        self.show();
    }

    fn check_defaults(&mut self) {
        for n in 0..self.sides.len() {
            let side = &self.sides[n];
            if side.choice != Some(DeviceChoice::Default) || side.open.is_none() {
                continue;
            }
            let direction = side.direction;
            // A server that does not answer shows in the stream, too.
            if let Ok(Some(default)) = self.backend.default_device(direction)
                && self.sides[n].default.as_ref() != Some(&default)
            {
                log::info!("{direction}: the default device is now {default}");
                self.send(direction, Event::Wanted);
            }
        }
    }

    fn send(&mut self, direction: Direction, event: Event) {
        let supervisor = &mut self.sides[direction as usize].supervisor;
        for action in supervisor.on(event, Instant::now()) {
            match action {
                Action::Close => self.close(direction),
                Action::Open => {
                    let result = match self.open(direction) {
                        Ok(()) => Event::Opened,
                        Err(error) => {
                            self.sides[direction as usize].complain(&error);
                            Event::Failed(error.kind)
                        }
                    };
                    self.send(direction, result);
                }
            }
        }
    }

    fn open(&mut self, direction: Direction) -> Result<(), DeviceError> {
        let side = &self.sides[direction as usize];
        let (choice, wish) = (side.choice.clone().unwrap_or_default(), side.wish.clone());
        let default = match choice {
            DeviceChoice::Default => self.backend.default_device(direction)?,
            _ => None,
        };
        let events = self.events.0.clone();
        let (stream, queue) = match direction {
            Direction::Input => {
                let (capture, drain) = capture_queue(self.worker.thread.clone());
                let stream = self.backend.open_input(&choice, &wish, capture, events)?;
                check(&stream)?;
                let queue = Arc::clone(drain.state());
                let opened = Some((drain, DeviceFormat::from(&stream)));
                self.worker.send(Command::Capture(opened));
                (stream, queue)
            }
            Direction::Output => {
                let (feed, playback) = playback_queue();
                let stream = self.backend.open_output(&choice, &wish, playback, events)?;
                check(&stream)?;
                let queue = Arc::clone(feed.state());
                let opened = Some((feed, DeviceFormat::from(&stream)));
                self.worker.send(Command::Playback(opened));
                (stream, queue)
            }
        };
        let side = &mut self.sides[direction as usize];
        log::info!(
            "{direction}: {} ({} Hz, {} channels, {})",
            stream.device.name,
            stream.rate_hz,
            stream.channels,
            stream.format
        );
        if std::mem::replace(&mut side.was_opened, true) {
            self.gauges.reopens.fetch_add(1, Relaxed);
        }
        side.open = Some((stream, queue));
        side.default = default;
        side.error = None;
        Ok(())
    }

    fn close(&mut self, direction: Direction) {
        self.sides[direction as usize].open = None;
        self.worker.send(match direction {
            Direction::Input => Command::Capture(None),
            Direction::Output => Command::Playback(None),
        });
        if direction == Direction::Output {
            // What the old device said about listeners means nothing for the next.
            self.worker.send(Command::Listeners(true));
        }
    }

    fn show(&self) {
        *self.board.lock() = self.sides.each_ref().map(Side::status);
    }
}

/// Everything behind relies on rates and channels that exist.
fn check(stream: &OpenStream) -> Result<(), DeviceError> {
    let fits = (4_000..=768_000).contains(&stream.rate_hz) && (1..=64).contains(&stream.channels);
    if fits {
        return Ok(());
    }
    let message = format!(
        "{} runs at {} Hz with {} channels, which is not supported",
        stream.device.name, stream.rate_hz, stream.channels
    );
    Err(DeviceError::new(DeviceErrorKind::Unsupported, message))
}
