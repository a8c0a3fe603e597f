//! Small files that are whole or as they were before, whatever happens meanwhile.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{self as unix, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes a file anew, for its owner alone, and makes it durable.
///
/// # Errors
/// Where the disk fails: the file is then as it was.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, |file| Ok(file.persist(path)?))
}

/// Writes a new file, for its owner alone, and makes it durable.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where there is one, which stays as it is; or where the disk fails.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, |file| Ok(file.persist_noclobber(path)?))
}

/// Who may read and write a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) mode: u32,
    /// User and group; who runs the program where there is none.
    pub(crate) owner: Option<(u32, u32)>,
}

/// Writes a file anew for other programs too, and makes it durable.
///
/// # Errors
/// Where the disk fails or the owner cannot be set: the file is then as it was.
pub(crate) fn install(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    write(path, bytes, |file| {
        if let Some((user, group)) = access.owner {
            unix::fchown(file.as_file(), Some(user), Some(group))?;
        }
        file.as_file().set_permissions(fs::Permissions::from_mode(access.mode))?;
        Ok(file.persist(path)?)
    })
}

/// Makes a symbolic link in place of whatever is at the path, and makes it durable.
///
/// # Errors
/// Where the disk fails: what was there is then as it was.
pub(crate) fn link(path: &Path, target: &Path) -> io::Result<()> {
    let directory = directory_of(path);
    let link = tempfile::Builder::new().make_in(directory, |name| unix::symlink(target, name))?;
    link.persist(path)?;
    File::open(directory)?.sync_all()
}

/// Where a file is; a name alone is in the working directory.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file is its owner's only, and its new name keeps that.
fn write(path: &Path, bytes: &[u8], persist: impl FnOnce(NamedTempFile) -> io::Result<File>) -> io::Result<()> {
    let directory = directory_of(path);
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    persist(file)?;
    File::open(directory)?.sync_all()
}

/// Gives a file that cannot be used another name, in place of what was set aside before. Returns that name.
///
/// # Errors
/// Where it cannot be renamed.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".broken");
    let aside = path.with_file_name(name);
    fs::rename(path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_one_that_is_set_aside_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hidden.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(create(&path, b"three").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let aside = set_aside(&path).unwrap();
        assert_eq!(aside, dir.path().join("hidden.json.broken"));
        assert_eq!(fs::read(&aside).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_alone_is_in_the_working_directory() {
        assert_eq!(directory_of(Path::new("release.key")), Path::new("."));
        assert_eq!(directory_of(Path::new("keys/release.key")), Path::new("keys"));
    }
}
