//! [`Recurrence`](super::super::recurrence::Recurrence) on single frames, once or at every band.

use super::super::recurrence::SMALLEST_UPDATE;
use super::arithmetic::{add, sigmoid};
use super::band_conv::FrameBandConv;
use super::conv::FrameConv;

/// The layer and what it remembers.
#[derive(Debug, Clone)]
pub struct FrameRecurrence {
    products: Products,
    /// What is remembered adds to the gates.
    state: Option<Products>,
    /// As long as a frame.
    memory: Vec<f32>,
}

/// Give candidates, update gates and output gates, each as long as a frame; or what is added to the gates.
#[derive(Debug, Clone)]
enum Products {
    Dense(FrameConv),
    AtBands(FrameBandConv),
}

impl Products {
    fn step(&mut self, frame: &[f32]) -> Vec<f32> {
        match self {
            Self::Dense(products) => products.step(frame),
            Self::AtBands(products) => products.step(frame),
        }
    }
}

impl FrameRecurrence {
    /// On frames of so many `channels`; nothing is remembered yet.
    pub fn new(products: FrameConv, state: Option<FrameConv>, channels: usize) -> Self {
        Self {
            products: Products::Dense(products),
            state: state.map(Products::Dense),
            memory: vec![0.0; channels],
        }
    }

    /// On frames `[channels, bands]`, `length` values.
    pub fn at_bands(products: FrameBandConv, state: Option<FrameBandConv>, length: usize) -> Self {
        Self {
            products: Products::AtBands(products),
            state: state.map(Products::AtBands),
            memory: vec![0.0; length],
        }
    }

    /// Changes the next frame.
    pub fn step(&mut self, frame: &mut [f32]) {
        let mut products = self.products.step(frame);
        let (candidates, gates) = products.split_at_mut(frame.len());
        if let Some(state) = &mut self.state {
            add(gates, &state.step(&self.memory));
        }
        sigmoid(gates);
        let (updates, outputs) = gates.split_at(frame.len());
        for (i, (value, state)) in frame.iter_mut().zip(&mut self.memory).enumerate() {
            *state += updates[i].max(SMALLEST_UPDATE) * (candidates[i] - *state);
            *value += outputs[i] * *state;
        }
    }
}
