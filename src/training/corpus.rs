//! Audio files as training material: decoded once into a cache folder, see [`super::pack`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use indicatif::ProgressBar;

use super::config::VoicesConfig;
use super::listing::{self, Listed};
use super::pack::Pack;
use super::pool::Pool;
use super::voices::Voices;
use crate::corruption::Rooms;
use crate::corruption::folder::read_at_48k;

/// Where decoded audio is kept.
#[derive(Debug, Clone)]
pub struct Corpus {
    cache: PathBuf,
}

impl Corpus {
    /// In `folder`, or else in `denoised` in the user's cache.
    ///
    /// # Errors
    /// No folder was given and there is no home.
    pub fn new(folder: Option<PathBuf>) -> Result<Self> {
        let from = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let base =
            || from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
        match folder.or_else(|| base().map(|base| base.join("denoised"))) {
            Some(cache) => Ok(Self { cache }),
            None => bail!("neither XDG_CACHE_HOME nor HOME is set: give --cache DIR"),
        }
    }

    /// Decodes what is not decoded yet.
    ///
    /// # Errors
    /// As [`Pack::open`].
    pub fn open(&self, listed: &[Listed]) -> Result<Pack> {
        let bar = ProgressBar::new(0);
        let pack = Pack::open(listed, &self.cache, &bar)?;
        bar.finish_and_clear();
        let minutes = pack.clips().iter().map(|clip| clip.seconds()).sum::<f64>() / 60.0;
        log::info!("{} files, {minutes:.0} minutes", pack.clips().len());
        Ok(pack)
    }

    /// Clean speech, speaker by speaker.
    ///
    /// # Errors
    /// As [`Corpus::open`].
    pub fn voices(&self, listed: &[Listed], config: &VoicesConfig) -> Result<Voices> {
        Ok(Voices::new(Arc::new(self.open(listed)?), config.clone()))
    }

    /// Noise, class by class; `None` of nothing.
    ///
    /// # Errors
    /// As [`Corpus::open`].
    pub fn noise(&self, listed: &[Listed], config: &VoicesConfig) -> Result<Option<Pool>> {
        if listed.is_empty() {
            return Ok(None);
        }
        let pack = Arc::new(self.open(listed)?);
        Ok(Some(Pool::new(pack, config.balance_exponent)))
    }
}

/// Measured room impulse responses.
///
/// # Errors
/// A folder without audio, or a file that cannot be decoded.
pub fn rooms(folder: &Path) -> Result<Rooms> {
    let files = listing::read(&[folder.to_owned()])?;
    let responses = files.iter().map(|file| read_at_48k(&file.path));
    Ok(Rooms::new(responses.collect::<Result<Vec<_>>>()?))
}
