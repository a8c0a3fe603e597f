//! What the owner has set of cameras on the pages, in a file of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stream_model::{CameraSettings, StreamName};
use tracing::warn;

use super::wanted::check;
use crate::durable;

const HEADER: &str = "# Written by meshstream, from the owner's pages.\n\n";

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Kept {
    /// Cameras that are switched off, also of those in the configuration.
    pub(super) off: BTreeSet<StreamName>,
    /// Those that were set here.
    pub(super) camera: Vec<CameraSettings>,
}

impl Kept {
    /// Reads the file. One that cannot be used is set aside: it must not keep the node from starting.
    pub(super) fn open(path: &Path) -> Self {
        let read = match fs::read_to_string(path) {
            Ok(text) => Self::read(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::default(),
            Err(error) => Err(error.into()),
        };
        read.unwrap_or_else(|reason| {
            let aside = durable::set_aside(path).map(|aside| aside.display().to_string());
            let aside = aside.unwrap_or_else(|error| format!("nowhere: {error}"));
            warn!(file = %path.display(), %reason, %aside, "the cameras cannot be used and are set aside: the node runs without them");
            Self::default()
        })
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        let kept: Self = toml::from_str(text)?;
        check(&kept.camera)?;
        Ok(kept)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// Where the disk fails: the file is as it was.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self)?;
        // An address may hold a password: the file is its owner's alone.
        Ok(durable::replace(path, (HEADER.to_owned() + &text).as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cameras.toml");
        assert_eq!(Kept::open(&path), Kept::default());
        let camera = CameraSettings { title: "Häl 'l'".to_owned(), clock: true, ..CameraSettings::default() };
        let kept = Kept { off: BTreeSet::from([camera.name.clone()]), camera: vec![camera] };
        kept.write(&path).unwrap();
        assert_eq!(Kept::open(&path), kept);
    }

    #[test]
    fn a_broken_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cameras.toml");
        for broken in ["[[camera]", "[[camera]]\nsize = \"big\"", "[[camera]]\ndevise = \"x\""] {
            fs::write(&path, broken).unwrap();
            assert_eq!(Kept::open(&path), Kept::default());
            assert!(dir.path().join("cameras.toml.broken").exists());
        }
    }
}
