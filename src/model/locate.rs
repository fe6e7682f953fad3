//! Where the shipped weights are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const FILE: &str = "models/denoised.safetensors";

/// The weights that ship with the program: beside the executable, in the `share/denoised` folder
/// of its installation, or in the source tree that it was built from.
///
/// # Errors
/// None is there; the message says where they were looked for.
pub fn default_path() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("cannot find the own executable")?;
    let folder = executable.parent().unwrap_or(Path::new("."));
    let places = [
        folder.join(FILE),
        folder.join("../share/denoised").join(FILE),
        Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE),
    ];
    places
        .iter()
        .find(|place| place.is_file())
        .cloned()
        .with_context(|| {
            let places = places.map(|place| place.display().to_string()).join(", ");
            format!("no weights found ({places}); name a file with --model")
        })
}
