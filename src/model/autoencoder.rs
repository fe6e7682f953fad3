//! The whole chain on spectra: features, network and filter.

use std::rc::Rc;

use tch::{Device, Kind, Tensor, nn};

use super::background::{Background, Rates};
use super::bands::Bands;
use super::config::ModelConfig;
use super::conv::History;
use super::features::Features;
use super::filter::{PastSpectrum, SpectralFilter};
use super::frame::FrameAutoencoder;
use super::network::{Network, Pass};
use super::recurrence::Memory;
use super::stft::Stft;
use super::tape::Tape;

/// The denoising autoencoder on spectra `[batch, frames, bins, 2]`.
#[derive(Debug)]
pub struct Autoencoder {
    features: Features,
    network: Network,
    filter: SpectralFilter,
    rates: Rates,
}

/// What a stream remembers between frames.
#[derive(Debug)]
pub struct State {
    background: Background,
    histories: Vec<History>,
    memories: Vec<Memory>,
    past: PastSpectrum,
}

impl State {
    /// Silence before the next frame.
    pub fn reset(&mut self) {
        self.background.reset();
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
            rates: Rates::new(config),
        }
    }

    /// Whole clips from their first frame: noisy spectra in, clean ones out. Their gradient takes `tape`.
    /// `precision` is that of the network's activations; features and filter are always 32-bit.
    pub fn forward(&self, noisy: &Tensor, precision: Kind, tape: &mut Tape) -> Tensor {
        let (mut background, mut past) = (self.background(), self.filter.past(noisy.size()[0]));
        self.run(
            noisy,
            precision,
            &mut background,
            Pass::Clip(tape),
            &mut past,
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
            background: self.background(),
            histories: self.network.histories(),
            memories: self.network.memories(),
            past: self.filter.past(1),
        }
    }

    /// The next frames of a stream `[1, frames, bins, 2]`: any number of them gives the same result.
    pub fn step(&self, noisy: &Tensor, state: &mut State) -> Tensor {
        let pass = Pass::Stream(state.histories.iter_mut(), state.memories.iter_mut());
        let (background, past) = (&mut state.background, &mut state.past);
        self.run(noisy, Kind::Float, background, pass, past)
    }

    fn background(&self) -> Background {
        Background::new(self.rates)
    }

    fn run(
        &self,
        noisy: &Tensor,
        precision: Kind,
        background: &mut Background,
        mut pass: Pass,
        past: &mut PastSpectrum,
    ) -> Tensor {
        let features = self.features.extract(noisy, background).to_kind(precision);
        let encoded = self.network.encode(&features, &mut pass);
        let decoded = self.network.decode(&encoded, &mut pass);
        let [gains, taps] =
            [&decoded.gains, &decoded.taps].map(|output| output.to_kind(Kind::Float));
        self.filter.apply(noisy, &gains, &taps, past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream knows nothing of the tape: libtorch alone gives its gradients.
    #[test]
    fn whole_clips_and_streams_have_the_same_values_and_gradients() {
        tch::manual_seed(4);
        let config = ModelConfig {
            channels: 16,
            latent: 8,
            ..ModelConfig::default()
        };
        let store = nn::VarStore::new(Device::Cpu);
        let autoencoder = Autoencoder::new(store.root(), &config);
        let options = (Kind::Float, Device::Cpu);
        let noisy = Tensor::randn([1, 60, config.bins(), 2], options);
        let importance = Tensor::randn(noisy.size(), options);
        let loss = |clean: &Tensor| (clean * &importance).sum(Kind::Float);

        let streamed = autoencoder.step(&noisy, &mut autoencoder.state());
        loss(&streamed).backward();
        let expected = store.variables().into_iter().map(|(name, mut weight)| {
            let gradient = weight.grad().copy();
            weight.zero_grad();
            (name, gradient)
        });
        let expected: Vec<_> = expected.collect();
        let mut tape = Tape::recording();
        let whole = autoencoder.forward(&noisy, Kind::Float, &mut tape);
        tape.backward(&loss(&whole));

        let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
        assert!(largest(&(&whole - &streamed)) < 1e-4 * largest(&streamed));
        let variables = store.variables();
        for (name, expected) in expected {
            let size = |tensor: &Tensor| tensor.norm().double_value(&[]);
            let error = size(&(variables[&name].grad() - &expected)) / (size(&expected) + 1e-9);
            // Whole clips and frames round differently, which turns single ReLUs near zero on or off.
            assert!(error < 1e-2, "{name}: {error}");
        }
    }
}
