//! Packs that nobody has used for two weeks make room for new ones: each is as large as its audio, and a list of other
//! files makes another. So does what runs leave that are ended while they decode.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::audio::files::has_extension;

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

/// Removes what nobody has used and what was left half made. A run that has mapped such a pack keeps it until it ends.
pub fn remove(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .collect();
    for file in files {
        if is_unused_index(&file) {
            delete(&file.with_extension("pcm"), "was not used for two weeks");
            delete(&file, "was not used for two weeks");
        } else if is_left_over(&file) {
            delete(&file, "was left by a run that ended while it decoded");
        }
    }
}

fn delete(file: &Path, reason: &str) {
    match fs::remove_file(file) {
        Ok(()) => log::info!("{} {reason}: removed", file.display()),
        Err(error) => log::warn!("cannot remove {}: {error}", file.display()),
    }
}

/// Whether this is the index of a pack, that is of two files with such a name, not used for so long. Others may keep
/// files in the folder, too: only names that this program gives count.
fn is_unused_index(path: &Path) -> bool {
    has_extension(path, &["json"])
        && names_pack(path)
        && path.with_extension("pcm").exists()
        && is_old(path)
}

/// Whether a pack could have this name: the fingerprint of its files, whatever the extension.
fn names_pack(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().as_encoded_bytes();
    stem.len() == 16 && stem.iter().all(u8::is_ascii_hexdigit)
}

/// Whether this is half a pack that nobody will complete.
fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(".denoised-") && name.ends_with(".part.pcm") {
        return is_abandoned(path);
    }
    // What earlier versions called them.
    let is_temporary = name.strip_prefix(".tmp").is_some_and(|random| {
        random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let has_no_index =
        name.ends_with(".pcm") && names_pack(path) && !path.with_extension("json").exists();
    (is_temporary || has_no_index) && is_old(path)
}

/// Whether the run that was writing the file has ended: until then it is locked.
fn is_abandoned(path: &Path) -> bool {
    let file = File::options().append(true).open(path);
    file.is_ok_and(|file| file.try_lock().is_ok())
}

/// Whether nobody has used or written the file for so long.
fn is_old(path: &Path) -> bool {
    let used = fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = used.ok().and_then(|used| used.elapsed().ok());
    age.is_some_and(|age| age > UNUSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, days: u64) -> PathBuf {
        let path = folder.join(name);
        let used = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        File::create(&path).unwrap().set_modified(used).unwrap();
        path
    }

    #[test]
    fn only_packs_unused_for_two_weeks_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, days: u64| file(folder.path(), name, days);
        let stale = [
            file("0123456789abcdef.json", 20),
            file("0123456789abcdef.pcm", 30),
        ];
        let kept = [
            file("1123456789abcdef.json", 10),
            file("1123456789abcdef.pcm", 30),
            file("2123456789abcdef.json", 20),
            file("2123456789abcdef.pcm", 20),
            file("3123456789abcdef.json", 30),
            // Somebody's own.
            file("interview.json", 30),
            file("interview.pcm", 30),
        ];
        touch(&kept[2]);
        remove(folder.path());
        assert!(stale.iter().all(|path| !path.exists()));
        assert!(kept.iter().all(|path| path.exists()));
    }

    #[test]
    fn what_runs_have_left_goes_and_what_they_write_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, days: u64| file(folder.path(), name, days);
        let left = [
            file(".denoised-Ab12cd.part.pcm", 0),
            file(".tmpAb12cd", 20),
            file("0123456789abcdef.pcm", 20),
        ];
        let kept = [
            file(".denoised-Ef34gh.part.pcm", 0),
            file(".tmpEf34gh", 10),
            file("fedcba9876543210.pcm", 10),
            file("recording.pcm", 20),
        ];
        let written = File::open(&kept[0]).unwrap();
        written.lock().unwrap();
        remove(folder.path());
        assert!(left.iter().all(|path| !path.exists()));
        assert!(kept.iter().all(|path| path.exists()));
    }
}
