//! What runs the recurrences of whole clips in one pass: the processor, or kernels on a GPU.

#[cfg(feature = "cuda")]
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::gated_mean::{self, Layout};
#[cfg(feature = "cuda")]
use super::kernels::Kernels;
use super::state_gates::{self, Trace};

/// Works on activations of one kind; products and outputs are laid out as [`gated_mean`] and [`state_gates`] say.
pub enum Engine {
    Processor,
    #[cfg(feature = "cuda")]
    Gpu(Rc<Kernels>),
}

impl Engine {
    /// For `activations`, and so many channels of gates that see what is remembered, if any do. `None` where there is none
    /// and tensor operations have to do.
    pub fn of(activations: &Tensor, state_channels: Option<usize>) -> Option<Self> {
        if activations.device() == Device::Cpu {
            return Some(Self::Processor);
        }
        Self::on_gpu(activations, state_channels)
    }

    #[cfg(feature = "cuda")]
    fn on_gpu(activations: &Tensor, state_channels: Option<usize>) -> Option<Self> {
        let kernels = Kernels::of(activations)?;
        let fits = state_channels.is_none_or(|channels| kernels.fit_state_gates(channels));
        fits.then_some(Self::Gpu(kernels))
    }

    #[cfg(not(feature = "cuda"))]
    fn on_gpu(_: &Tensor, _: Option<usize>) -> Option<Self> {
        None
    }

    /// The outputs of `products` without their `bias`, in their kind; and what the gradient needs besides.
    pub fn gated_mean(
        &self,
        products: &Tensor,
        bias: &Tensor,
        layout: Layout,
    ) -> (Tensor, Option<Tensor>) {
        match self {
            Self::Processor => {
                let outputs = gated_mean::run(&products.to_kind(Kind::Float), bias, layout);
                (outputs.to_kind(products.kind()), None)
            }
            #[cfg(feature = "cuda")]
            Self::Gpu(kernels) => {
                let [outputs, states] = kernels.gated_mean(products, bias, layout);
                (outputs, Some(states))
            }
        }
    }

    /// From the gradients of its `outputs` to those of its `products`.
    pub fn gated_mean_gradient(
        &self,
        products: &Tensor,
        bias: &Tensor,
        layout: Layout,
        states: Option<&Tensor>,
        outputs: &Tensor,
    ) -> Tensor {
        match (self, states) {
            #[cfg(feature = "cuda")]
            (Self::Gpu(kernels), Some(states)) => {
                kernels.gated_mean_gradient(products, bias, layout, states, outputs)
            }
            _ => {
                let [products, outputs] = [products, outputs].map(|t| t.to_kind(Kind::Float));
                gated_mean::differentiate(&products, bias, layout, &outputs)
            }
        }
    }

    /// The outputs of `products` with gates that see the `state`, in their kind; and what the gradient needs besides.
    pub fn state_gates(&self, products: &Tensor, state: &Tensor) -> (Tensor, Trace) {
        match self {
            Self::Processor => {
                let (outputs, trace) = state_gates::run(&products.to_kind(Kind::Float), state);
                (outputs.to_kind(products.kind()), trace)
            }
            #[cfg(feature = "cuda")]
            Self::Gpu(kernels) => kernels.state_gates(products, state),
        }
    }

    /// From the gradients of its `outputs` to those of its `products`.
    pub fn state_gates_gradient(
        &self,
        products: &Tensor,
        state: &Tensor,
        trace: &Trace,
        outputs: &Tensor,
    ) -> Tensor {
        match self {
            Self::Processor => {
                let [products, outputs] = [products, outputs].map(|t| t.to_kind(Kind::Float));
                state_gates::differentiate(&products, state, trace, &outputs)
            }
            #[cfg(feature = "cuda")]
            Self::Gpu(kernels) => kernels.state_gates_gradient(products, state, trace, outputs),
        }
    }
}
