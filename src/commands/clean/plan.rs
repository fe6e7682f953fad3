//! From the command line to a list of files: which inputs, and where each output goes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use walkdir::WalkDir;

use super::Args;
use super::report::Outcome;
use crate::audio::files::{Inputs, has_extension, is_recording};

/// The end of the name of outputs that lie beside their inputs; folders' files with it are
/// outputs, not inputs.
const SUFFIX: &str = ".denoised.wav";

/// One file to clean.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// None is standard input.
    pub input: Option<PathBuf>,
    /// None is standard output.
    pub output: Option<PathBuf>,
    /// Clean recording to compare with.
    pub reference: Option<PathBuf>,
}

impl Task {
    /// The name for messages.
    pub fn input_name(&self) -> String {
        self.input
            .as_ref()
            .map_or("standard input".into(), |path| path.display().to_string())
    }

    /// Where `--plot` draws.
    pub fn picture(&self) -> Option<PathBuf> {
        self.output
            .as_ref()
            .map(|output| output.with_extension("png"))
    }
}

/// A found input, and its path below the folder that the user named (or its bare name).
struct Found {
    path: PathBuf,
    relative: PathBuf,
}

/// The work, and the inputs that cannot be worked on.
pub struct Plan {
    pub tasks: Vec<Task>,
    pub refused: Vec<Outcome>,
}

/// Lists the work. What is wrong with one file refuses that file; what is wrong with the command
/// line as a whole is an error.
///
/// # Errors
/// Contradicting arguments.
pub fn plan(args: &Args) -> Result<Plan> {
    if args.inputs.iter().any(|input| input == Path::new("-")) {
        let tasks = vec![plan_stdin(args)?];
        return Ok(Plan {
            tasks,
            refused: Vec::new(),
        });
    }
    let single_file = args.inputs.len() == 1 && !args.inputs[0].is_dir();
    let target = Target::new(args.output.as_deref(), single_file)?;
    let to_stdout = matches!(target, Target::Stdout);
    ensure!(
        !(to_stdout && args.plot),
        "--plot needs an output file to put the picture beside"
    );

    let mut planned = Vec::new();
    let mut refused = Vec::new();
    for input in &args.inputs {
        match find(input, args.output.as_deref()) {
            Ok(found) => planned.extend(found.into_iter().map(|found| {
                Task {
                    output: target.of(&found),
                    reference: args
                        .reference
                        .as_deref()
                        .map(|reference| reference_of(reference, &found)),
                    input: Some(found.path),
                }
            })),
            Err(error) => refused.push(Outcome::failed(input.display(), &error)),
        }
    }
    let read = planned
        .iter()
        .flat_map(|task| task.input.iter().chain(&task.reference));
    let inputs = Inputs::new(read);
    let mut writers = HashMap::new();
    let mut tasks = Vec::new();
    for task in planned {
        match check_outputs(&task, args, &inputs, &writers) {
            Ok(()) => {
                writers.extend(task.output.clone().map(|path| (path, task.input_name())));
                tasks.push(task);
            }
            Err(error) => refused.push(Outcome::failed(task.input_name(), &error)),
        }
    }
    Ok(Plan { tasks, refused })
}

fn plan_stdin(args: &Args) -> Result<Task> {
    ensure!(
        args.inputs.len() == 1,
        "- (standard input) must be the only input"
    );
    ensure!(
        args.reference.is_none(),
        "--reference needs an input file, not standard input"
    );
    let output = match Target::new(Some(args.output.as_deref().unwrap_or(Path::new("-"))), true)? {
        Target::File(path) => Some(path),
        Target::Stdout => None,
        Target::Folder(_) | Target::Beside => bail!("-o must be a file or - for standard input"),
    };
    ensure!(
        output.is_some() || !args.plot,
        "--plot needs an output file to put the picture beside"
    );
    let task = Task {
        input: None,
        output,
        reference: None,
    };
    check_outputs(&task, args, &Inputs::new([]), &HashMap::new())?;
    Ok(task)
}

/// What `-o` stands for.
enum Target {
    Beside,
    Stdout,
    File(PathBuf),
    Folder(PathBuf),
}

impl Target {
    fn new(output: Option<&Path>, single_file: bool) -> Result<Target> {
        let Some(output) = output else {
            return Ok(Target::Beside);
        };
        let ends_like_folder = output.as_os_str().as_encoded_bytes().ends_with(b"/");
        if output == Path::new("-") {
            ensure!(single_file, "-o - takes a single input file");
            Ok(Target::Stdout)
        } else if !single_file || output.is_dir() || ends_like_folder {
            ensure!(
                !output.is_file(),
                "{}: is a file, but several inputs need a folder",
                output.display()
            );
            Ok(Target::Folder(output.to_path_buf()))
        } else {
            ensure!(
                has_extension(output, &["wav", "wave"]),
                "{}: the output is WAV, so its name must end in .wav (or in / for a folder)",
                output.display()
            );
            Ok(Target::File(output.to_path_buf()))
        }
    }

    fn of(&self, found: &Found) -> Option<PathBuf> {
        match self {
            Target::Stdout => None,
            Target::File(path) => Some(path.clone()),
            Target::Folder(folder) => Some(folder.join(&found.relative).with_extension("wav")),
            Target::Beside => {
                let mut name = found.path.file_stem().unwrap_or_default().to_os_string();
                name.push(SUFFIX);
                Some(found.path.with_file_name(name))
            }
        }
    }
}

/// The audio files that an argument stands for.
fn find(input: &Path, output: Option<&Path>) -> Result<Vec<Found>> {
    if !input.is_dir() {
        ensure!(input.exists(), "no such file or folder");
        let relative = input.file_name().unwrap_or(OsStr::new("input")).into();
        return Ok(vec![Found {
            path: input.to_path_buf(),
            relative,
        }]);
    }
    let output = output.and_then(|output| output.canonicalize().ok());
    let input_folder = input.canonicalize()?;
    let mut found = Vec::new();
    let entries = WalkDir::new(input)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter();
    for entry in entries.filter_entry(|entry| {
        // An output folder inside the input folder holds results of an earlier run.
        let canonical = entry.path().canonicalize().ok();
        canonical == Some(input_folder.clone()) || canonical != output || output.is_none()
    }) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // A link to nowhere, or a folder that is not ours, fails by itself, like a damaged file.
                let Some(path) = error.path().filter(|path| *path != input) else {
                    return Err(error.into());
                };
                found.push(Found {
                    path: path.to_path_buf(),
                    relative: path.strip_prefix(input)?.to_path_buf(),
                });
                continue;
            }
        };
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_file() && is_recording(entry.path()) && !name.ends_with(SUFFIX) {
            let relative = entry.path().strip_prefix(input)?.to_path_buf();
            found.push(Found {
                path: entry.path().to_path_buf(),
                relative,
            });
        }
    }
    ensure!(!found.is_empty(), "the folder holds no audio files");
    Ok(found)
}

/// The reference of an input: the same name in the folder `reference`, as WAV or as the input's
/// own kind, or the file itself.
fn reference_of(reference: &Path, found: &Found) -> PathBuf {
    if !reference.is_dir() {
        return reference.to_path_buf();
    }
    let same_kind = reference.join(&found.relative);
    if same_kind.exists() {
        same_kind
    } else {
        same_kind.with_extension("wav")
    }
}

/// Refuses a task that would overwrite what is read, another task's output (`writers`: by whom) or,
/// without `--force`, anything at all.
fn check_outputs(
    task: &Task,
    args: &Args,
    inputs: &Inputs,
    writers: &HashMap<PathBuf, String>,
) -> Result<()> {
    let picture = task.picture().filter(|_| args.plot);
    for path in task.output.iter().chain(&picture) {
        let name = path.display();
        inputs.refuse(path)?;
        if let Some(other) = writers.get(path) {
            bail!("{name} is the output of {other} already; clean them separately");
        }
        ensure!(
            args.force || !path.exists(),
            "{name} exists already; --force overwrites it"
        );
    }
    Ok(())
}
