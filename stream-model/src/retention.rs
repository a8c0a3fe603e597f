//! How long what is stored stays.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::BroadcastId;

/// How readily the content of a broadcast makes room for other content. The store evicts what comes first here first; within one,
/// the broadcast that was added to longest ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// It was fetched because somebody watched it or asked for it. So is what nobody said anything of, and was fetched.
    Passing,
    /// It is held on purpose: by `archive mirror`, an import or a policy.
    Mirrored,
    /// It never makes room. So is what this node published.
    Kept,
}

/// What the owner wants of one broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepPolicy {
    /// Own broadcasts stay, others make room.
    #[default]
    Default,
    /// It never makes room.
    Keep,
    /// It is dropped this long after the broadcast ended and was archived, or after this was said where that came later, counted
    /// while the node runs: a wall clock may be years off. Until then it never makes room.
    DropAfter(Duration),
}

impl fmt::Display for KeepPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400;
        match self {
            Self::Default => f.write_str("default"),
            Self::Keep => f.write_str("keep"),
            Self::DropAfter(age) if age.as_secs().is_multiple_of(DAY) => {
                write!(f, "drop after {} days", age.as_secs() / DAY)
            }
            Self::DropAfter(age) => write!(f, "drop after {} s", age.as_secs()),
        }
    }
}

/// A broadcast of which the owner wants something else than the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptBroadcast {
    /// Which.
    pub broadcast: BroadcastId,
    /// What is wanted.
    pub policy: KeepPolicy,
    /// How long until it is dropped, while the node runs; zero once that is done, `None` while it goes on or is to stay.
    pub dropped_in: Option<Duration>,
}

/// Why a policy cannot be set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepPolicyError {
    /// Only what is over can be dropped at once.
    #[error(
        "{0} goes on here, or is being archived: say after which time it is to be dropped, or wait until it has ended"
    )]
    Unfinished(BroadcastId),
    /// More broadcasts than can have one.
    #[error("{0} broadcasts have a policy, which is the most: set some of them back to the default")]
    TooMany(usize),
    /// The disk or a database failed.
    #[error("{0}")]
    Failed(String),
}

/// Keeps what the owner wants of single broadcasts, and sees to it.
#[async_trait]
pub trait KeepPolicies: Send + Sync {
    /// From now on, and after restarts. What is to be dropped at once is dropped when this returns.
    async fn set_policy(&self, broadcast: BroadcastId, policy: KeepPolicy) -> Result<(), KeepPolicyError>;

    /// Those that have another than the default.
    async fn policies(&self) -> Result<Vec<KeptBroadcast>, KeepPolicyError>;
}
