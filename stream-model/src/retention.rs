//! How long what is stored stays.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How readily the content of a broadcast makes room for other content. The store evicts what comes first here first; within one,
/// the broadcast that was added to longest ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// It is dropped this long after the broadcast ended, counted while the node runs: a wall clock may be years off. Until then it
    /// never makes room.
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
