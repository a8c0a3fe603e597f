//! Stream keys, and the port to manage them (implemented by `streamer`).

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{StreamName, WallTime};

/// A secret that allows publishing under one stream name. Prints redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamKey(String);

impl StreamKey {
    /// Takes the key as it was typed or sent.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for hashing it, and for showing it once to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(redacted)")
    }
}

/// A key just made: the only moment it is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewStreamKey {
    /// The stream name it is for.
    pub name: StreamName,
    /// The key.
    pub key: StreamKey,
}

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamKeyEntry {
    /// The stream name it is for.
    pub name: StreamName,
    /// When it was made, by this node's clock.
    pub created_at: WallTime,
    /// Whether what is published with it is kept once it is over; `None`: as the node does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
}

/// Why a key could not be managed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is a key for the name already.
    #[error("there is a key for {0} already: revoke it first with 'meshstream key revoke {0}'")]
    Exists(StreamName),
    /// There is no key for the name.
    #[error("there is no key for {0}: 'meshstream key list' shows the names that have one")]
    NotFound(StreamName),
    /// The database failed.
    #[error("cannot use the key database: {0}")]
    Storage(String),
}

/// Manages stream keys. Each change is effective at once, also for publishers that are connected.
#[async_trait]
pub trait StreamKeys: Send + Sync {
    /// Makes a key of 128 random bits for a name.
    async fn add(&self, name: StreamName) -> Result<NewStreamKey, KeyError>;

    /// The names that have a key.
    async fn list(&self) -> Result<Vec<StreamKeyEntry>, KeyError>;

    /// Sets whether what is published under a name is kept once it is over, from the next broadcast on; `None`: as the node does it.
    async fn set_archive(&self, name: StreamName, archive: Option<bool>) -> Result<(), KeyError>;

    /// Removes a name's key and disconnects who publishes with it.
    async fn revoke(&self, name: StreamName) -> Result<(), KeyError>;
}
