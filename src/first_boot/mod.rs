//! A machine of an image at its first boot: what its owner wishes is written to a file by the node, which has no rights on the
//! machine, and brought about by a command that root's service runs when the file appears.
//!
//! `DATA_DIR/first-boot/` is there until the machine has an owner. Images bring it; no other node has it.

mod apply;
mod wishes;

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use stream_model::{FirstBoot, FirstBootError, FirstBootStage, Wish, Wishes};

pub(crate) use self::apply::{Apply, RealMachine};
use self::wishes::wrong;
use crate::durable;

/// Most bytes of a file of wishes, or of what is told of them.
pub(super) const MAX_BYTES: u64 = 4_096;

/// Where the owner's wishes go, and what became of them.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    directory: PathBuf,
}

impl Place {
    /// The place in a data directory.
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self { directory: data_dir.join("first-boot") }
    }

    /// Whether the machine waits for an owner, or is about to have one.
    pub(crate) fn is_there(&self) -> bool {
        self.directory.is_dir()
    }

    pub(crate) fn wishes(&self) -> PathBuf {
        self.directory.join("wishes.toml")
    }

    fn problem(&self) -> PathBuf {
        self.directory.join("problem.txt")
    }

    /// Tells the owner what was wrong, and waits for other wishes.
    pub(crate) fn fail(&self, problem: &str) -> anyhow::Result<()> {
        durable::replace(&self.problem(), problem.as_bytes())?;
        self.forget_wishes()
    }

    /// From now on the machine has an owner.
    pub(crate) fn close(&self) -> anyhow::Result<()> {
        Ok(fs::remove_dir_all(&self.directory)?)
    }

    /// They hold secrets.
    fn forget_wishes(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.wishes()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl FirstBoot for Place {
    fn stage(&self) -> FirstBootStage {
        if !self.is_there() {
            FirstBootStage::Over
        } else if self.wishes().exists() {
            FirstBootStage::Working
        } else {
            FirstBootStage::Waiting { problem: text(&self.problem()) }
        }
    }

    async fn submit(&self, wishes: Wishes) -> Result<(), FirstBootError> {
        if !matches!(self.stage(), FirstBootStage::Waiting { .. }) {
            return Err(FirstBootError::Taken);
        }
        let wrong: Vec<Wish> = wrong(&wishes).into_iter().map(|(wish, _)| wish).collect();
        if !wrong.is_empty() {
            return Err(FirstBootError::Wrong(wrong));
        }
        let text = toml::to_string(&wishes).map_err(|error| FirstBootError::Storage(std::io::Error::other(error)))?;
        match durable::create(&self.wishes(), text.as_bytes()) {
            Ok(()) => {
                tracing::info!("somebody has filled in the first-boot page: the machine sets itself up");
                Ok(())
            }
            // Somebody was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(FirstBootError::Taken),
            Err(error) => Err(FirstBootError::Storage(error)),
        }
    }
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::first_boot::wishes::read;
    use crate::first_boot::wishes::tests::hall;

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(dir.path());
        fs::create_dir(&place.directory).unwrap();
        (dir, place)
    }

    #[tokio::test]
    async fn who_comes_first_is_the_owner() {
        let (_dir, place) = place();
        assert_eq!(place.stage(), FirstBootStage::Waiting { problem: None });
        place.submit(hall()).await.unwrap();
        assert_eq!(place.stage(), FirstBootStage::Working);
        assert_eq!(read(&place.wishes()).unwrap(), hall());
        let second = Wishes { name: "Mine".to_owned(), ..hall() };
        assert!(matches!(place.submit(second).await, Err(FirstBootError::Taken)));
        assert_eq!(read(&place.wishes()).unwrap(), hall());
        place.close().unwrap();
        assert_eq!(place.stage(), FirstBootStage::Over);
        assert!(matches!(place.submit(hall()).await, Err(FirstBootError::Taken)));
    }

    #[tokio::test]
    async fn what_cannot_be_is_named_and_not_kept() {
        let (_dir, place) = place();
        let wishes = Wishes { password: "short".to_owned(), country: "Canada".to_owned(), ..hall() };
        let Err(FirstBootError::Wrong(wrong)) = place.submit(wishes).await else { panic!("taken") };
        assert_eq!(wrong, [Wish::Password, Wish::Country]);
        assert_eq!(place.stage(), FirstBootStage::Waiting { problem: None });
    }

    #[tokio::test]
    async fn wishes_that_failed_are_forgotten_and_the_next_ones_taken() {
        let (_dir, place) = place();
        place.submit(hall()).await.unwrap();
        place.fail("no radio").unwrap();
        assert_eq!(place.stage(), FirstBootStage::Waiting { problem: Some("no radio".to_owned()) });
        assert!(!place.wishes().exists());
        place.submit(hall()).await.unwrap();
    }
}
