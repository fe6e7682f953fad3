//! Which input goes to which outputs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Args;
use crate::audio::files::recordings;

/// One recording's way.
#[derive(Debug, PartialEq)]
pub struct Task {
    pub input: PathBuf,
    pub noisy: PathBuf,
    pub target: Option<PathBuf>,
}

impl Task {
    /// # Errors
    /// When an output exists and may not be replaced, or is the input itself.
    pub fn refuse_existing(&self, force: bool) -> Result<()> {
        let input = self.input.canonicalize()?;
        for output in std::iter::once(&self.noisy).chain(&self.target) {
            ensure!(
                output.canonicalize().ok() != Some(input.clone()),
                "the output {} is the input itself: choose another name",
                output.display()
            );
            ensure!(
                force || !output.exists(),
                "{}: exists already; --force overwrites it",
                output.display()
            );
        }
        Ok(())
    }
}

/// Every recording among the inputs and below, with its outputs; below a folder the tree is kept.
///
/// # Errors
/// When an input does not exist, or two outputs would have the same name.
pub fn plan(args: &Args) -> Result<Vec<Task>> {
    let single = matches!(args.inputs.as_slice(), [input] if !input.is_dir());
    let mut tasks = Vec::new();
    for input in &args.inputs {
        for file in recordings(std::slice::from_ref(input))? {
            let name = match file.strip_prefix(input) {
                Ok(below) if below != Path::new("") => below.to_path_buf(),
                _ => PathBuf::from(file.file_name().context("a file has a name")?),
            };
            let place = |output: &PathBuf| {
                if single && !is_folder(output) {
                    output.clone()
                } else {
                    output.join(name.with_extension("wav"))
                }
            };
            tasks.push(Task {
                noisy: place(&args.output),
                target: args.target.as_ref().map(place),
                input: file,
            });
        }
    }
    let mut taken = HashSet::new();
    for task in &tasks {
        for output in std::iter::once(&task.noisy).chain(&task.target) {
            ensure!(
                taken.insert(output),
                "{}: two outputs would have this name; give the inputs one by one",
                output.display()
            );
        }
    }
    Ok(tasks)
}

/// An existing folder, or a name that ends like one.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}
