//! Why feeds cannot be kept.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::message::SignError;
use super::own_gate::{MEND_DATABASE, OwnFeedError};

/// The store does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file could not be created.
    #[error("cannot open {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("feed database: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// The file is not as this program left it.
    #[error("feed database is damaged ({0}): {MEND_DATABASE}")]
    Damaged(String),
    /// The file was written by a later version of this program.
    #[error("feed database has version {0}, which this program does not know; use the program that wrote it")]
    Version(i64),
    /// Own content that does not fit a message.
    #[error("message is larger than 8192 characters")]
    TooLarge,
    /// Own content that has no encoding.
    #[error("content has no canonical encoding")]
    Encoding,
    /// Nothing is to be appended to this node's own feed.
    #[error(transparent)]
    OwnFeed(#[from] OwnFeedError),
    /// The runtime is shutting down, or a blocking task died.
    #[error("the task was given up")]
    Cancelled,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}

impl From<SignError> for StoreError {
    fn from(error: SignError) -> Self {
        match error {
            SignError::TooLarge => Self::TooLarge,
            SignError::Encoding => Self::Encoding,
        }
    }
}
