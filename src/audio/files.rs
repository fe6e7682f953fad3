//! Which files of a folder are recordings, and which must stay.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use walkdir::WalkDir;

/// What a folder is searched for; a file named by the user is opened whatever its name.
pub const EXTENSIONS: [&str; 16] = [
    "wav", "wave", "flac", "mp3", "ogg", "oga", "opus", "webm", "mka", "mkv", "m4a", "m4b", "mp4",
    "aac", "aif", "aiff",
];

/// Whether the name ends in one of the `extensions`, in capitals or not.
pub fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    extensions.contains(&extension.as_str())
}

/// Whether a file found in a folder counts as a recording: by its ending, and unless it is hidden, as what another
/// program left half-written is.
pub fn is_recording(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    !name.as_encoded_bytes().starts_with(b".") && has_extension(path, &EXTENSIONS)
}

/// The files among `paths`, and the recordings in the folders among them and below, in the same
/// order on every machine.
///
/// # Errors
/// When a path does not exist or a folder holds no recording.
pub fn recordings(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
            let entry = entry.with_context(|| format!("{}: cannot be read", path.display()))?;
            let named_by_user = entry.depth() == 0;
            if entry.file_type().is_file() && (named_by_user || is_recording(entry.path())) {
                files.push(entry.into_path());
            }
        }
        ensure!(
            files.len() > before,
            "{}: the folder holds no audio files",
            path.display()
        );
    }
    Ok(files)
}

/// Files that are read, and that no output may replace, whatever spellings and links lead to them.
pub struct Inputs(HashSet<PathBuf>);

impl Inputs {
    /// Those of the `paths` that exist.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Inputs {
        let found = paths
            .into_iter()
            .filter_map(|path| path.canonicalize().ok());
        Inputs(found.collect())
    }

    /// # Errors
    /// When `output` is one of them.
    pub fn refuse(&self, output: &Path) -> Result<()> {
        let is_input = output
            .canonicalize()
            .is_ok_and(|path| self.0.contains(&path));
        ensure!(
            !is_input,
            "would overwrite the input {}; choose another output",
            output.display()
        );
        Ok(())
    }
}
