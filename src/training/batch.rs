//! Batches of clips to learn from, made by background threads ahead of the network.
//!
//! Batch `n` follows from the seed and `n` alone, whichever thread makes it: a run that goes on
//! after an interruption sees exactly the batches it would have seen.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::corruption::level::{active_rms, rms};
use crate::model::denormals::flush_denormals;

/// Batches waiting per thread: enough to even out long and short draws.
const AHEAD: usize = 2;

/// One clip to learn from; both sides are as long as each other, at 48 kHz.
#[derive(Debug, Clone)]
pub struct Example {
    /// What the network hears.
    pub noisy: Vec<f32>,
    /// What it should answer.
    pub target: Vec<f32>,
    /// Above this frequency the target of speech is not known, in Hz.
    pub bandwidth_hz: f32,
    /// Whether what the weights of before answer is to be answered, instead of `target`.
    pub replayed: bool,
}

/// Where examples come from.
pub trait Examples: Send + Sync {
    /// `len_samples` to learn from, by chance.
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Example;
}

/// Everything a run learns from or is judged on.
pub struct Material {
    main: Box<dyn Examples>,
    /// More, and the share of all clips that comes from it.
    other: Option<(f64, Box<dyn Examples>)>,
}

/// Noisy and clean audio to learn from.
#[derive(Debug)]
pub struct Batch {
    /// What the network hears: `[clips, samples]`.
    pub noisy: Tensor,
    /// What it should answer: `[clips, samples]`.
    pub target: Tensor,
    /// Factor that brings the target's speech (or, without speech, the noise) to an RMS of 1: `[clips]`.
    pub gain: Tensor,
    /// Above this frequency the target of speech is not known, in Hz: `[clips]`.
    pub bandwidth_hz: Tensor,
    /// 1 where there is speech, 0 where the target is silence: `[clips]`.
    pub speech: Tensor,
    /// 1 where the weights of before know the target: `[clips]`.
    pub replayed: Tensor,
}

impl Material {
    /// All clips from `main`.
    pub fn new(main: impl Examples + 'static) -> Self {
        Self {
            main: Box::new(main),
            other: None,
        }
    }

    /// `share` of the clips from `other`, the rest from `main`.
    pub fn mixed(
        main: impl Examples + 'static,
        share: f64,
        other: impl Examples + 'static,
    ) -> Self {
        Self {
            other: Some((share, Box::new(other))),
            ..Self::new(main)
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Example {
        match &self.other {
            Some((share, other)) if rng.random_bool(*share) => other.draw(rng, len_samples),
            _ => self.main.draw(rng, len_samples),
        }
    }

    /// Batch `number` of a run with this `seed`.
    pub fn batch(&self, seed: u64, number: u64, clips: usize, clip_samples: usize) -> Batch {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let mut noisy = Vec::with_capacity(clips * clip_samples);
        let mut target = Vec::with_capacity(clips * clip_samples);
        let (mut gain, mut bandwidth_hz, mut speech) = (Vec::new(), Vec::new(), Vec::new());
        let mut replayed = Vec::new();
        for _ in 0..clips {
            let example = self.draw(&mut rng, clip_samples);
            let level = active_rms(&example.target);
            let reference = if level > 0.0 {
                level
            } else {
                rms(&example.noisy)
            };
            gain.push(1.0 / reference.max(1e-5));
            bandwidth_hz.push(example.bandwidth_hz);
            speech.push(if level > 0.0 { 1.0f32 } else { 0.0 });
            replayed.push(if example.replayed { 1.0f32 } else { 0.0 });
            noisy.extend_from_slice(&example.noisy);
            target.extend_from_slice(&example.target);
        }
        let shape = [clips as i64, clip_samples as i64];
        Batch {
            noisy: Tensor::from_slice(&noisy).view(shape),
            target: Tensor::from_slice(&target).view(shape),
            gain: Tensor::from_slice(&gain),
            bandwidth_hz: Tensor::from_slice(&bandwidth_hz),
            speech: Tensor::from_slice(&speech),
            replayed: Tensor::from_slice(&replayed),
        }
    }
}

impl Batch {
    /// Clips in it.
    pub fn clips(&self) -> i64 {
        self.noisy.size()[0]
    }

    /// The same batch in `parts` of consecutive clips; earlier parts get one more where it does not divide.
    pub fn split(&self, parts: usize) -> Vec<Batch> {
        let (clips, parts) = (self.clips(), parts as i64);
        let mut start = 0;
        (0..parts)
            .map(|part| {
                let count = clips / parts + i64::from(part < clips % parts);
                start += count;
                self.map(|tensor| tensor.narrow(0, start - count, count))
            })
            .collect()
    }

    /// The batch on another device; one that is [ready for it](Self::ready_for) gets there while other work goes on.
    pub fn to_device(&self, device: Device) -> Batch {
        self.map(|tensor| tensor.to_device_(device, tensor.kind(), true, false))
    }

    /// The batch in memory from which a GPU fetches by itself.
    fn ready_for(self, device: Device) -> Batch {
        match device {
            Device::Cuda(_) => self.map(|tensor| tensor.pin_memory(device)),
            _ => self,
        }
    }

    fn map(&self, change: impl Fn(&Tensor) -> Tensor) -> Batch {
        Batch {
            noisy: change(&self.noisy),
            target: change(&self.target),
            gain: change(&self.gain),
            bandwidth_hz: change(&self.bandwidth_hz),
            speech: change(&self.speech),
            replayed: change(&self.replayed),
        }
    }
}

/// Background threads that make batches in order.
pub struct Loader {
    /// Thread `i` of `n` makes batches `first + i`, `first + i + n`, …
    queues: Vec<Receiver<Batch>>,
    taken: usize,
}

impl Loader {
    /// Starts `threads` threads with batch number `first`, for `device`; they end when the loader is dropped.
    pub fn start(
        material: Arc<Material>,
        seed: u64,
        first: u64,
        (clips, clip_samples): (usize, usize),
        threads: usize,
        device: Device,
    ) -> Self {
        let queues = (0..threads as u64)
            .map(|offset| {
                let (sender, receiver) = bounded(AHEAD);
                let material = Arc::clone(&material);
                thread::spawn(move || {
                    flush_denormals();
                    tch::set_num_threads(1);
                    for number in (first + offset..).step_by(threads) {
                        let batch = material.batch(seed, number, clips, clip_samples);
                        if sender.send(batch.ready_for(device)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        Self { queues, taken: 0 }
    }
}

impl Iterator for Loader {
    type Item = Batch;

    /// The next batch; `None` if the thread that should make it has failed.
    fn next(&mut self) -> Option<Batch> {
        let queue = &self.queues[self.taken % self.queues.len()];
        self.taken += 1;
        queue.recv().ok()
    }
}
