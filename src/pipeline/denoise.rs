//! What the worker needs of a model.

use crate::model::Stream;

/// A model that cleans one channel at 48 kHz, frame by frame.
pub trait Denoise {
    /// Samples per frame.
    fn frame_samples(&self) -> usize;

    /// How much later than the input the output is, in samples.
    fn delay_samples(&self) -> usize;

    /// Cleans whole frames; both slices are equally long.
    fn process(&mut self, input: &[f32], output: &mut [f32]);

    /// Silence before the next frame.
    fn reset(&mut self);
}

impl Denoise for Stream {
    fn frame_samples(&self) -> usize {
        Stream::frame_samples(self)
    }

    fn delay_samples(&self) -> usize {
        Stream::delay_samples(self)
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        Stream::process(self, input, output);
    }

    fn reset(&mut self) {
        Stream::reset(self);
    }
}

/// Makes a new stream of one model for one channel.
pub type Denoiser = Box<dyn Fn() -> Box<dyn Denoise>>;

/// The models of the worker.
pub struct Models {
    pub full: Denoiser,
    /// For when the machine cannot keep up with the full one; of the same frame and delay.
    pub light: Option<Denoiser>,
}

/// Loads the models on the worker's thread, where their tensors stay.
pub type ModelLoader = Box<dyn FnOnce() -> anyhow::Result<Models> + Send>;
