//! Counters and gauges that the pipeline's threads write without waiting for each other.

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{self, Relaxed},
};

use super::stats::Level;

/// Written by the worker and the keeper of the devices, read for a snapshot.
#[derive(Debug)]
pub struct Gauges {
    pub frames: AtomicU64,
    pub deadline_misses: AtomicU64,
    pub dropped_us: AtomicU64,
    pub underruns: AtomicU64,
    pub xruns: AtomicU64,
    pub reopens: AtomicU64,
    pub idle: AtomicBool,
    pub level: LevelGauge,
    pub input_dbfs: Gauge,
    pub output_dbfs: Gauge,
    pub reduction_db: Gauge,
    pub latency_ms: Gauge,
    pub frame_ms: Gauge,
    pub drift_ppm: Gauge,
    pub worker_time: Histogram,
}

impl Default for Gauges {
    fn default() -> Self {
        Self {
            frames: AtomicU64::new(0),
            deadline_misses: AtomicU64::new(0),
            dropped_us: AtomicU64::new(0),
            underruns: AtomicU64::new(0),
            xruns: AtomicU64::new(0),
            reopens: AtomicU64::new(0),
            idle: AtomicBool::new(false),
            level: LevelGauge::default(),
            input_dbfs: Gauge::new(crate::dsp::level::FLOOR_DB as f32),
            output_dbfs: Gauge::new(crate::dsp::level::FLOOR_DB as f32),
            reduction_db: Gauge::new(0.0),
            latency_ms: Gauge::new(0.0),
            frame_ms: Gauge::new(0.0),
            drift_ppm: Gauge::new(0.0),
            worker_time: Histogram::default(),
        }
    }
}

/// A number that one thread sets and others read.
#[derive(Debug)]
pub struct Gauge(AtomicU32);

impl Gauge {
    fn new(value: f32) -> Self {
        Self(AtomicU32::new(value.to_bits()))
    }

    pub fn set(&self, value: f32) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Relaxed))
    }
}

/// A [`Level`] that one thread sets and others read.
#[derive(Debug, Default)]
pub struct LevelGauge(AtomicU8);

impl LevelGauge {
    pub fn set(&self, level: Level) {
        self.0.store(level as u8, Relaxed);
    }

    pub fn get(&self) -> Level {
        [Level::Full, Level::Light, Level::Bypass][usize::from(self.0.load(Relaxed))]
    }
}

/// Durations of the recent past, in buckets a quarter octave wide.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU32; BUCKETS],
    count: AtomicU32,
}

const BUCKETS: usize = 64;
const BUCKETS_PER_OCTAVE: f32 = 4.0;
/// Upper end of the first bucket; the last one begins at half a second.
const FIRST_US: f32 = 10.0;
/// So many values halve the weight of all before them.
const MEMORY: u32 = 6000;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU32::new(0)),
            count: AtomicU32::new(0),
        }
    }
}

impl Histogram {
    /// Adds a duration; only one thread does.
    pub fn add(&self, microseconds: f32) {
        let octaves = (microseconds.max(FIRST_US) / FIRST_US).log2();
        let bucket = ((octaves * BUCKETS_PER_OCTAVE).ceil() as usize).min(BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Relaxed);
        if self.count.fetch_add(1, Relaxed) + 1 == MEMORY {
            self.count.store(0, Ordering::Relaxed);
            for bucket in &self.buckets {
                bucket.store(bucket.load(Relaxed) / 2, Relaxed);
            }
        }
    }

    /// The duration in ms that a `share` of all does not exceed, at most 19 % too high.
    pub fn quantile_ms(&self, share: f32) -> f32 {
        let counts = self.buckets.each_ref().map(|bucket| bucket.load(Relaxed));
        let total: u32 = counts.iter().sum();
        let mut below = 0;
        for (bucket, count) in counts.into_iter().enumerate() {
            below += count;
            if below > 0 && below as f32 >= share * total as f32 {
                return FIRST_US * 1e-3 * (bucket as f32 / BUCKETS_PER_OCTAVE).exp2();
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_follow_the_recent_past() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), 0.0);
        for n in 0..1000 {
            histogram.add(if n % 50 == 0 { 8000.0 } else { 500.0 });
        }
        let (p50, p99) = (histogram.quantile_ms(0.5), histogram.quantile_ms(0.99));
        assert!((0.5..0.6).contains(&p50), "{p50}");
        assert!((8.0..9.6).contains(&p99), "{p99}");
        for _ in 0..100_000 {
            histogram.add(200.0);
        }
        assert!(histogram.quantile_ms(0.999) < 0.25);
    }
}
