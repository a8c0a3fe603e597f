//! The last lines of the node's log, and the port to read them (implemented by the program).

use serde::{Deserialize, Serialize};

use crate::WallTime;

/// How much a line matters, the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Every packet or sample.
    Trace,
    /// A decision.
    Debug,
    /// What an operator would tell a colleague.
    Info,
    /// Someone should look.
    Warn,
    /// The node cannot go on.
    Error,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number since the start of the node, from 0.
    pub number: u64,
    /// When it was written, by this node's clock.
    pub time: WallTime,
    /// How much it matters.
    pub level: LogLevel,
    /// The part of the program that wrote it.
    pub target: String,
    /// The message, then its fields as `name=value`. May hold texts of other nodes; without control characters.
    pub text: String,
}

/// Which lines are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuery {
    /// Those of this level and above.
    pub level: LogLevel,
    /// Those before this number; `None`: the newest.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Remembers the last lines of the log, bounded in bytes, as long as the node runs.
pub trait LogBook: Send + Sync {
    /// The newest lines that are asked for, the oldest of them first.
    fn lines(&self, query: LogQuery) -> Vec<LogLine>;
}
