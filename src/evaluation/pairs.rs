//! Which noisy recording belongs to which clean one: those with the same path below their folders,
//! whatever the format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::audio::files::recordings;

/// A noisy recording and what it was before.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Path of the noisy file below its folder.
    pub name: String,
    pub noisy: PathBuf,
    pub clean: PathBuf,
}

/// A file that is not part of the result, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOut {
    pub file: String,
    pub reason: String,
}

/// The pairs of two folders in the order of their names, and the files without a counterpart.
///
/// # Errors
/// Something that is no folder, or a folder without audio.
pub fn pairs(noisy: &Path, clean: &Path) -> Result<(Vec<Pair>, Vec<LeftOut>)> {
    let mut left_out = Vec::new();
    let noisy_files = by_name(noisy, &mut left_out)?;
    let mut clean_files = by_name(clean, &mut left_out)?;
    let mut pairs = Vec::new();
    let lonely = |file: &Path, other: &Path| LeftOut {
        file: file.display().to_string(),
        reason: format!("no recording of this name in {}", other.display()),
    };
    for (key, file) in noisy_files {
        match clean_files.remove(&key) {
            Some(counterpart) => pairs.push(Pair {
                name: below(noisy, &file).display().to_string(),
                noisy: file,
                clean: counterpart,
            }),
            None => left_out.push(lonely(&file, clean)),
        }
    }
    left_out.extend(clean_files.values().map(|file| lonely(file, noisy)));
    Ok((pairs, left_out))
}

/// The recordings of a folder by their path below it, without the extension.
fn by_name(folder: &Path, left_out: &mut Vec<LeftOut>) -> Result<BTreeMap<PathBuf, PathBuf>> {
    ensure!(
        folder.is_dir(),
        "{}: no such folder; the noisy and the clean recordings have one each",
        folder.display()
    );
    let mut files = BTreeMap::<PathBuf, PathBuf>::new();
    for file in recordings(&[folder.to_owned()])? {
        let key = below(folder, &file).with_extension("");
        match files.get(&key) {
            Some(first) => left_out.push(LeftOut {
                file: file.display().to_string(),
                reason: format!("{} has the same name", first.display()),
            }),
            None => {
                files.insert(key, file);
            }
        }
    }
    Ok(files)
}

fn below<'a>(folder: &Path, file: &'a Path) -> &'a Path {
    file.strip_prefix(folder).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whatever_the_format_and_the_rest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        for name in ["a.wav", "deep/b.wav", "c.wav", "d.wav", "d.flac"] {
            make(&format!("noisy/{name}"));
        }
        for name in ["a.flac", "deep/b.wav", "d.wav", "e.wav"] {
            make(&format!("clean/{name}"));
        }
        let (noisy, clean) = (folder.path().join("noisy"), folder.path().join("clean"));
        let (pairs, left_out) = pairs(&noisy, &clean).unwrap();
        let names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
        assert_eq!(names, ["a.wav", "d.flac", "deep/b.wav"]);
        assert_eq!(pairs[0].clean, clean.join("a.flac"));
        let alone: Vec<&str> = left_out.iter().map(|file| file.file.as_str()).collect();
        let expected = ["noisy/d.wav", "noisy/c.wav", "clean/e.wav"];
        assert_eq!(
            alone,
            expected.map(|name| folder.path().join(name).display().to_string())
        );
    }

    #[test]
    fn what_is_no_folder_of_audio_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(pairs(folder.path(), folder.path()).is_err());
        assert!(pairs(&folder.path().join("none"), folder.path()).is_err());
    }
}
