//! Which input goes to which outputs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Args;
use crate::audio::files::{Inputs, recordings};

/// One recording's way.
#[derive(Debug, PartialEq)]
pub struct Task {
    pub input: PathBuf,
    pub noisy: PathBuf,
    pub target: Option<PathBuf>,
}

impl Task {
    fn outputs(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.noisy).chain(&self.target)
    }

    /// # Errors
    /// When an output exists and may not be replaced.
    pub fn refuse_existing(&self, force: bool) -> Result<()> {
        for output in self.outputs() {
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
/// When an input does not exist, an output would replace what is read, or two outputs would have the same name.
pub fn plan(args: &Args) -> Result<Vec<Task>> {
    let single = matches!(args.inputs.as_slice(), [input] if !input.is_dir());
    let mut tasks = Vec::new();
    for input in &args.inputs {
        for file in recordings(std::slice::from_ref(input))? {
            let name = match file.strip_prefix(input) {
                Ok(below) if below != Path::new("") => below.to_path_buf(),
                _ => PathBuf::from(file.file_name().context("a file has a name")?),
            };
            let goes_to = |output: &PathBuf| {
                if single && !is_folder(output) {
                    output.clone()
                } else {
                    output.join(name.with_extension("wav"))
                }
            };
            tasks.push(Task {
                noisy: goes_to(&args.output),
                target: args.target.as_ref().map(goes_to),
                input: file,
            });
        }
    }
    check_outputs(&tasks, &args.corruption.material()?)?;
    Ok(tasks)
}

/// Refuses outputs that would replace an input, what noise and rooms are made from, or each other.
fn check_outputs(tasks: &[Task], material: &[PathBuf]) -> Result<()> {
    let inputs = Inputs::new(tasks.iter().map(|task| &task.input).chain(material));
    let mut taken = HashSet::new();
    for output in tasks.iter().flat_map(Task::outputs) {
        inputs.refuse(output)?;
        ensure!(
            taken.insert(place(output)?),
            "{}: two outputs would have this name; give the inputs one by one, and --target another name than -o",
            output.display()
        );
    }
    Ok(())
}

/// Where a file will lie, however it is spelled.
fn place(output: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(output)
        .with_context(|| format!("{}: not a name for an output", output.display()))?;
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Ok(absolute);
    };
    // Links can be followed only in folders that exist.
    Ok(folder
        .canonicalize()
        .map_or_else(|_| absolute.clone(), |folder| folder.join(name)))
}

/// An existing folder, or a name that ends like one.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}
