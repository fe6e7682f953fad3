//! Which files of a folder are recordings.

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
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let recording = has_extension(entry.path(), &EXTENSIONS) && !hidden;
            if entry.file_type().is_file() && (named_by_user || recording) {
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
