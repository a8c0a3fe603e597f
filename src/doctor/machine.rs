//! What the kernel and the programs of the system tell.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Programs that only tell what they know.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of what a program says that are read.
const MAX_OUTPUT: u64 = 256 * 1024;

/// A machine, by its files. Paths are as on the machine itself.
#[derive(Debug)]
pub(crate) struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The one that this program runs on.
    pub(crate) fn this() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// One whose files are below a directory.
    #[cfg(test)]
    pub(crate) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Gives it a file.
    #[cfg(test)]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A small file without the white space around it.
    pub(crate) fn text(&self, path: impl AsRef<str>) -> Option<String> {
        std::fs::read_to_string(self.path(path.as_ref())).ok().map(|text| text.trim().to_owned())
    }

    /// What a link leads to.
    pub(crate) fn link(&self, path: impl AsRef<str>) -> Option<PathBuf> {
        std::fs::canonicalize(self.path(path.as_ref())).ok()
    }

    /// The names in a directory, in order.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(directory)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    pub(crate) fn has(&self, path: impl AsRef<str>) -> bool {
        self.path(path.as_ref()).exists()
    }

    /// What a program says; `None` where there is none, or it fails, or it takes long.
    pub(crate) async fn says(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().ok()?;
        let output = child.stdout.take()?;
        let run = async {
            let mut text = String::new();
            output.take(MAX_OUTPUT).read_to_string(&mut text).await.ok()?;
            child.wait().await.ok()?.success().then_some(text)
        };
        tokio::time::timeout(PATIENCE, run).await.ok()?
    }
}

/// The name at the end of a path.
pub(crate) fn last(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
