//! What the owner does not want to be shown on this node, and the port to say so (implemented by the program).

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{MessageKey, WallTime};

/// A message that this node does not show: a post, or what announced a broadcast or a planned one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// Its key. That of a broadcast is the broadcast's id.
    pub message: MessageKey,
    /// When it was hidden, by this node's clock.
    pub since: WallTime,
}

/// Why nothing was hidden or shown again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModerationError {
    /// As many as may be are hidden.
    #[error("{0} messages are hidden, which is the most: show some of them again, or block their authors")]
    TooMany(usize),
    /// The disk failed.
    #[error("cannot write down what is hidden: {0}")]
    Storage(String),
}

/// Keeps what is hidden. It is hidden where people look, on this node alone: what is replicated, stored and served to other nodes
/// stays as it is. Outlives restarts.
#[async_trait]
pub trait Moderation: Send + Sync {
    /// Whether a message is hidden. Answers from memory.
    fn hides(&self, message: &MessageKey) -> bool;

    /// What is hidden, the latest first.
    fn hidden(&self) -> Vec<Hidden>;

    /// Hides a message, which need not be known. Hiding it again is harmless.
    async fn hide(&self, message: MessageKey) -> Result<(), ModerationError>;

    /// Shows a message again. Whether it was hidden.
    async fn unhide(&self, message: MessageKey) -> Result<bool, ModerationError>;

    /// Messages that are hidden, or shown again, from now on. Some are left out for who is slow.
    fn changes(&self) -> BoxStream<'static, MessageKey>;
}
