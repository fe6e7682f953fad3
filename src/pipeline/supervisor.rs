//! Keeps one device open: a state machine without side effects.
//!
//! ```text
//! Starting ──first callback──► Running ──no callback for 1 s──► Stalled
//!    │  ▲                      ▲   │ error        callback ▲──────┘ │ 1 s more
//!    ▼  │ open                 │   ▼                                ▼
//! Recovering { attempt, until } ◄──┴────────────────────────────────┘
//! ```
//! It never gives up: every error leads to another attempt, after a back-off that doubles from
//! 100 ms to 2 s and starts over once the device has run for a while.

use std::time::{Duration, Instant};

use super::backend::DeviceErrorKind;
use super::stats::State;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// With the time to open a device, a replugged one is back within 3 s.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// A device that calls less often than this has stalled.
const STALL: Duration = Duration::from_secs(1);
/// After running this long a new fault is a first fault.
const STABLE: Duration = Duration::from_secs(3);
/// The program itself was stopped or the machine suspended if ticks are further apart.
const TIME_JUMP: Duration = Duration::from_millis(700);

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not opened yet, or open and not called back yet.
    Starting,
    Running,
    /// Open, but its callbacks have ceased.
    Stalled,
    /// Closed, to be opened at `until`.
    Recovering {
        attempt: u32,
        until: Instant,
    },
    Stopped,
}

/// What happens to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is wanted, or wanted anew: another device, another default, other wishes.
    Wanted,
    /// An [`Action::Open`] has worked.
    Opened,
    /// It has not, or the open stream reports an error.
    Failed(DeviceErrorKind),
    /// Time passes; the open stream has called back so often.
    Tick {
        callbacks: u64,
    },
    Stop,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Open,
    Close,
}

/// Supervisor of one device.
#[derive(Clone, Debug)]
pub struct Supervisor {
    phase: Phase,
    open: bool,
    attempt: u32,
    callbacks: u64,
    progress_at: Instant,
    running_since: Instant,
    ticked_at: Instant,
}

impl Supervisor {
    /// A device that nobody wants yet.
    pub fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Stopped,
            open: false,
            attempt: 0,
            callbacks: 0,
            progress_at: now,
            running_since: now,
            ticked_at: now,
        }
    }

    /// Where the device is now.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// [`Supervisor::phase`] for the status.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Starting => State::Starting,
            Phase::Running => State::Running,
            Phase::Stalled => State::Stalled,
            Phase::Recovering { .. } => State::Recovering,
            Phase::Stopped => State::Stopped,
        }
    }

    /// Takes an event and says what to do about it, in this order.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Wanted => {
                self.phase = Phase::Starting;
                self.attempt = 0;
                let mut actions = self.close();
                actions.push(Action::Open);
                actions
            }
            Event::Stop => {
                self.phase = Phase::Stopped;
                self.close()
            }
            _ if self.phase == Phase::Stopped => Vec::new(),
            Event::Opened => {
                self.open = true;
                self.callbacks = 0;
                self.progress_at = now;
                self.phase = Phase::Starting;
                Vec::new()
            }
            Event::Failed(kind) => self.fail(kind, now),
            Event::Tick { callbacks } => self.tick(callbacks, now),
        }
    }

    fn fail(&mut self, kind: DeviceErrorKind, now: Instant) -> Vec<Action> {
        use DeviceErrorKind as Kind;
        match kind {
            // The stream goes on.
            Kind::Changed | Kind::Xrun | Kind::RealtimeDenied if self.open => Vec::new(),
            // A late message of a stream that is closed already.
            _ if matches!(self.phase, Phase::Recovering { .. }) => Vec::new(),
            Kind::Busy
            | Kind::NotAvailable
            | Kind::HostUnavailable
            | Kind::Invalidated
            | Kind::Unsupported
            | Kind::PermissionDenied
            | Kind::Changed
            | Kind::Xrun
            | Kind::RealtimeDenied
            | Kind::Other => self.recover(now),
        }
    }

    fn recover(&mut self, now: Instant) -> Vec<Action> {
        if self.phase == Phase::Running && now - self.running_since >= STABLE {
            self.attempt = 0;
        }
        let backoff = FIRST_BACKOFF * 2u32.pow(self.attempt.min(10));
        self.attempt = self.attempt.saturating_add(1);
        self.phase = Phase::Recovering {
            attempt: self.attempt,
            until: now + backoff.min(LONGEST_BACKOFF),
        };
        self.close()
    }

    fn tick(&mut self, callbacks: u64, now: Instant) -> Vec<Action> {
        if now - self.ticked_at > TIME_JUMP {
            // The device gets its full time to show life.
            self.progress_at = now;
        }
        self.ticked_at = now;
        if let Phase::Recovering { until, .. } = self.phase {
            return if now >= until {
                self.phase = Phase::Starting;
                vec![Action::Open]
            } else {
                Vec::new()
            };
        }
        if !self.open {
            return Vec::new();
        }
        if callbacks != self.callbacks {
            self.callbacks = callbacks;
            self.progress_at = now;
            if self.phase != Phase::Running {
                self.phase = Phase::Running;
                self.running_since = now;
            }
            return Vec::new();
        }
        let silent = now - self.progress_at;
        if silent >= 2 * STALL {
            return self.recover(now);
        }
        if silent >= STALL {
            self.phase = Phase::Stalled;
        }
        Vec::new()
    }

    fn close(&mut self) -> Vec<Action> {
        if std::mem::take(&mut self.open) {
            vec![Action::Close]
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    /// A device that a script plugs and unplugs, and the time.
    struct Bench {
        supervisor: Supervisor,
        now: Instant,
        /// What opening gives.
        opening: Result<(), DeviceErrorKind>,
        calling: bool,
        callbacks: u64,
        opened: Vec<Instant>,
        closed: usize,
    }

    impl Bench {
        fn running() -> Self {
            let now = Instant::now();
            let mut bench = Self {
                supervisor: Supervisor::new(now),
                now,
                opening: Ok(()),
                calling: true,
                callbacks: 0,
                opened: Vec::new(),
                closed: 0,
            };
            bench.send(Event::Wanted);
            bench.wait(5.0);
            assert_eq!(bench.supervisor.phase(), Phase::Running);
            bench
        }

        fn send(&mut self, event: Event) {
            for action in self.supervisor.on(event, self.now) {
                match action {
                    Action::Close => self.closed += 1,
                    Action::Open => {
                        self.opened.push(self.now);
                        self.callbacks = 0;
                        let result = self.opening;
                        self.send(result.map_or_else(Event::Failed, |()| Event::Opened));
                    }
                }
            }
        }

        fn wait(&mut self, seconds: f64) {
            for _ in 0..(seconds * 10.0).round() as usize {
                self.now += TICK;
                self.callbacks += u64::from(self.calling);
                self.send(Event::Tick {
                    callbacks: self.callbacks,
                });
            }
        }

        fn state(&self) -> State {
            self.supervisor.state()
        }
    }

    #[test]
    fn unplugged_for_a_minute_is_back_within_three_seconds() {
        let mut bench = Bench::running();
        bench.opening = Err(DeviceErrorKind::NotAvailable);
        bench.send(Event::Failed(DeviceErrorKind::NotAvailable));
        assert_eq!(bench.closed, 1);
        bench.wait(60.0);
        assert_eq!(bench.state(), State::Recovering);
        let attempts = bench.opened.len() - 1;
        assert!((25..40).contains(&attempts), "{attempts} attempts");
        bench.opening = Ok(());
        bench.wait(3.0);
        assert_eq!(bench.state(), State::Running);
    }

    #[test]
    fn every_fatal_error_is_survived_and_the_others_change_nothing() {
        use DeviceErrorKind as Kind;
        for kind in [
            Kind::Busy,
            Kind::NotAvailable,
            Kind::HostUnavailable,
            Kind::Invalidated,
            Kind::Unsupported,
            Kind::PermissionDenied,
            Kind::Other,
        ] {
            let mut bench = Bench::running();
            bench.send(Event::Failed(kind));
            assert_eq!(bench.state(), State::Recovering, "{kind:?}");
            bench.wait(1.0);
            assert_eq!(bench.state(), State::Running, "{kind:?}");
            assert_eq!((bench.opened.len(), bench.closed), (2, 1), "{kind:?}");
        }
        for kind in [Kind::Changed, Kind::Xrun, Kind::RealtimeDenied] {
            let mut bench = Bench::running();
            bench.send(Event::Failed(kind));
            assert_eq!(bench.state(), State::Running, "{kind:?}");
            assert_eq!((bench.opened.len(), bench.closed), (1, 0), "{kind:?}");
        }
    }

    #[test]
    fn many_errors_of_one_death_are_one_fault() {
        let mut bench = Bench::running();
        for _ in 0..100 {
            bench.send(Event::Failed(DeviceErrorKind::Invalidated));
        }
        bench.wait(1.0);
        assert_eq!(bench.state(), State::Running);
        assert_eq!(bench.opened.len(), 2);
    }

    #[test]
    fn a_silent_device_is_opened_again() {
        let mut bench = Bench::running();
        bench.calling = false;
        bench.wait(1.1);
        assert_eq!(bench.state(), State::Stalled);
        assert_eq!(bench.closed, 0);
        bench.calling = true;
        bench.wait(0.1);
        assert_eq!(bench.state(), State::Running);
        bench.calling = false;
        bench.wait(2.2);
        assert_eq!((bench.opened.len(), bench.closed), (2, 1));
        // One that opens but never calls is not opened in a frenzy.
        bench.wait(60.0);
        assert!(bench.opened.len() < 30, "{}", bench.opened.len());
    }

    #[test]
    fn a_stopped_program_does_not_blame_the_device() {
        let mut bench = Bench::running();
        bench.now += Duration::from_secs(3600);
        bench.calling = false;
        bench.wait(0.5);
        assert_eq!(bench.state(), State::Running);
        bench.calling = true;
        bench.wait(5.0);
        assert_eq!(bench.opened.len(), 1);
    }

    #[test]
    fn a_flapping_device_is_opened_ever_more_rarely() {
        let mut bench = Bench::running();
        for _ in 0..600 {
            bench.wait(0.1);
            bench.send(Event::Failed(DeviceErrorKind::Invalidated));
        }
        let late = bench.opened[bench.opened.len() - 2..].to_vec();
        assert!(late[1] - late[0] >= LONGEST_BACKOFF);
        assert!(bench.opened.len() < 40, "{}", bench.opened.len());
    }

    #[test]
    fn a_new_default_is_taken_at_once_and_stop_is_final() {
        let mut bench = Bench::running();
        bench.send(Event::Wanted);
        assert_eq!((bench.opened.len(), bench.closed), (2, 1));
        bench.send(Event::Stop);
        assert_eq!(bench.closed, 2);
        bench.send(Event::Failed(DeviceErrorKind::Busy));
        bench.wait(10.0);
        assert_eq!((bench.opened.len(), bench.state()), (2, State::Stopped));
    }
}
