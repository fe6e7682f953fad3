//! Which files to train on: a folder, a file, or a list with what is known about each file.
//!
//! A list is tab-separated text, one file a line, `#` starts a comment, paths relative to the list:
//! `path  label  [bandwidth_hz]  [weight]`. The label is the speaker or the class of noise. In a
//! folder every audio file counts but hidden ones, and the folder it lies in is its label.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use crate::audio::files::{EXTENSIONS, has_extension, is_recording};

/// One file of the training audio.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub path: PathBuf,
    /// Speaker or noise class.
    pub label: String,
    /// Above this frequency the recording holds nothing, in Hz; `None` if nobody said.
    pub bandwidth_hz: Option<f32>,
    /// How often it is drawn, compared with others.
    pub weight: f32,
}

/// Reads folders, single recordings and lists.
///
/// # Errors
/// Names the folder without audio, the unreadable list or its wrong line.
pub fn read(sources: &[PathBuf]) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for source in sources {
        let before = listed.len();
        if source.is_dir() {
            listed.extend(folder(source)?);
        } else if has_extension(source, &EXTENSIONS) {
            ensure!(source.exists(), "{} does not exist", source.display());
            listed.push(recording(source, source.display().to_string()));
        } else {
            listed.extend(list(source)?);
        }
        ensure!(
            listed.len() > before,
            "{} names no audio: give a folder of WAV, FLAC, MP3, Ogg, Opus or M4A files",
            source.display()
        );
    }
    Ok(listed)
}

/// Keeps about a twentieth of the labels (at least one) back for validation, always the same ones;
/// with fewer than four labels, of the files. The second part is what was kept back.
pub fn hold_out(listed: Vec<Listed>) -> (Vec<Listed>, Vec<Listed>) {
    let labels: BTreeSet<&str> = listed.iter().map(|entry| entry.label.as_str()).collect();
    let by_label = labels.len() >= 4;
    let key = |entry: &Listed| match by_label {
        true => entry.label.clone(),
        false => entry.path.to_string_lossy().into_owned(),
    };
    let keys: BTreeSet<String> = listed.iter().map(key).collect();
    if keys.len() < 2 {
        return (listed.clone(), listed);
    }
    let kept: BTreeSet<String> = keys.iter().step_by(20).cloned().collect();
    listed
        .into_iter()
        .partition(|entry| !kept.contains(&key(entry)))
}

fn folder(root: &Path) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot list {}", root.display()))?;
        let path = entry.path();
        if entry.file_type().is_file() && is_recording(path) {
            let folder = path.parent().unwrap_or(root);
            listed.push(recording(path, folder.display().to_string()));
        }
    }
    Ok(listed)
}

fn recording(path: &Path, label: String) -> Listed {
    Listed {
        path: path.to_owned(),
        label,
        bandwidth_hz: None,
        weight: 1.0,
    }
}

fn list(file: &Path) -> Result<Vec<Listed>> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the list {}", file.display()))?;
    let base = file.parent().unwrap_or(Path::new(""));
    let mut listed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = parse(line, base)
            .with_context(|| format!("{}, line {}", file.display(), number + 1))?;
        listed.push(entry);
    }
    Ok(listed)
}

fn parse(line: &str, base: &Path) -> Result<Listed> {
    let fields: Vec<&str> = line.split('\t').collect();
    if fields.len() < 2 {
        bail!("expected `path<TAB>label`, got {line:?}");
    }
    let number = |index: usize, name: &str| -> Result<Option<f32>> {
        let Some(text) = fields.get(index) else {
            return Ok(None);
        };
        let value: f32 = text
            .trim()
            .parse()
            .with_context(|| format!("{name} {text:?} is not a number"))?;
        ensure!(
            value > 0.0 && value.is_finite(),
            "{name} must be positive, not {text}"
        );
        Ok(Some(value))
    };
    Ok(Listed {
        path: base.join(fields[0]),
        label: fields[1].to_owned(),
        bandwidth_hz: number(2, "bandwidth_hz")?,
        weight: number(3, "weight")?.unwrap_or(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_paths_beside_it_and_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("speech.tsv");
        fs::write(
            &file,
            "# comment\n\na/x.flac\tanna\t11025\t0.7\nb.wav\tbob\n",
        )
        .unwrap();
        let listed = read(&[file]).unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].path, folder.path().join("a/x.flac"));
        assert_eq!(
            (listed[0].bandwidth_hz, listed[0].weight),
            (Some(11025.0), 0.7)
        );
        assert_eq!(
            (listed[1].label.as_str(), listed[1].bandwidth_hz),
            ("bob", None)
        );
    }

    #[test]
    fn a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("speech.tsv");
        fs::write(&file, "x.flac\tanna\nno label\n").unwrap();
        let message = format!("{:#}", read(&[file]).unwrap_err());
        assert!(
            message.contains("line 2") && message.contains("no label"),
            "{message}"
        );
    }

    #[test]
    fn hidden_files_do_not_count_and_a_folder_without_others_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".denoised-1x2y.part.wav", "._a.wav"] {
            fs::write(folder.path().join(name), "half a file").unwrap();
        }
        assert!(read(&[folder.path().to_owned()]).is_err());
        let whole = folder.path().join("a.wav");
        fs::write(&whole, "").unwrap();
        let listed = read(&[folder.path().to_owned()]).unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].path, whole);
    }
}
