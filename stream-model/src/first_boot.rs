//! What the owner of a new machine says at its first boot, and the port to take it (implemented by the program).

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// What a machine is to be, as its owner wrote it: nothing of it is checked. Prints without its secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// The node's name.
    pub name: String,
    /// Of the owner, on the node's pages and on the machine itself.
    pub password: String,
    /// Where the radio is: two letters (ISO 3166-1).
    pub country: String,
    /// What the name of the WiFi begins with; where it is empty, what is usual.
    #[serde(default)]
    pub wifi: String,
    /// Lets people into the WiFi; where it is empty, everybody is.
    #[serde(default)]
    pub wifi_passphrase: String,
    /// The invite of a private community, `new` for one of its own; where it is empty, the open one.
    #[serde(default)]
    pub community: String,
}

impl fmt::Debug for Wishes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, country, wifi, .. } = self;
        f.debug_struct("Wishes")
            .field("name", name)
            .field("country", country)
            .field("wifi", wifi)
            .finish_non_exhaustive()
    }
}

/// Each of the [`Wishes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are the fields of the wishes")]
pub enum Wish {
    Name,
    Password,
    Country,
    Wifi,
    WifiPassphrase,
    Community,
}

/// How far a machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstBootStage {
    /// It has no owner. What went wrong with the wishes that were submitted last, if something did.
    Waiting {
        /// For the owner to read.
        problem: Option<String>,
    },
    /// It makes itself what its owner wished.
    Working,
    /// It has an owner.
    Over,
}

/// Why wishes are not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstBootError {
    /// These cannot be.
    #[error("what was wished cannot be: {0:?}")]
    Wrong(Vec<Wish>),
    /// Somebody was first.
    #[error("this machine has an owner, or is about to have one")]
    Taken,
    /// The disk fails.
    #[error("cannot keep what was wished: {0}")]
    Storage(#[source] std::io::Error),
}

/// A machine that waits for its owner.
#[async_trait]
pub trait FirstBoot: fmt::Debug + Send + Sync {
    /// How far it is.
    fn stage(&self) -> FirstBootStage;

    /// Takes the wishes of who comes first. The machine then makes itself so; [`FirstBoot::stage`] tells of it.
    ///
    /// # Errors
    /// [`FirstBootError`]; nothing has changed then.
    async fn submit(&self, wishes: Wishes) -> Result<(), FirstBootError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let wishes = Wishes {
            name: "Hall".to_owned(),
            password: "four-words-of-mine".to_owned(),
            wifi_passphrase: "correct horse".to_owned(),
            community: "an invite".to_owned(),
            ..Wishes::default()
        };
        let printed = format!("{wishes:?}");
        assert!(printed.contains("Hall"), "{printed}");
        for secret in ["four", "correct", "invite"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
