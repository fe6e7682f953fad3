//! A run that has minutes instead of a number of updates.

use std::time::{Duration, Instant};

/// Plans so many updates as fit into the time, from how long those so far have taken.
#[derive(Debug)]
pub struct TimeBudget {
    limit: Duration,
    begun: Instant,
}

impl TimeBudget {
    /// `minutes` from now, less what the run has used before it was interrupted; `None` without a limit.
    pub fn new(minutes: f64, used_seconds: f64) -> Option<Self> {
        let left = Duration::try_from_secs_f64(minutes * 60.0 - used_seconds).unwrap_or_default();
        (minutes > 0.0).then(|| Self {
            limit: left,
            begun: Instant::now(),
        })
    }

    /// Updates in all, `done` of which `since_begun` were made under this budget: no more than `done` once the
    /// time is up.
    pub fn planned_updates(&self, done: u64, since_begun: u64) -> u64 {
        plan(done, since_begun, self.begun.elapsed(), self.limit)
    }
}

/// Updates in all that fit into `minutes`, as fast as the `done` ones, which took `used_seconds`.
pub fn expected_updates(minutes: f64, done: u64, used_seconds: f64) -> u64 {
    let [limit, used] = [minutes * 60.0, used_seconds]
        .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    plan(done, done, used, limit)
}

fn plan(done: u64, since_begun: u64, elapsed: Duration, limit: Duration) -> u64 {
    let left = limit.saturating_sub(elapsed).as_secs_f64();
    let per_update = elapsed.as_secs_f64() / since_begun.max(1) as f64;
    done.saturating_add((left / per_update).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_follows_the_speed_and_ends_with_the_time() {
        let minute = Duration::from_secs(60);
        let after = |seconds, updates| plan(updates, updates, Duration::from_secs(seconds), minute);
        assert_eq!(after(6, 10), 100);
        assert_eq!(after(12, 10), 50);
        assert_eq!(after(60, 77), 77);
        assert_eq!(after(70, 77), 77);
        // Resumed after 500 updates, with the minute that was left.
        assert_eq!(plan(510, 10, Duration::from_secs(6), minute), 600);
        assert!(TimeBudget::new(0.0, 0.0).is_none());
        // To be extended, and over already.
        assert_eq!(expected_updates(2.0, 100, 60.0), 200);
        assert_eq!(expected_updates(1.0, 100, 90.0), 100);
    }
}
