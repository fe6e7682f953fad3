//! A sound card without hardware: the test is what moves its samples.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::bail;
use crossbeam_channel::Sender;
use denoised::pipeline::{
    Backend, CaptureSide, Denoise, DeviceChoice, DeviceError, DeviceErrorKind, DeviceInfo,
    Direction, ModelLoader, Models, OpenStream, PipelineHandle, PlaybackSide, RealtimeHook,
    Settings, State, StreamEvent, StreamEventKind, StreamHandle, StreamWish,
};

/// Halves the sound and delays it by a frame.
struct Halver {
    past: Vec<f32>,
}

impl Denoise for Halver {
    fn frame_samples(&self) -> usize {
        self.past.len()
    }

    fn delay_samples(&self) -> usize {
        self.past.len()
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        for (out, past) in output.iter_mut().zip(&self.past) {
            *out = 0.5 * past;
        }
        self.past.copy_from_slice(input);
    }

    fn reset(&mut self) {
        self.past.fill(0.0);
    }
}

fn halver(frame_samples: usize) -> ModelLoader {
    Box::new(move || {
        let past = vec![0.0; frame_samples];
        Ok(Models {
            full: Box::new(move || Box::new(Halver { past: past.clone() })),
            light: None,
        })
    })
}

pub fn no_realtime() -> RealtimeHook {
    Box::new(|| bail!("a test has no priority"))
}

/// The sound card: what is plugged in, and the callbacks of what is open.
pub struct Card {
    pub plugged: bool,
    pub rate_hz: u32,
    pub channels: u16,
    pub capture: Option<CaptureSide>,
    pub playback: Option<PlaybackSide>,
    pub events: Option<Sender<StreamEvent>>,
    pub opened: Vec<(Direction, DeviceChoice)>,
    pub default: Option<String>,
}

#[derive(Clone)]
pub struct SharedCard(Arc<Mutex<Card>>);

impl SharedCard {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Card {
            plugged: true,
            rate_hz: 48_000,
            channels: 1,
            capture: None,
            playback: None,
            events: None,
            opened: Vec::new(),
            default: None,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Card> {
        self.0.lock().unwrap()
    }

    fn open(
        &self,
        direction: Direction,
        choice: &DeviceChoice,
        events: Sender<StreamEvent>,
        connect: impl FnOnce(&mut Card),
    ) -> Result<OpenStream, DeviceError> {
        let mut card = self.lock();
        card.opened.push((direction, choice.clone()));
        if !card.plugged {
            return Err(DeviceError::new(
                DeviceErrorKind::NotAvailable,
                "not plugged in",
            ));
        }
        connect(&mut card);
        card.events = Some(events);
        Ok(OpenStream {
            device: DeviceInfo {
                id: "fake".into(),
                name: "Fake card".into(),
                host: "test".into(),
                direction,
                is_default: true,
                rates_hz: vec![card.rate_hz],
                channels: card.channels,
            },
            rate_hz: card.rate_hz,
            channels: card.channels,
            format: "f32".into(),
            period_frames: card.rate_hz as usize / 100,
            handle: Box::new(Handle(self.clone(), direction)),
        })
    }
}

struct Handle(SharedCard, Direction);

impl StreamHandle for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut card = self.0.lock();
        match self.1 {
            Direction::Input => card.capture = None,
            Direction::Output => card.playback = None,
        }
    }
}

impl Backend for SharedCard {
    fn devices(&mut self) -> Result<Vec<DeviceInfo>, DeviceError> {
        Ok(Vec::new())
    }

    fn default_device(&mut self, _: Direction) -> Result<Option<String>, DeviceError> {
        Ok(self.lock().default.clone())
    }

    fn open_input(
        &mut self,
        choice: &DeviceChoice,
        _: &StreamWish,
        side: CaptureSide,
        events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError> {
        self.open(Direction::Input, choice, events, |card| {
            card.capture = Some(side)
        })
    }

    fn open_output(
        &mut self,
        choice: &DeviceChoice,
        _: &StreamWish,
        side: PlaybackSide,
        events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError> {
        self.open(Direction::Output, choice, events, |card| {
            card.playback = Some(side)
        })
    }
}

/// A running pipeline and the person at the card.
pub struct Bench {
    pub card: SharedCard,
    pub pipeline: PipelineHandle,
    /// Samples captured so far.
    time: usize,
}

impl Bench {
    pub fn start(settings: Settings) -> Self {
        Self::start_on(SharedCard::new(), settings)
    }

    pub fn start_on(card: SharedCard, settings: Settings) -> Self {
        Self::start_with(card, 480, settings)
    }

    /// With a model of such frames.
    pub fn start_with(card: SharedCard, frame_samples: usize, settings: Settings) -> Self {
        let (backend, model) = (Box::new(card.clone()), halver(frame_samples));
        let pipeline = PipelineHandle::start(settings, backend, model, no_realtime()).unwrap();
        let mut bench = Self {
            card,
            pipeline,
            time: 0,
        };
        bench.wait_until("both devices are open", |bench| {
            let card = bench.card.lock();
            card.capture.is_some() && card.playback.is_some()
        });
        bench
    }

    pub fn wait_until(&mut self, what: &str, condition: impl Fn(&mut Self) -> bool) -> Duration {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
        start.elapsed()
    }

    /// The microphone hears 10 ms of a 440 Hz tone of amplitude 0.5.
    pub fn capture(&mut self) {
        let mut card = self.card.lock();
        let (rate, channels) = (card.rate_hz as usize, card.channels.into());
        let step = std::f32::consts::TAU * 440.0 / rate as f32;
        let tone = (self.time..self.time + rate / 100).map(|n| 0.5 * (n as f32 * step).sin());
        let period: Vec<f32> = tone.flat_map(|x| vec![x; channels]).collect();
        self.time += rate / 100;
        if let Some(side) = &mut card.capture {
            side.push(&period, channels);
        }
    }

    /// The speaker plays 10 ms.
    pub fn play(&mut self) -> Vec<f32> {
        let mut card = self.card.lock();
        let channels = card.channels.into();
        let mut period = vec![0.0; card.rate_hz as usize / 100 * channels];
        if let Some(side) = &mut card.playback {
            side.pull(&mut period, channels);
        }
        period
    }

    /// Goes on for ten seconds of sound at most. On a busy machine the queue may come to rest a
    /// few milliseconds above the usual level.
    pub fn run_until_latency_returns(&mut self) {
        for _ in 0..100 {
            self.run(10);
            // A sound card leaves the worker time to catch up; this one only goes as fast as it.
            std::thread::sleep(Duration::from_millis(2));
            if self.pipeline.snapshot().latency_ms < 60.0 {
                return;
            }
        }
        panic!("still {:?}", self.pipeline.snapshot());
    }

    /// Both, and the worker keeps up.
    pub fn run(&mut self, periods: usize) -> Vec<f32> {
        let mut played = Vec::new();
        for _ in 0..periods {
            let frames = self.pipeline.snapshot().frames;
            self.capture();
            let deadline = Instant::now() + Duration::from_millis(200);
            while self.pipeline.snapshot().frames == frames && Instant::now() < deadline {
                std::thread::yield_now();
            }
            played.extend(self.play());
        }
        played
    }

    pub fn fault(&mut self, kind: DeviceErrorKind) {
        let card = self.card.lock();
        for direction in [Direction::Input, Direction::Output] {
            let error = DeviceError::new(kind, "pulled out");
            let kind = StreamEventKind::Error(error);
            let event = StreamEvent { direction, kind };
            card.events.as_ref().unwrap().send(event).unwrap();
        }
    }

    pub fn state(&self) -> State {
        self.pipeline.snapshot().state
    }
}
