//! Files that appear only when they are complete.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

/// A file being written under a temporary name in its final folder; dropping it removes it.
pub struct PendingFile {
    temporary: NamedTempFile,
    target: PathBuf,
}

impl PendingFile {
    /// Starts a file that will become `target`; missing folders are made.
    ///
    /// # Errors
    /// A folder that cannot be made or written to.
    pub fn new(target: &Path) -> Result<PendingFile> {
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let extension = target.extension().unwrap_or_default().to_string_lossy();
        std::fs::create_dir_all(folder)
            .and_then(|()| {
                tempfile::Builder::new()
                    .prefix(".denoised-")
                    .suffix(&format!(".part.{extension}"))
                    // What a new file gets by default; the umask takes its part.
                    .permissions(Permissions::from_mode(0o666))
                    .tempfile_in(folder)
            })
            .with_context(|| format!("{}: cannot write to the folder", target.display()))
            .map(|temporary| PendingFile {
                temporary,
                target: target.to_path_buf(),
            })
    }

    /// The temporary name, for writers that take a path; it has the extension of the target.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// A handle for writing.
    ///
    /// # Errors
    /// Out of file handles.
    pub fn handle(&self) -> Result<File> {
        Ok(self.temporary.as_file().try_clone()?)
    }

    /// Gives the file its name. A file of that name is replaced only if `replace` is set.
    ///
    /// # Errors
    /// The target exists, or the folder no longer does.
    pub fn commit(self, replace: bool) -> Result<()> {
        let name = self.target.display();
        let persisted = if replace {
            self.temporary.persist(&self.target)
        } else {
            self.temporary.persist_noclobber(&self.target)
        };
        match persisted {
            Ok(_) => Ok(()),
            Err(failed) if failed.error.kind() == std::io::ErrorKind::AlreadyExists => {
                bail!("{name}: exists already; --force overwrites it")
            }
            Err(failed) => Err(failed.error).with_context(|| format!("{name}: cannot write")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn appears_on_commit_only() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/a.txt");
        let pending = PendingFile::new(&target).unwrap();
        pending.handle().unwrap().write_all(b"whole").unwrap();
        assert!(!target.exists());
        pending.commit(false).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        assert_eq!(names(&folder.path().join("new")), ["a.txt"]);
    }

    #[test]
    fn leaves_nothing_when_dropped_and_replaces_only_on_demand() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        std::fs::write(&target, "old").unwrap();
        drop(PendingFile::new(&target).unwrap());
        assert!(PendingFile::new(&target).unwrap().commit(false).is_err());
        assert_eq!(names(folder.path()), ["a.txt"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        PendingFile::new(&target).unwrap().commit(true).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"");
    }
}
