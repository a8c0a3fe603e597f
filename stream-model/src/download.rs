//! Port to broadcasts as files (implemented by `streamer`).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{BroadcastId, PlaylistError, StoreError, WallTime};

/// A point of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long after its beginning, on the time line of `whole.m3u8`.
    Elapsed(Duration),
    /// At this time, by the publisher's clock.
    At(WallTime),
}

/// What happens where a segment cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingMedia {
    /// The file breaks off.
    #[default]
    Abort,
    /// It is left out.
    Skip,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadRequest {
    /// Of which broadcast.
    pub broadcast: BroadcastId,
    /// From the segment that contains this point; from the beginning where it is left out.
    pub from: Option<Moment>,
    /// Up to the segment before this point, or that contains it; to the end where it is left out.
    pub to: Option<Moment>,
    /// What happens where a segment cannot be had.
    pub missing: MissingMedia,
}

/// A part of a broadcast as an MP4 file.
pub struct Download {
    /// Where it begins, after the beginning of the broadcast.
    pub from: Duration,
    /// Where it ends.
    pub to: Duration,
    /// Where the rest of what was asked for begins, which has other codec parameters and so is a file of its own.
    pub rest_from: Option<Duration>,
    /// Bytes of the file, where all segments are held here.
    pub bytes: Option<u64>,
    /// The file. Nothing is fetched or read ahead of who reads it but one segment. Fails where it breaks off.
    pub body: BoxStream<'static, Result<Bytes, DownloadError>>,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

/// Why there is no file, or no more of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// No such broadcast, or nothing of it in that range.
    #[error("nothing is known of the broadcast in that range")]
    NotFound,
    /// What it begins with is not here yet; ask again after the time given.
    #[error("not here yet")]
    NotYet(Duration),
    /// What was published is not media that can be put into a file.
    #[error("cannot be put into a file: {0}")]
    Unusable(String),
    /// This node could not read or fetch it.
    #[error("cannot go on: {0}")]
    Failed(String),
}

impl From<PlaylistError> for DownloadError {
    fn from(error: PlaylistError) -> Self {
        match error {
            PlaylistError::NotFound => Self::NotFound,
            PlaylistError::NotYet(after) => Self::NotYet(after),
            PlaylistError::Failed(reason) => Self::Failed(reason),
        }
    }
}

impl From<StoreError> for DownloadError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Makes files of broadcasts.
#[async_trait]
pub trait Downloads: Send + Sync {
    /// Begins a file. Waits, within a bound, for the first segment.
    async fn download(&self, request: DownloadRequest) -> Result<Download, DownloadError>;
}
