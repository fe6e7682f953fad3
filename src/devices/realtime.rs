//! Real-time priority for threads.
//!
//! The kernel grants it to root and to those whom `limits.conf` or systemd's `LimitRTPRIO=` name;
//! for all other users of a desktop there is rtkit, asked over D-Bus. It demands a limit of the
//! processor time that a real-time thread takes in one go, `RLIMIT_RTTIME`, at which the kernel
//! ends the process. So a little before, at the soft limit, the thread loses the priority again.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use dbus::blocking::stdintf::org_freedesktop_dbus::Properties;
use libc::{SCHED_FIFO, SCHED_OTHER, SCHED_RESET_ON_FORK, pid_t};

/// Above all ordinary threads, below the audio server's.
const PRIORITY: i32 = 10;
/// Processor time in one go, in µs, where rtkit does not say: what it usually does.
const LIMIT_US: u64 = 200_000;
const RTKIT: &str = "org.freedesktop.RealtimeKit1";
const RTKIT_PATH: &str = "/org/freedesktop/RealtimeKit1";
const RTKIT_PATIENCE: Duration = Duration::from_secs(1);

/// Gives the calling thread real-time priority; its children do not get it.
///
/// # Errors
/// Neither the kernel nor rtkit grants it. Audio then works, but may stutter on a busy machine.
pub fn promote_current_thread() -> Result<()> {
    promote(current_thread())
}

/// Kernel's number of the calling thread: one system call, fit for an audio callback.
pub fn current_thread() -> pid_t {
    // SAFETY: takes nothing and only returns a number.
    unsafe { libc::gettid() }
}

/// [`promote_current_thread`] for any thread of this process; may block for seconds. A thread that
/// has a real-time priority already keeps that.
///
/// # Errors
/// As [`promote_current_thread`], or the thread has ended.
pub fn promote(thread: pid_t) -> Result<()> {
    if policy(thread)? != SCHED_OTHER {
        return Ok(());
    }
    if set_policy(thread, SCHED_FIFO, PRIORITY).is_ok() {
        return limit_running(LIMIT_US);
    }
    ask_rtkit(thread).context(
        "no real-time priority: the kernel denies it, and so does rtkit (installing rtkit, or \
         LimitRTPRIO= in the service, helps against stutter on a busy machine)",
    )
}

fn ask_rtkit(thread: pid_t) -> Result<()> {
    let bus = dbus::blocking::Connection::new_system()?;
    let rtkit = bus.with_proxy(RTKIT, RTKIT_PATH, RTKIT_PATIENCE);
    let highest: i32 = rtkit.get(RTKIT, "MaxRealtimePriority")?;
    let limit_us: i64 = rtkit.get(RTKIT, "RTTimeUSecMax")?;
    limit_running(u64::try_from(limit_us)?)?;
    let thread = u64::try_from(thread)?;
    let priority = u32::try_from(PRIORITY.min(highest))?;
    let () = rtkit.method_call(RTKIT, "MakeThreadRealtime", (thread, priority))?;
    Ok(())
}

/// Soft and hard limit of the processor time in one go, in µs.
static SOFT_US: AtomicU64 = AtomicU64::new(0);
static HARD_US: AtomicU64 = AtomicU64::new(0);

fn limit_running(limit_us: u64) -> Result<()> {
    SOFT_US.store(limit_us / 4 * 3, Relaxed);
    HARD_US.store(limit_us, Relaxed);
    // SAFETY: all zeros is a valid action, and the handler makes system calls only.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = demote as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGXCPU, &action, std::ptr::null_mut())
    };
    succeed(installed)
        .and_then(|()| apply_limit())
        .context("cannot limit the processor time of real-time threads")
}

fn apply_limit() -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: SOFT_US.load(Relaxed),
        rlim_max: HARD_US.load(Relaxed),
    };
    // SAFETY: reads the struct alone.
    succeed(unsafe { libc::setrlimit(libc::RLIMIT_RTTIME, &limit) })
}

/// Runs on the thread that went over the limit.
extern "C" fn demote(_signal: libc::c_int) {
    // SAFETY: the thread's own, always there.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    demote_current_thread();
    // The kernel raises the soft limit before each of its signals.
    let _ = apply_limit();
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// Takes the priority away again.
pub(super) fn demote_current_thread() {
    // Nothing can be done about errors here: the hard limit ends the process.
    let _ = set_policy(0, SCHED_OTHER, 0);
}

/// Scheduling policy of a thread, without its flags.
pub(super) fn policy(thread: pid_t) -> io::Result<i32> {
    // SAFETY: takes a number and returns one.
    let policy = unsafe { libc::sched_getscheduler(thread) };
    if policy < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(policy & !SCHED_RESET_ON_FORK)
}

/// Sets the policy of a thread, 0 being the calling one.
fn set_policy(thread: pid_t, policy: i32, priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: reads the struct alone.
    succeed(unsafe { libc::sched_setscheduler(thread, policy | SCHED_RESET_ON_FORK, &parameters) })
}

fn succeed(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_thread_that_runs_away_loses_the_priority_and_the_process_lives() {
        let test = thread::spawn(|| {
            if let Err(refused) = promote_current_thread() {
                // Nothing else can be seen where it is refused.
                assert!(refused.to_string().contains("LimitRTPRIO"));
                return;
            }
            // The kernel grants SCHED_FIFO, rtkit SCHED_RR.
            assert_ne!(policy(0).unwrap(), SCHED_OTHER);
            let start = Instant::now();
            while policy(0).unwrap() != SCHED_OTHER {
                assert!(start.elapsed() < Duration::from_secs(20));
            }
        });
        test.join().unwrap();
    }
}
