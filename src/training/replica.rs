//! One copy of the network on its own thread, computing gradients of its part of each batch.
//!
//! On CPUs one single-threaded replica per core beats one network with many threads, and copes
//! better with other programs running; on a GPU there is one replica.

use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use tch::{Device, Tensor, nn};

use super::batch::Batch;
use super::config::TrainingConfig;
use super::loss::Loss;
use super::opinion::Opinion;
use crate::model::autoencoder::Autoencoder;
use crate::model::denormals::flush_denormals;
use crate::model::tape::Tape;
use crate::model::tensor_file::Named;

/// What a replica is asked to do.
struct Job {
    batch: Batch,
    weights: Named,
    update: u64,
}

/// What it found; tensors are on the CPU or the replica's device, like the weights.
pub struct Gradients {
    pub gradients: Named,
    pub loss: f64,
    pub sdr_db: f64,
}

/// Overwrites a network's `variables` with `weights`.
pub fn load(variables: &mut Named, weights: &Named) {
    let _guard = tch::no_grad_guard();
    for (name, variable) in variables {
        variable.copy_(&weights[name]);
    }
}

/// A handle to the thread.
pub struct Replica {
    jobs: Sender<Job>,
    results: Receiver<Gradients>,
    _thread: JoinHandle<()>,
}

impl Replica {
    /// Starts the thread; it ends when the handle is dropped. The weights `before` answer the clips that are replayed.
    pub fn start(
        config: &TrainingConfig,
        before: Option<&Named>,
        opinion: Option<Opinion>,
        device: Device,
    ) -> Self {
        let (jobs, inbox) = bounded::<Job>(1);
        let (outbox, results) = bounded(1);
        let config = config.clone();
        let before = before.map(shared);
        let thread = thread::spawn(move || {
            flush_denormals();
            tch::set_num_threads(1);
            // Every batch has the same shape: it pays to try which convolutions are fastest.
            tch::Cuda::cudnn_set_benchmark(device.is_cuda());
            let (network, mut variables) = build(&config, device);
            let before = before.map(|weights| {
                let (network, mut variables) = build(&config, device);
                load(&mut variables, &weights);
                network
            });
            let loss = Loss::new(&config.loss, &config.model, opinion, device);
            for job in inbox {
                load(&mut variables, &job.weights);
                if outbox
                    .send(gradients(
                        &network,
                        &mut variables,
                        before.as_ref(),
                        &loss,
                        &job,
                        &config,
                        device,
                    ))
                    .is_err()
                {
                    return;
                }
            }
        });
        Self {
            jobs,
            results,
            _thread: thread,
        }
    }

    /// Hands over a batch and the weights to use; [`Self::finish`] gives the result.
    pub fn begin(&self, batch: Batch, weights: &Named, update: u64) -> anyhow::Result<()> {
        self.jobs
            .send(Job {
                batch,
                weights: shared(weights),
                update,
            })
            .map_err(|_| stopped())
    }

    /// Waits for the gradients of the batch given last.
    pub fn finish(&self) -> anyhow::Result<Gradients> {
        self.results.recv().map_err(|_| stopped())
    }
}

fn stopped() -> anyhow::Error {
    anyhow::anyhow!("a training thread has stopped; the message above says why (out of memory?)")
}

/// The same tensors once more.
fn shared(weights: &Named) -> Named {
    weights
        .iter()
        .map(|(name, weight)| (name.clone(), weight.shallow_clone()))
        .collect()
}

/// A network and its weights.
fn build(config: &TrainingConfig, device: Device) -> (Autoencoder, Named) {
    let store = nn::VarStore::new(device);
    let network = Autoencoder::new(store.root(), &config.model);
    (network, store.variables().into_iter().collect())
}

/// The `target` `[clips, frames, bins, 2]`, of replayed clips what the network of `before` makes of `noisy`.
fn as_before(
    before: &Autoencoder,
    noisy: &Tensor,
    target: Tensor,
    batch: &Batch,
    config: &TrainingConfig,
) -> Tensor {
    let clips = batch.replayed.nonzero().squeeze_dim(1);
    if clips.numel() == 0 {
        return target;
    }
    let noisy = noisy.index_select(0, &clips);
    let answers = before.forward(&noisy, config.precision.kind(), &mut Tape::default());
    target.index_copy(0, &clips, &answers)
}

fn gradients(
    network: &Autoencoder,
    variables: &mut Named,
    before: Option<&Autoencoder>,
    loss: &Loss,
    job: &Job,
    config: &TrainingConfig,
    device: Device,
) -> Gradients {
    let batch = job.batch.to_device(device);
    let (noisy, target) = tch::no_grad(|| {
        let (noisy, target) = loss.analyse(&batch);
        let target = match before {
            Some(before) => as_before(before, &noisy, target, &batch, config),
            None => target,
        };
        (noisy, target)
    });
    let mut tape = Tape::recording();
    let estimate = network.forward(&noisy, config.precision.kind(), &mut tape);
    let value = loss.compare(&estimate, &target, &batch, job.update);
    tape.backward(&value.total);
    let take = |(name, variable): (&String, &mut Tensor)| {
        let gradient = variable.grad().copy();
        variable.zero_grad();
        (name.clone(), gradient)
    };
    Gradients {
        gradients: variables.iter_mut().map(take).collect(),
        loss: value.total.double_value(&[]),
        sdr_db: value.sdr_db.double_value(&[]),
    }
}

/// The mean over replicas, weighted by their clips.
pub fn average(results: Vec<(i64, Gradients)>) -> Option<Gradients> {
    let clips: i64 = results.iter().map(|(clips, _)| clips).sum();
    let mut sum: Option<Gradients> = None;
    for (count, part) in results {
        let share = count as f64 / clips as f64;
        let scaled = |named: Named| -> Named {
            named
                .into_iter()
                .map(|(name, t)| (name, t * share))
                .collect()
        };
        let part = Gradients {
            gradients: scaled(part.gradients),
            loss: part.loss * share,
            sdr_db: part.sdr_db * share,
        };
        match &mut sum {
            None => sum = Some(part),
            Some(sum) => {
                add(&mut sum.gradients, &part.gradients);
                sum.loss += part.loss;
                sum.sdr_db += part.sdr_db;
            }
        }
    }
    sum
}

fn add(sum: &mut Named, part: &Named) {
    for (name, tensor) in sum {
        *tensor += &part[name];
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::model::ModelConfig;

    /// Where only what is known is replayed, nothing pulls at the weights.
    #[test]
    fn replayed_clips_ask_for_what_the_weights_of_before_answer() {
        tch::manual_seed(6);
        let config = TrainingConfig {
            model: ModelConfig {
                channels: 16,
                latent: 8,
                ..ModelConfig::default()
            },
            ..TrainingConfig::default()
        };
        let (_, weights) = build(&config, Device::Cpu);
        let replica = Replica::start(&config, Some(&weights), None, Device::Cpu);
        let options = (Kind::Float, Device::Cpu);
        let pull = |replayed: [f32; 2]| {
            let batch = Batch {
                noisy: Tensor::randn([2, 9600], options) * 0.1,
                target: Tensor::randn([2, 9600], options) * 0.1,
                gain: Tensor::ones([2], options) * 10.0,
                bandwidth_hz: Tensor::full([2], 24e3, options),
                speech: Tensor::ones([2], options),
                replayed: Tensor::from_slice(&replayed),
            };
            replica.begin(batch, &weights, 0).unwrap();
            let found = replica.finish().unwrap();
            let squares = found.gradients.values();
            let squares = squares.map(|g| g.square().sum(Kind::Float).double_value(&[]));
            squares.sum::<f64>().sqrt()
        };
        let (some, none) = (pull([0.0, 1.0]), pull([1.0, 1.0]));
        assert!(none < 1e-3 * some, "{none} of {some}");
    }
}
