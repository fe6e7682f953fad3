//! AdamW with warm-up, cosine decay, gradient clipping and a moving average of the weights.
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019). Written out here because
//! libtorch's own keeps its moments to itself, and a run must resume exactly.

use tch::{Kind, Tensor};

use super::config::TrainingConfig;
use crate::model::tensor_file::Named;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// The weights and what the optimiser knows of each.
#[derive(Debug)]
pub struct Optimiser {
    /// The weights themselves, trainable ones and running statistics.
    pub weights: Named,
    /// Moving average of all of `weights`: what is validated and saved.
    pub average: Named,
    /// Running means of gradients and of their squares.
    pub first_moment: Named,
    pub second_moment: Named,
    pub updates: u64,
}

impl Optimiser {
    /// Starts from `weights`, of which those in `trainable` have gradients.
    pub fn new(weights: Named, trainable: &[String]) -> Self {
        let copies = |weights: &Named| {
            weights
                .iter()
                .map(|(name, w)| (name.clone(), w.copy()))
                .collect()
        };
        let zeros = || {
            trainable
                .iter()
                .map(|name| (name.clone(), weights[name].zeros_like()))
                .collect()
        };
        let (average, first_moment, second_moment) = (copies(&weights), zeros(), zeros());
        Self {
            average,
            first_moment,
            second_moment,
            updates: 0,
            weights,
        }
    }

    /// One update from `gradients` of the trainable weights and new running statistics; gives the
    /// gradient's norm before clipping. A gradient that is not finite changes nothing.
    pub fn step(&mut self, gradients: &Named, statistics: &Named, config: &TrainingConfig) -> f64 {
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
        let step = self.updates.min(i32::MAX as u64) as i32;
        let correction_1 = 1.0 - BETA_1.powi(step);
        let correction_2 = 1.0 - BETA_2.powi(step);
        for (name, gradient) in gradients {
            let (Some(weight), Some(first), Some(second)) = (
                self.weights.get_mut(name),
                self.first_moment.get_mut(name),
                self.second_moment.get_mut(name),
            ) else {
                continue;
            };
            let gradient = gradient * scale;
            let _ = first.lerp_(&gradient, 1.0 - BETA_1);
            let _ = second.lerp_(&gradient.square(), 1.0 - BETA_2);
            let denominator = (&*second / correction_2).sqrt() + EPSILON;
            // Biases and normalisation are not decayed.
            if weight.dim() > 1 {
                let _ = weight.g_mul_scalar_(1.0 - rate * config.weight_decay);
            }
            let _ = weight.addcdiv_(&(&*first * (-rate / correction_1)), &denominator);
        }
        for (name, value) in statistics {
            if let Some(weight) = self.weights.get_mut(name) {
                weight.copy_(value);
            }
        }
        let young = (1.0 + self.updates as f64) / (10.0 + self.updates as f64);
        let decay = config.average_decay.min(young);
        for (name, average) in &mut self.average {
            let _ = average.lerp_(&self.weights[name], 1.0 - decay);
        }
        norm
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
        let mut optimiser = Optimiser::new(named(&[1.0, 1.0]), &["w".to_owned()]);
        let norm = optimiser.step(&named(&[0.3, -0.4]), &Named::new(), &config);
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
        let mut optimiser = Optimiser::new(start, &["w".to_owned()]);
        for _ in 0..400 {
            let gradient = (&optimiser.weights["w"] - 3.0) * 2.0;
            optimiser.step(
                &Named::from([("w".to_owned(), gradient)]),
                &Named::new(),
                &config,
            );
        }
        assert!((optimiser.weights["w"].double_value(&[0]) - 3.0).abs() < 0.05);
    }

    #[test]
    fn a_broken_gradient_changes_nothing() {
        let start = Named::from([("w".to_owned(), Tensor::from_slice(&[2.0f32]))]);
        let mut optimiser = Optimiser::new(start, &["w".to_owned()]);
        let broken = Named::from([("w".to_owned(), Tensor::from_slice(&[f32::NAN]))]);
        assert!(
            !optimiser
                .step(&broken, &Named::new(), &TrainingConfig::default())
                .is_finite()
        );
        assert_eq!(optimiser.weights["w"].double_value(&[0]), 2.0);
    }
}
