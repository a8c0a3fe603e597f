//! What root believes of the configuration: the file alone, and only where nobody but root can have written it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use release::Trust;
use serde::Deserialize;

use crate::config::Upgrade;

/// Where a packaged node keeps everything.
const DATA_DIR: &str = "/var/lib/meshstream";

/// What an upgrade needs to know.
#[derive(Debug)]
pub(crate) struct RootsFile {
    pub(crate) trust: Trust,
    pub(crate) data_dir: PathBuf,
}

/// The part of the file that is read here. Whether the rest is right, the node says when it starts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    upgrade: Upgrade,
    node: NodeSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSection {
    data_dir: Option<PathBuf>,
}

impl RootsFile {
    /// Reads the file. The environment and the settings in the data directory are not asked: the node's user may set those.
    ///
    /// # Errors
    /// Where somebody else may write the file, or a directory that leads to it, or it is not understood.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let path = fs::canonicalize(file).with_context(|| {
            format!(
                "cannot find {}: the keys that releases are signed with belong there, in upgrade.trusted",
                file.display()
            )
        })?;
        for part in path.ancestors() {
            nobody_else_writes(part)?;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Document { upgrade, node } =
            toml::from_str(&text).with_context(|| format!("{} is not understood", path.display()))?;
        let trust = upgrade.trust().with_context(|| format!("{}: upgrade.trusted", path.display()))?;
        Ok(Self { trust, data_dir: node.data_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR)) })
    }
}

/// Whether a file or directory is root's, or of who runs this, and others may not write it.
fn nobody_else_writes(path: &Path) -> anyhow::Result<()> {
    let about = path.symlink_metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != 0 && about.uid() != me {
        bail!(
            "{} belongs to user {}, who could name keys there: run 'chown root:root {0}'",
            path.display(),
            about.uid()
        );
    }
    // In a directory such as /tmp others may make files, and rename none of them.
    let sticky = about.is_dir() && about.mode() & 0o1000 != 0;
    if about.mode() & 0o022 != 0 && !sticky {
        bail!("others than root may write {}, and could name keys there: run 'chmod go-w {0}'", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEY: &str = "ed25519:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn keys_come_from_a_file_that_only_its_owner_writes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meshstream.toml");
        let text = format!("[upgrade]\ntrusted = [\"{KEY}\"]\n[node]\ndata_dir = \"/x\"\n[web]\nlisten = 5\n");
        write(&file, &text, 0o644);
        let read = RootsFile::read(&file).unwrap();
        assert_eq!((read.trust.keys(), read.trust.threshold()), (1, 1));
        assert_eq!(read.data_dir, Path::new("/x"));

        for mode in [0o664, 0o646, 0o666] {
            write(&file, &text, mode);
            assert!(RootsFile::read(&file).unwrap_err().to_string().contains("chmod go-w"), "{mode:o}");
        }
        write(&file, &text, 0o644);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(RootsFile::read(&file).is_err(), "the directory is anybody's");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();

        // By way of a link, too, it is the file and its directories that count.
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::rename(&file, open.join("meshstream.toml")).unwrap();
        std::os::unix::fs::symlink(open.join("meshstream.toml"), &file).unwrap();
        RootsFile::read(&file).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(RootsFile::read(&file).is_err(), "the directory behind the link is anybody's");
    }

    #[test]
    fn nothing_is_trusted_unless_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meshstream.toml");
        write(&file, "", 0o600);
        assert!(RootsFile::read(&file).unwrap().trust.is_off());
        for wrong in [
            "[upgrade]\ntrusted = [\"x\"]",
            "[upgrade]\ntrust = []",
            &format!("[upgrade]\ntrusted = [\"{KEY}\"]\nthreshold = 2"),
        ] {
            write(&file, wrong, 0o600);
            assert!(RootsFile::read(&file).is_err(), "{wrong}");
        }
        assert!(RootsFile::read(&folder.path().join("none")).is_err());
    }
}
