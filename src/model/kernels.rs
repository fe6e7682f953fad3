//! The recurrences of whole clips on NVIDIA GPUs: kernels of our own, in `recurrence.cu`.
//!
//! They are compiled when first used, by the compiler that comes with libtorch's CUDA libraries, and run on the stream
//! that libtorch uses, so that they take their turn between its operations.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use cudarc::driver::sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES as SHARED_BYTES;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaStream, LaunchConfig, PushKernelArg, sys as driver,
};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts, sys as compiler};
use tch::{Device, Kind, Tensor};

use super::gated_mean::Layout;
use super::state_gates::Trace;

const SOURCE: &str = include_str!("recurrence.cu");
/// Rows of a block, as `TILE` there.
const TILE: usize = 32;

/// The kernels for one GPU and one type of activations.
#[derive(Debug)]
pub struct Kernels {
    stream: Arc<CudaStream>,
    gated_mean_run: CudaFunction,
    gated_mean_differentiate: CudaFunction,
    state_gates_run: CudaFunction,
    state_gates_differentiate: CudaFunction,
    /// What a block can have of shared memory.
    shared_bytes: usize,
}

/// By GPU, and whether activations are bfloat16; `None` where they cannot be had.
type Known = BTreeMap<(usize, bool), Option<Rc<Kernels>>>;

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(BTreeMap::new()) };
}

impl Kernels {
    /// Those for `activations`, if they are on a GPU that can have them.
    pub fn of(activations: &Tensor) -> Option<Rc<Self>> {
        let Device::Cuda(gpu) = activations.device() else {
            return None;
        };
        let bfloat16 = match activations.kind() {
            Kind::BFloat16 => true,
            Kind::Float => false,
            _ => return None,
        };
        KNOWN.with_borrow_mut(|known| {
            let kernels = known.entry((gpu, bfloat16)).or_insert_with(|| {
                let compiled = Self::compile(gpu, bfloat16);
                let compiled = compiled.map_err(|error| {
                    log::warn!("recurrences will be slow: no kernels for GPU {gpu}: {error:#}");
                });
                compiled.ok().map(Rc::new)
            });
            kernels.clone()
        })
    }

    fn compile(gpu: usize, bfloat16: bool) -> Result<Self> {
        // SAFETY: this loads the libraries, which libtorch has done, too.
        let (has_driver, has_compiler) =
            unsafe { (driver::is_culib_present(), compiler::is_culib_present()) };
        ensure!(has_driver, "libcuda is not found");
        ensure!(
            has_compiler,
            "libnvrtc is not found: add its folder to LD_LIBRARY_PATH"
        );
        let context = CudaContext::new(gpu).context("it cannot be used")?;
        let (major, minor) = context.compute_capability()?;
        let mut options = vec![format!("--gpu-architecture=compute_{major}{minor}")];
        options.extend(bfloat16.then(|| "-DBFLOAT16".to_owned()));
        let options = CompileOptions {
            options,
            ..CompileOptions::default()
        };
        let compiled = compile_ptx_with_opts(SOURCE, options).context("they do not compile")?;
        let module = context.load_module(compiled)?;
        let function = |name: &str| module.load_function(name).context(name.to_owned());
        let limit =
            driver::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let kernels = Self {
            stream: context.default_stream(),
            gated_mean_run: function("gated_mean_run")?,
            gated_mean_differentiate: function("gated_mean_differentiate")?,
            state_gates_run: function("state_gates_run")?,
            state_gates_differentiate: function("state_gates_differentiate")?,
            shared_bytes: context.attribute(limit)? as usize,
        };
        for function in [&kernels.state_gates_run, &kernels.state_gates_differentiate] {
            function.set_attribute(SHARED_BYTES, kernels.shared_bytes as i32)?;
        }
        Ok(kernels)
    }

    /// Whether a recurrence of so many `channels` fits, whose gates see what is remembered.
    pub fn fit_state_gates(&self, channels: usize) -> bool {
        channels.is_multiple_of(2) && channels <= 512 && shared_bytes(channels) <= self.shared_bytes
    }

    /// The outputs of `products` without their `bias`, and what is remembered after each frame (32-bit).
    pub fn gated_mean(&self, products: &Tensor, bias: &Tensor, layout: Layout) -> [Tensor; 2] {
        let shape = [products.size()[0], layout.rows as i64, layout.frames as i64];
        let outputs = Tensor::empty(shape, (products.kind(), products.device()));
        let states = Tensor::empty(shape, (Kind::Float, products.device()));
        self.launch(
            &self.gated_mean_run,
            gated_mean_grid(products, layout),
            &[products, bias, &outputs, &states],
            &[layout.rows, layout.channels, layout.frames],
        );
        [outputs, states]
    }

    /// From the gradients of its `outputs` to those of its `products`.
    pub fn gated_mean_gradient(
        &self,
        products: &Tensor,
        bias: &Tensor,
        layout: Layout,
        states: &Tensor,
        outputs: &Tensor,
    ) -> Tensor {
        let gradients = products.empty_like();
        self.launch(
            &self.gated_mean_differentiate,
            gated_mean_grid(products, layout),
            &[products, bias, states, outputs, &gradients],
            &[layout.rows, layout.channels, layout.frames],
        );
        gradients
    }

    /// The outputs of `products` `[frames, rows, 3 * channels]` with gates that see what is remembered, through `state`
    /// `[2 * channels, channels]`.
    pub fn state_gates(&self, products: &Tensor, state: &Tensor) -> (Tensor, Trace) {
        let trace = Trace::new(products);
        let outputs = trace.states.empty_like().to_kind(products.kind());
        self.launch(
            &self.state_gates_run,
            state_gates_grid(products),
            &[
                products,
                state,
                &trace.updates,
                &trace.open,
                &trace.states,
                &outputs,
            ],
            &state_gates_sizes(products),
        );
        (outputs, trace)
    }

    /// From the gradients of its `outputs` to those of its `products`.
    pub fn state_gates_gradient(
        &self,
        products: &Tensor,
        state: &Tensor,
        trace: &Trace,
        outputs: &Tensor,
    ) -> Tensor {
        let gradients = products.empty_like();
        self.launch(
            &self.state_gates_differentiate,
            state_gates_grid(products),
            &[
                products,
                state,
                &trace.updates,
                &trace.open,
                &trace.states,
                outputs,
                &gradients,
            ],
            &state_gates_sizes(products),
        );
        gradients
    }

    fn launch(
        &self,
        kernel: &CudaFunction,
        grid: LaunchConfig,
        tensors: &[&Tensor],
        sizes: &[usize],
    ) {
        let pointers: Vec<u64> = tensors
            .iter()
            .map(|tensor| {
                assert!(tensor.is_contiguous(), "{tensor:?} has gaps");
                tensor.data_ptr() as u64
            })
            .collect();
        let sizes: Vec<i32> = sizes.iter().map(|&size| size as i32).collect();
        let mut arguments = self.stream.launch_builder(kernel);
        for pointer in &pointers {
            arguments.arg(pointer);
        }
        for size in &sizes {
            arguments.arg(size);
        }
        // SAFETY: the arguments are those of the kernel, the tensors as long as `sizes` say; libtorch hands out their memory
        // again for work on the same stream alone.
        let launched = unsafe { arguments.launch(grid) };
        launched.expect("a kernel that compiled and fits its GPU starts");
    }
}

fn gated_mean_grid(products: &Tensor, layout: Layout) -> LaunchConfig {
    let clips = products.size()[0] as u32;
    LaunchConfig {
        grid_dim: (layout.rows.div_ceil(TILE) as u32, clips, 1),
        block_dim: (TILE as u32, 1, 1),
        shared_mem_bytes: 0,
    }
}

fn state_gates_grid(products: &Tensor) -> LaunchConfig {
    let channels = (products.size()[2] / 3) as u32;
    LaunchConfig {
        grid_dim: (products.size()[1] as u32, 1, 1),
        block_dim: (2 * channels, 1, 1),
        shared_mem_bytes: shared_bytes(channels as usize) as u32,
    }
}

/// Channels and frames.
fn state_gates_sizes(products: &Tensor) -> [usize; 2] {
    [products.size()[2] / 3, products.size()[0]].map(|size| size as usize)
}

/// Half-precision pairs of the matrix, and two numbers for each gate.
fn shared_bytes(channels: usize) -> usize {
    4 * channels * channels + 4 * 4 * channels
}
