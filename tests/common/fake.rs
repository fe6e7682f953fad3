//! An audio system without audio: a microphone that hums and a speaker that nobody hears.

use std::f32::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use denoised::pipeline::{
    Backend, CaptureSide, DeviceChoice, DeviceError, DeviceErrorKind, DeviceInfo, Direction,
    OpenStream, PlaybackSide, StreamEvent, StreamHandle, StreamWish,
};

const PERIOD: Duration = Duration::from_millis(10);
const FRAMES: usize = 480;

/// Devices `fake:mic` and `fake:speaker`, both at 48 kHz.
pub struct FakeBackend;

struct Running(Arc<AtomicBool>);

impl StreamHandle for Running {}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

fn info(direction: Direction) -> DeviceInfo {
    let name = match direction {
        Direction::Input => "mic",
        Direction::Output => "speaker",
    };
    DeviceInfo {
        id: format!("fake:{name}"),
        name: name.into(),
        host: "fake".into(),
        direction,
        is_default: true,
        rates_hz: vec![48_000],
        channels: 1,
    }
}

/// Opens the device if `choice` means it, and lets `callback` run at its pace.
fn open(
    direction: Direction,
    choice: &DeviceChoice,
    mut callback: impl FnMut() + Send + 'static,
) -> Result<OpenStream, DeviceError> {
    let device = info(direction);
    if let DeviceChoice::NamePart(part) = choice
        && !device.name.contains(part)
    {
        let message = format!("there is no {direction} device {part}");
        return Err(DeviceError::new(DeviceErrorKind::NotAvailable, message));
    }
    let running = Arc::new(AtomicBool::new(true));
    let goes_on = running.clone();
    thread::spawn(move || {
        while goes_on.load(Relaxed) {
            callback();
            thread::sleep(PERIOD);
        }
    });
    Ok(OpenStream {
        device,
        rate_hz: 48_000,
        channels: 1,
        format: "f32".into(),
        period_frames: FRAMES,
        handle: Box::new(Running(running)),
    })
}

impl Backend for FakeBackend {
    fn devices(&mut self) -> Result<Vec<DeviceInfo>, DeviceError> {
        Ok(vec![info(Direction::Input), info(Direction::Output)])
    }

    fn default_device(&mut self, direction: Direction) -> Result<Option<String>, DeviceError> {
        Ok(Some(info(direction).id))
    }

    fn open_input(
        &mut self,
        choice: &DeviceChoice,
        _wish: &StreamWish,
        mut side: CaptureSide,
        _events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError> {
        let hum = (0..FRAMES).map(|n| 0.1 * (TAU * n as f32 / FRAMES as f32 * 4.0).sin());
        let hum: Vec<f32> = hum.collect();
        open(Direction::Input, choice, move || side.push(&hum, 1))
    }

    fn open_output(
        &mut self,
        choice: &DeviceChoice,
        _wish: &StreamWish,
        mut side: PlaybackSide,
        _events: Sender<StreamEvent>,
    ) -> Result<OpenStream, DeviceError> {
        let mut heard = [0.0; FRAMES];
        open(Direction::Output, choice, move || side.pull(&mut heard, 1))
    }
}
