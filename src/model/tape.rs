//! Gradients of steps that libtorch does not know.
//!
//! A step is computed outside of libtorch's graph, and the graph is cut there: what comes after it starts from the
//! step's output. [`Tape::backward`] goes back through the pieces of the graph, the last first, and hands the
//! gradient that a piece has left at its start to the step before it. A tensor that several pieces use is
//! [shared](Tape::share): its gradient is complete before the piece that made it is gone through, once.

use tch::{Kind, Tensor};

/// From the gradient of a step's output to those of its inputs.
type Gradient = Box<dyn FnOnce(&Tensor) -> Vec<Tensor>>;

/// The cuts of one pass through the network, in their order. The default one records none: for passes that nobody wants
/// the gradient of, which then keep nothing in memory.
#[derive(Default)]
pub struct Tape(Option<Vec<Cut>>);

struct Cut {
    inputs: Vec<Tensor>,
    output: Tensor,
    gradient: Gradient,
}

impl Tape {
    /// For one pass whose gradient is wanted.
    pub fn recording() -> Self {
        Self(Some(Vec::new()))
    }

    /// Gives the `output` of a step, for what comes after it. `gradient` must give one tensor for each of `inputs`.
    pub fn cut(
        &mut self,
        inputs: &[&Tensor],
        output: &Tensor,
        gradient: impl FnOnce(&Tensor) -> Vec<Tensor> + 'static,
    ) -> Tensor {
        let Some(cuts) = &mut self.0 else {
            return output.shallow_clone();
        };
        let output = output.detach().set_requires_grad(true);
        cuts.push(Cut {
            inputs: inputs.iter().map(|input| input.shallow_clone()).collect(),
            output: output.shallow_clone(),
            gradient: Box::new(gradient),
        });
        output
    }

    /// The same tensor, for use on both sides of later cuts.
    pub fn share(&mut self, tensor: &Tensor) -> Tensor {
        if tensor.is_leaf() {
            return tensor.shallow_clone();
        }
        self.cut(&[tensor], tensor, |gradient| vec![gradient.shallow_clone()])
    }

    /// Adds the gradients of `loss` to those of the weights that it depends on.
    pub fn backward(self, loss: &Tensor) {
        loss.backward();
        for cut in self.0.into_iter().flatten().rev() {
            let gradient = cut.output.grad();
            if !gradient.defined() {
                continue;
            }
            let gradients = tch::no_grad(|| (cut.gradient)(&gradient));
            // The gradient of a product's sum is the other factor.
            let sums = cut.inputs.iter().zip(gradients);
            let sums = sums
                .filter(|(input, _)| input.requires_grad())
                .map(|(input, gradient)| (input * gradient).sum(Kind::Float));
            if let Some(sum) = sums.reduce(|sum, next| sum + next) {
                sum.backward();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_pass_cuts_and_shared_tensors() {
        let weight = || Tensor::from_slice(&[0.3f32, -0.7]).set_requires_grad(true);
        let (plain, cut) = (weight(), weight());

        let shared = (&plain * 2.0).sin();
        let loss = (shared.exp() * &shared).sum(Kind::Float);
        loss.backward();

        let mut tape = Tape::recording();
        let shared = tape.share(&(&cut * 2.0).sin());
        let value = tch::no_grad(|| shared.exp());
        let slope = value.shallow_clone();
        let step = tape.cut(&[&shared], &value, move |gradient| vec![gradient * slope]);
        let taped = (step * &shared).sum(Kind::Float);
        tape.backward(&taped);

        assert_eq!(taped, loss);
        let difference = (plain.grad() - cut.grad()).abs().max();
        assert!(difference.double_value(&[]) < 1e-6);
    }
}
