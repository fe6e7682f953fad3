//! Which noisy file belongs to which clean one: the same path below its folder, whatever the extension.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::training::listing::{self, Listed};

/// Partners at the same place of both lists, labelled with what they have in common.
#[derive(Debug, Default)]
pub struct Matched {
    pub noisy: Vec<Listed>,
    pub clean: Vec<Listed>,
    /// Files that stand alone, and why.
    pub left_out: Vec<(String, String)>,
}

/// Matches two folders.
///
/// # Errors
/// A folder that cannot be read or holds no audio.
pub fn by_name(noisy: &Path, clean: &Path) -> Result<Matched> {
    let mut matched = Matched::default();
    let mut partners = by_stem(clean, &mut matched.left_out)?;
    for (name, file) in by_stem(noisy, &mut matched.left_out)? {
        match partners.remove(&name) {
            Some(partner) => {
                matched.noisy.push(file);
                matched.clean.push(partner);
            }
            None => matched.left_out.push(alone(&file, clean)),
        }
    }
    let alone = partners.values().map(|file| alone(file, noisy));
    matched.left_out.extend(alone);
    Ok(matched)
}

fn alone(file: &Listed, other: &Path) -> (String, String) {
    let reason = format!("{} has no file of this name", other.display());
    (file.path.display().to_string(), reason)
}

fn by_stem(root: &Path, left_out: &mut Vec<(String, String)>) -> Result<BTreeMap<String, Listed>> {
    let mut files: BTreeMap<String, Listed> = BTreeMap::new();
    for mut file in listing::read(&[root.to_owned()])? {
        let below = file.path.strip_prefix(root).unwrap_or(&file.path);
        let name = below.with_extension("").to_string_lossy().into_owned();
        if let Some(first) = files.get(&name) {
            let reason = format!("{} has the same name", first.path.display());
            left_out.push((file.path.display().to_string(), reason));
            continue;
        }
        file.label.clone_from(&name);
        files.insert(name, file);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_are_found_at_any_depth_and_strangers_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            "noisy/a.wav",
            "noisy/x/b.flac",
            "noisy/x/c.ogg",
            "clean/a.mp3",
            "clean/x/b.wav",
            "clean/b.wav",
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let matched = by_name(&root.join("noisy"), &root.join("clean")).unwrap();
        let ends: Vec<_> = matched
            .clean
            .iter()
            .map(|file| file.path.strip_prefix(root).unwrap())
            .collect();
        assert_eq!(ends, [Path::new("clean/a.mp3"), Path::new("clean/x/b.wav")]);
        let labels = |files: &[Listed]| -> Vec<String> {
            files.iter().map(|file| file.label.clone()).collect()
        };
        assert_eq!(labels(&matched.noisy), labels(&matched.clean));
        let mut alone: Vec<&str> = matched
            .left_out
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        alone.sort_unstable();
        assert!(
            alone.len() == 2
                && alone[0].ends_with("clean/b.wav")
                && alone[1].ends_with("noisy/x/c.ogg"),
            "{alone:?}"
        );
    }
}
