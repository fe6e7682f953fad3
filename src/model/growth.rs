//! Deeper networks from trained weights: what is new begins as if it were not there (the idea of Net2Net, Chen et
//! al., 2016), so that training goes on where it stood.

use tch::Tensor;

use super::recurrence;

/// Makes the weights `name` silent, if a network may have them that trained ones lack: context layers behind the last
/// one, layers of the scene, recurrences behind the last one, and the sight that gates have of their state. False, with
/// nothing done, for all others. A layer behind a recurrence still has its ReLU: there the outputs change, if little.
pub fn begin_silent(name: &str, weights: &Tensor) -> bool {
    let layer = name.strip_prefix("scene.").unwrap_or(name);
    let residual = layer.starts_with("context_") || layer.starts_with("layer_");
    let mut silent = if residual || layer.ends_with(recurrence::STATE) {
        // Behind a ReLU a residual layer of zeros changes nothing.
        weights.shallow_clone()
    } else if layer.starts_with("recurrence_") {
        recurrence::candidates(weights)
    } else {
        return false;
    };
    let _ = tch::no_grad(|| silent.zero_());
    true
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, nn};

    use super::*;
    use crate::model::ModelConfig;
    use crate::model::autoencoder::Autoencoder;
    use crate::model::tape::Tape;

    #[test]
    fn new_layers_change_nothing_at_first() {
        tch::manual_seed(9);
        let small = ModelConfig {
            channels: 16,
            latent: 8,
            context_dilations: vec![1, 2],
            recurrences: 1,
            scene_layers: 0,
            ..ModelConfig::default()
        };
        let large = ModelConfig {
            context_dilations: vec![1, 2, 4, 3],
            recurrences: 4,
            scene_layers: 2,
            state_gates: true,
            scene_state_gates: true,
            ..small.clone()
        };
        let [trained, grown] = [(); 2].map(|()| nn::VarStore::new(Device::Cpu));
        let before = Autoencoder::new(trained.root(), &small);
        let after = Autoencoder::new(grown.root(), &large);
        let weights = trained.variables();
        let mut new = 0;
        for (name, mut variable) in grown.variables() {
            match weights.get(&name) {
                Some(weights) => tch::no_grad(|| variable.copy_(weights)),
                None => new += usize::from(begin_silent(&name, &variable)),
            }
        }
        // Two layers, three recurrences, four matrices for their gates, and two of each for the scene.
        assert_eq!(new, 2 * 2 + 3 * 2 + 4 + 2 * (2 + 2 + 1));
        let noisy = Tensor::randn([1, 50, small.bins(), 2], (Kind::Float, Device::Cpu));
        let output =
            |network: &Autoencoder| network.forward(&noisy, Kind::Float, &mut Tape::recording());
        let difference = (output(&before) - output(&after)).abs().max();
        assert!(difference.double_value(&[]) < 1e-6);
        assert!(!begin_silent(
            "encoder_0.weight",
            &Tensor::ones([1], (Kind::Float, Device::Cpu))
        ));
    }
}
