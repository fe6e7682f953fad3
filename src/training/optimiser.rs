//! Muon for the convolutions, AdamW for everything else, with warm-up, cosine decay, gradient clipping
//! and a moving average of the weights.
//!
//! AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019). Written out here
//! because libtorch's own keeps its moments to itself, and a run must resume exactly.

use std::thread;

use tch::{Device, Kind, Tensor};

use super::config::TrainingConfig;
use super::muon;
use crate::model::tensor_file::Named;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// The weights and what the optimiser knows of each.
#[derive(Debug)]
pub struct Optimiser {
    /// The weights themselves.
    pub weights: Named,
    /// Moving average of all of `weights`: what is validated and saved.
    pub average: Named,
    /// Running means of gradients; under Muon, running sums.
    pub first_moment: Named,
    /// Running means of squared gradients; not used under Muon.
    pub second_moment: Named,
    pub updates: u64,
}

impl Optimiser {
    /// Starts from `weights`.
    pub fn new(weights: Named) -> Self {
        let zeros = |needed: fn(&Tensor) -> bool| {
            weights
                .iter()
                .map(|(name, weight)| (name.clone(), weight.zeros_like()))
                .filter(|(_, weight)| needed(weight))
                .collect()
        };
        let (average, first_moment) = (copies(&weights), zeros(|_| true));
        let second_moment = zeros(|weight| !under_muon(weight));
        Self {
            average,
            first_moment,
            second_moment,
            updates: 0,
            weights,
        }
    }

    /// A copy that further updates leave alone.
    pub fn copy(&self) -> Self {
        Self {
            weights: copies(&self.weights),
            average: copies(&self.average),
            first_moment: copies(&self.first_moment),
            second_moment: copies(&self.second_moment),
            updates: self.updates,
        }
    }

    /// One update from `gradients`; gives their norm before clipping. One that is not finite changes
    /// nothing.
    pub fn step(&mut self, gradients: &Named, config: &TrainingConfig) -> f64 {
        let _guard = tch::no_grad_guard();
        let squares: Vec<Tensor> = gradients
            .values()
            .map(|g| g.square().sum(Kind::Float))
            .collect();
        let norm = Tensor::stack(&squares, 0)
            .sum(Kind::Float)
            .sqrt()
            .double_value(&[]);
        self.updates += 1;
        if !norm.is_finite() {
            return norm;
        }
        let scale = (config.gradient_norm / (norm + 1e-12)).min(1.0);
        let rate = learning_rate(self.updates, config);
        self.step_muon(gradients, scale, rate, config);
        self.step_adam(gradients, scale, rate, config);
        let young = (1.0 + self.updates as f64) / (10.0 + self.updates as f64);
        let decay = config.average_decay.min(young);
        for (name, average) in &mut self.average {
            let _ = average.lerp_(&self.weights[name], 1.0 - decay);
        }
        norm
    }

    fn step_muon(&mut self, gradients: &Named, scale: f64, rate: f64, config: &TrainingConfig) {
        let precision = config.precision.kind();
        let kernels = gradients.iter().filter_map(|(name, gradient)| {
            let weight = self.weights.get(name).filter(|weight| under_muon(weight))?;
            let momentum = self.first_moment.get(name)?;
            Some([weight, gradient, momentum].map(Tensor::shallow_clone))
        });
        let mut shares: Vec<Vec<[Tensor; 3]>> = Vec::new();
        shares.resize_with(muon_threads(gradients), Vec::new);
        for (i, kernel) in kernels.enumerate() {
            let share = i % shares.len();
            shares[share].push(kernel);
        }
        thread::scope(|scope| {
            for share in shares {
                scope.spawn(move || {
                    let _guard = tch::no_grad_guard();
                    for [mut weight, gradient, mut momentum] in share {
                        let update = muon::update(&(gradient * scale), &mut momentum, precision);
                        let _ = weight
                            .g_mul_scalar_(1.0 - rate * config.weight_decay)
                            .g_sub_(&(update * rate));
                    }
                });
            }
        });
    }

    fn step_adam(&mut self, gradients: &Named, scale: f64, rate: f64, config: &TrainingConfig) {
        let step = self.updates.min(i32::MAX as u64) as i32;
        let correction_1 = 1.0 - BETA_1.powi(step);
        let correction_2 = 1.0 - BETA_2.powi(step);
        for (name, gradient) in gradients {
            let (Some(weight), Some(first), Some(second)) = (
                self.weights
                    .get_mut(name)
                    .filter(|weight| !under_muon(weight)),
                self.first_moment.get_mut(name),
                self.second_moment.get_mut(name),
            ) else {
                continue;
            };
            let gradient = gradient * scale;
            let _ = first.lerp_(&gradient, 1.0 - BETA_1);
            let _ = second.lerp_(&gradient.square(), 1.0 - BETA_2);
            let denominator = (&*second / correction_2).sqrt() + EPSILON;
            // Biases are not decayed.
            if weight.dim() > 1 {
                let _ = weight.g_mul_scalar_(1.0 - rate * config.weight_decay);
            }
            let _ = weight.addcdiv_(&(&*first * (-rate / correction_1)), &denominator);
        }
    }
}

/// Tensors that do not share the memory of `named`.
pub fn copies(named: &Named) -> Named {
    named
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.detach().copy()))
        .collect()
}

/// Whether these are the weights of a hidden layer along time, `[out, in, kernel]` or, of a recurrence,
/// `[out, in]`: the layers of kernel 1 are the latent and the outputs, whose single values have meanings, and
/// the kernels along the bands are few.
fn under_muon(weight: &Tensor) -> bool {
    match weight.size()[..] {
        [_, _, kernel] => kernel > 1,
        [_, _] => true,
        _ => false,
    }
}

/// Threads worth starting: a GPU is kept busy by one.
fn muon_threads(gradients: &Named) -> usize {
    let on_cpu = |gradient: &Tensor| gradient.device() == Device::Cpu;
    if gradients.values().all(on_cpu) {
        thread::available_parallelism().map_or(1, |cores| cores.get().min(4))
    } else {
        1
    }
}

/// Linear warm-up, then half a cosine down to a hundredth of the peak.
pub fn learning_rate(update: u64, config: &TrainingConfig) -> f64 {
    let warm = config.warmup_updates.max(1);
    if update < warm {
        return config.learning_rate * update as f64 / warm as f64;
    }
    let progress = (update - warm) as f64 / config.updates.saturating_sub(warm).max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
    config.learning_rate * (0.01 + 0.99 * cosine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// One step by hand: with bias correction the first AdamW step is rate · sign(gradient).
    #[test]
    fn the_first_step_is_the_learning_rate_against_the_gradient() {
        let config = TrainingConfig {
            warmup_updates: 1,
            learning_rate: 0.1,
            weight_decay: 0.0,
            ..TrainingConfig::default()
        };
        let named = |values: &[f32]| Named::from([("w".to_owned(), Tensor::from_slice(values))]);
        let mut optimiser = Optimiser::new(named(&[1.0, 1.0]));
        let norm = optimiser.step(&named(&[0.3, -0.4]), &config);
        assert!((norm - 0.5).abs() < 1e-6);
        let weights = Vec::<f32>::try_from(&optimiser.weights["w"]).unwrap();
        assert!(
            (weights[0] - 0.9).abs() < 1e-4 && (weights[1] - 1.1).abs() < 1e-4,
            "{weights:?}"
        );
    }

    #[test]
    fn it_finds_the_minimum_of_a_parabola() {
        let config = TrainingConfig {
            updates: 400,
            warmup_updates: 10,
            learning_rate: 0.1,
            ..TrainingConfig::default()
        };
        let start = Named::from([(
            "w".to_owned(),
            Tensor::zeros([1], (Kind::Float, Device::Cpu)),
        )]);
        let mut optimiser = Optimiser::new(start);
        for _ in 0..400 {
            let gradient = (&optimiser.weights["w"] - 3.0) * 2.0;
            optimiser.step(&Named::from([("w".to_owned(), gradient)]), &config);
        }
        assert!((optimiser.weights["w"].double_value(&[0]) - 3.0).abs() < 0.05);
    }

    #[test]
    fn convolutions_find_the_minimum_too() {
        let config = TrainingConfig {
            updates: 400,
            warmup_updates: 10,
            learning_rate: 0.1,
            ..TrainingConfig::default()
        };
        let kernel = |value: f64| Tensor::full([4, 5, 3], value, (Kind::Float, Device::Cpu));
        let named = |tensor: Tensor| Named::from([("w".to_owned(), tensor)]);
        let mut optimiser = Optimiser::new(named(kernel(0.0)));
        assert!(optimiser.second_moment.is_empty());
        let goal = Tensor::randn([4, 5, 3], (Kind::Float, Device::Cpu));
        for _ in 0..400 {
            let gradient = (&optimiser.weights["w"] - &goal) * 2.0;
            optimiser.step(&named(gradient), &config);
        }
        let error = (&optimiser.weights["w"] - &goal).abs().max();
        assert!(error.double_value(&[]) < 0.05, "{error:?}");
    }

    #[test]
    fn a_broken_gradient_changes_nothing() {
        let start = Named::from([("w".to_owned(), Tensor::from_slice(&[2.0f32]))]);
        let mut optimiser = Optimiser::new(start);
        let broken = Named::from([("w".to_owned(), Tensor::from_slice(&[f32::NAN]))]);
        assert!(
            !optimiser
                .step(&broken, &TrainingConfig::default())
                .is_finite()
        );
        assert_eq!(optimiser.weights["w"].double_value(&[0]), 2.0);
    }
}
