//! Making a model better in one environment without making it worse elsewhere.
//!
//! Fine-tuning on one noise alone forgets the others. So only a share of the clips has the
//! environment's noise; the rest replays the general recipe with other noises and voices (rehearsal, Robins,
//! 1995). There the target is what the weights of before answer, not the clean voice: the few voices that are at hand
//! must not be learned by heart (Li and Hoiem, "Learning without forgetting", 2016). The weights of before count as the
//! first candidate for the best.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, ensure};

use rand_chacha::ChaCha8Rng;

use super::batch::{Example, Examples, Material};
use super::config::TrainingConfig;
use super::mixtures::Mixtures;
use super::pack::Pack;
use super::pool::Pool;
use super::voices::Voices;
use crate::corruption::Recipe;
use crate::corruption::draw::{Probability, Span};
use crate::corruption::file_noise::FileNoise;
use crate::corruption::noise::{Kind, Noise};
use crate::corruption::room::Room;

/// The recipe of `denoised adapt`.
pub const RECIPE: &str = include_str!("../../models/adapt.toml");
/// The end of the environment's recording is for validation.
const TRAINING_SHARE: f64 = 0.8;
/// Less noise is learned by heart.
const MIN_NOISE_SECONDS: f64 = 5.0;

/// What is replayed so that it is not forgotten.
pub struct Rehearsal {
    /// For training and for validation.
    pub voices: [Voices; 2],
    /// Recordings of all kinds of noise, besides the synthetic ones.
    pub noise: Option<Arc<Pack>>,
}

/// Examples whose answer is to stay what it is.
struct Replayed(Mixtures);

impl Examples for Replayed {
    fn draw(&self, rng: &mut ChaCha8Rng, len_samples: usize) -> Example {
        Example {
            replayed: true,
            ..self.0.draw(rng, len_samples)
        }
    }
}

/// Training and validation material from the environment's `noise`, clean `voices` for both, and what is rehearsed.
///
/// # Errors
/// Too little noise.
pub fn material(
    noise: &Pack,
    [training, validation]: [Voices; 2],
    Rehearsal {
        voices: [rehearsed, judged],
        noise: rehearsed_noise,
    }: Rehearsal,
    config: &TrainingConfig,
) -> Result<(Material, Material)> {
    let seconds: f64 = noise.clips().iter().map(|clip| clip.seconds()).sum();
    ensure!(
        seconds >= MIN_NOISE_SECONDS,
        "the noise is {seconds:.1} s long: record at least {MIN_NOISE_SECONDS:.0} s of it, better a minute"
    );
    let (early, late) = noise.split_in_time(TRAINING_SHARE);
    let pool = |noise: Arc<Pack>| Pool::new(noise, config.voices.balance_exponent);
    let mixtures = |voices: Voices, noise: Option<Arc<Pack>>, recipe: Recipe| Mixtures {
        voices,
        noise: noise.map(pool),
        rooms: None,
        recipe,
    };
    let build = |rehearsed: Voices, voices: Voices, environment_noise: Pack| {
        Material::mixed(
            Replayed(mixtures(
                rehearsed,
                rehearsed_noise.clone(),
                config.corruption.clone(),
            )),
            config.adaptation.share,
            mixtures(
                voices,
                Some(Arc::new(environment_noise)),
                environment(config),
            ),
        )
    };
    Ok((
        build(rehearsed, training, early),
        build(judged, validation, late),
    ))
}

/// The general recipe with the environment as its only noise: little varied, since it is known.
fn environment(config: &TrainingConfig) -> Recipe {
    let general = &config.corruption;
    let file = FileNoise {
        second: Probability::NEVER,
        speed_probability: Probability::new(0.5),
        speed: Span::new(0.85, 1.18),
        ..general.noise.file.clone()
    };
    Recipe {
        noise: Noise {
            snr_db: config.adaptation.snr_db,
            weights: BTreeMap::from([(Kind::File, 1.0)]),
            another: Probability::NEVER,
            file,
            // The recording has its room in it.
            room: Room::off(),
            ..general.noise.clone()
        },
        ..general.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_recipe_is_valid_and_has_the_environment_alone() {
        let config: TrainingConfig = toml::from_str(RECIPE).unwrap();
        config.validate().unwrap();
        let recipe = environment(&config);
        assert_eq!(
            recipe.noise.weights.keys().collect::<Vec<_>>(),
            [&Kind::File]
        );
    }
}
