//! Where installed weights are, and what came with them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::audio::files::has_extension;

const DEFAULT: &str = "denoised";
const LIGHT: &str = "light";
const EXTENSION: &str = "safetensors";
const REHEARSAL: &str = "rehearsal";
/// The end of the name of what a training run goes on from: no weights to clean with.
const TRAINING_STATE: &str = ".state.safetensors";

/// The weights that ship with the program.
///
/// # Errors
/// None are there; the message says where they were looked for.
pub fn default_path() -> Result<PathBuf> {
    find(DEFAULT)?.with_context(|| {
        let searched = folders().map(|folders| list(&folders)).unwrap_or_default();
        format!("no weights found ({searched}); name a file with --model")
    })
}

/// The light weights that ship with the program, if they are installed.
///
/// # Errors
/// The own executable cannot be found.
pub fn light() -> Result<Option<PathBuf>> {
    find(LIGHT)
}

/// The weights somebody has `chosen`: a file, or the name of installed ones; the default ones for none.
///
/// # Errors
/// There are none of that name; the message says which there are.
pub fn chosen(chosen: Option<&Path>) -> Result<PathBuf> {
    let Some(chosen) = chosen else {
        return default_path();
    };
    if !may_be_name(chosen) || chosen.is_file() {
        return Ok(chosen.to_path_buf());
    }
    let name = chosen.to_string_lossy();
    find(&name)?.with_context(|| {
        let stem = |path: PathBuf| Some(path.file_stem()?.to_string_lossy().into_owned());
        let names: Vec<String> = installed()
            .unwrap_or_default()
            .into_iter()
            .filter_map(stem)
            .collect();
        format!(
            "no file and no installed model is called {name:?}; installed are: {}",
            names.join(", ")
        )
    })
}

/// Whether this may be the name of installed weights instead of a file.
pub fn may_be_name(chosen: &Path) -> bool {
    chosen.components().count() == 1 && chosen.extension().is_none()
}

/// Installed weights by their name.
fn find(name: &str) -> Result<Option<PathBuf>> {
    let file = format!("{name}.{EXTENSION}");
    let mut places = folders()?.into_iter().map(|folder| folder.join(&file));
    Ok(places.find(|place| place.is_file()))
}

/// The folder of voices and noises that `denoised adapt` rehearses, if it is installed beside the weights.
///
/// # Errors
/// The own executable cannot be found.
pub fn rehearsal() -> Result<Option<PathBuf>> {
    let mut places = folders()?.into_iter().map(|folder| folder.join(REHEARSAL));
    Ok(places.find(|place| place.is_dir()))
}

/// All weights in the folders that [`default_path`] searches, each folder's in the order of their
/// names.
///
/// # Errors
/// None are there; the message says where they were looked for.
pub fn installed() -> Result<Vec<PathBuf>> {
    let folders = folders()?;
    let mut seen = HashSet::new();
    let mut installed = Vec::new();
    for folder in &folders {
        // One that is missing or was reached by another way holds nothing new.
        let real = folder.canonicalize().ok();
        let Some(entries) = real
            .filter(|real| seen.insert(real.clone()))
            .and_then(|real| real.read_dir().ok())
        else {
            continue;
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.to_string_lossy();
                has_extension(path, &[EXTENSION]) && !name.ends_with(TRAINING_STATE)
            })
            .collect();
        files.sort();
        installed.extend(files);
    }
    let first = installed.first();
    first.with_context(|| format!("no weights found ({})", list(&folders)))?;
    Ok(installed)
}

/// Beside the executable, in the `share/denoised` folder of its installation, and in the source
/// tree that it was built from.
fn folders() -> Result<[PathBuf; 3]> {
    let executable = std::env::current_exe().context("cannot find the own executable")?;
    let folder = executable.parent().unwrap_or(Path::new("."));
    Ok([
        folder.join("models"),
        folder.join("../share/denoised/models"),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models"),
    ])
}

fn list(folders: &[PathBuf]) -> String {
    let names: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_chosen_by_file_or_name() {
        let shipped = default_path().unwrap();
        assert_eq!(chosen(None).unwrap(), shipped);
        assert_eq!(chosen(Some(Path::new("denoised"))).unwrap(), shipped);
        for file in ["mine.safetensors", "./denoised", "/no/such/file"] {
            assert_eq!(chosen(Some(Path::new(file))).unwrap(), Path::new(file));
        }
        let error = chosen(Some(Path::new("denoisd"))).unwrap_err().to_string();
        assert!(
            error.contains("denoisd") && error.contains("denoised"),
            "{error}"
        );
    }
}
