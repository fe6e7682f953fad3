//! The whole chain on spectra: features, network and filter.

use std::rc::Rc;

use tch::{Device, Kind, Tensor, nn};

use super::bands::Bands;
use super::config::ModelConfig;
use super::conv::History;
use super::features::{Features, RunningMean};
use super::filter::{PastSpectrum, SpectralFilter};
use super::frame::FrameAutoencoder;
use super::network::{Network, Pass};
use super::recurrence::Memory;
use super::stft::Stft;

/// The denoising autoencoder on spectra `[batch, frames, bins, 2]`.
#[derive(Debug)]
pub struct Autoencoder {
    features: Features,
    network: Network,
    filter: SpectralFilter,
}

/// What a stream remembers between frames.
#[derive(Debug)]
pub struct State {
    mean: RunningMean,
    histories: Vec<History>,
    memories: Vec<Memory>,
    past: PastSpectrum,
}

impl State {
    /// Silence before the next frame.
    pub fn reset(&mut self) {
        self.mean.reset();
        self.histories.iter_mut().for_each(History::reset);
        self.memories.iter_mut().for_each(Memory::reset);
        self.past.reset();
    }
}

impl Autoencoder {
    /// Fresh weights in the variable store of `path`, on its device.
    pub fn new(path: nn::Path, config: &ModelConfig) -> Self {
        let bands = Bands::new(config.bands, config.bins(), config.bin_hz(), path.device());
        let bands = Rc::new(bands);
        Self {
            features: Features::new(config, Rc::clone(&bands)),
            filter: SpectralFilter::new(config, bands, path.device()),
            network: Network::new(path, config),
        }
    }

    /// Whole clips from their first frame: noisy spectra in, clean ones out.
    /// `precision` is that of the network's activations; features and filter are always 32-bit.
    pub fn forward(&self, noisy: &Tensor, precision: Kind) -> Tensor {
        let past = &mut self.filter.past(noisy.size()[0]);
        self.run(
            noisy,
            &mut RunningMean::default(),
            Pass::Clip(precision),
            past,
        )
    }

    /// The chain on single frames of a stream.
    pub fn frames(&self, config: &ModelConfig) -> FrameAutoencoder {
        let stft = Stft::new(config.window_samples, config.hop_samples, Device::Cpu);
        let bands = Bands::frames(config.bands, config.bins(), config.bin_hz());
        FrameAutoencoder::new(config, stft.frames(), bands, self.network.frames())
    }

    /// The state before the first frame of a stream.
    pub fn state(&self) -> State {
        State {
            mean: RunningMean::default(),
            histories: self.network.histories(),
            memories: self.network.memories(),
            past: self.filter.past(1),
        }
    }

    /// The next frames of a stream `[1, frames, bins, 2]`: any number of them gives the same result.
    pub fn step(&self, noisy: &Tensor, state: &mut State) -> Tensor {
        let pass = Pass::Stream(state.histories.iter_mut(), state.memories.iter_mut());
        self.run(noisy, &mut state.mean, pass, &mut state.past)
    }

    fn run(
        &self,
        noisy: &Tensor,
        mean: &mut RunningMean,
        mut pass: Pass,
        past: &mut PastSpectrum,
    ) -> Tensor {
        let precision = match pass {
            Pass::Clip(precision) => precision,
            Pass::Stream(..) => Kind::Float,
        };
        let features = self.features.extract(noisy, mean).to_kind(precision);
        let encoded = self.network.encode(&features, &mut pass);
        let decoded = self.network.decode(&encoded, &mut pass);
        let [gains, taps] =
            [&decoded.gains, &decoded.taps].map(|output| output.to_kind(Kind::Float));
        self.filter.apply(noisy, &gains, &taps, past)
    }
}
