//! Packs that nobody has used for two weeks make room for new ones: each is as large as its audio, and a list of other
//! files makes another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const UNUSED: Duration = Duration::from_secs(14 * 24 * 3600);

/// Says that the pack of this `index` is used now.
pub fn touch(index: &Path) {
    let touched = File::options()
        .append(true)
        .open(index)
        .and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        // A folder that cannot be written is not cleared up either.
        log::debug!("cannot mark {} as used: {error}", index.display());
    }
}

/// Removes what nobody has used. A run that has mapped such a pack keeps it until it ends.
pub fn remove(folder: &Path) {
    for index in unused(folder) {
        for file in [index.with_extension("pcm"), index] {
            match fs::remove_file(&file) {
                Ok(()) => log::info!("{} was not used for two weeks: removed", file.display()),
                Err(error) => log::warn!("cannot remove {}: {error}", file.display()),
            }
        }
    }
}

/// Indices of packs, that is of two files with such a name, not used for so long.
fn unused(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_unused = |index: &PathBuf| {
        let used = fs::metadata(index).and_then(|metadata| metadata.modified());
        let age = used.ok().and_then(|used| used.elapsed().ok());
        age.is_some_and(|age| age > UNUSED)
    };
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|index| index.with_extension("pcm").exists() && is_unused(index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packs_unused_for_two_weeks_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, days: u64| {
            let path = folder.path().join(name);
            let used = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
            File::create(&path).unwrap().set_modified(used).unwrap();
            path
        };
        let stale = [file("a.json", 20), file("a.pcm", 30)];
        let kept = [
            file("b.json", 10),
            file("b.pcm", 30),
            file("touched.json", 20),
            file("touched.pcm", 20),
            file("settings.json", 30),
        ];
        touch(&kept[2]);
        remove(folder.path());
        assert!(stale.iter().all(|path| !path.exists()));
        assert!(kept.iter().all(|path| path.exists()));
    }
}
