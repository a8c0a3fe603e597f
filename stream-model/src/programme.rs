//! What the owner says of broadcasts before, during and after them: what is planned, titles and descriptions, the end; the ports
//! to write it down (implemented by `ssb-announcer`) and to have it done (implemented by `streamer`).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{AnnounceError, BroadcastId, FeedId, ScheduleId, StreamName, WallTime};

/// Planned broadcasts that one author may have at once: a conference of a few days.
pub const MAX_SCHEDULED_OF_ONE: usize = 64;

/// A broadcast that is planned, as its author announced it. Texts are untrusted where they come from another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The announcing message.
    pub id: ScheduleId,
    /// The node feed that announced it.
    pub author: FeedId,
    /// Whether this node is the author.
    pub own: bool,
    /// Title, at most [`MAX_TITLE_CHARS`](crate::MAX_TITLE_CHARS).
    pub title: String,
    /// Description, at most [`MAX_DESCRIPTION_CHARS`](crate::MAX_DESCRIPTION_CHARS); may be empty.
    pub description: String,
    /// When it is to start, by the author's clock.
    pub starts_at: WallTime,
}

/// What is planned: content of `meshstream-schedule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Title, at most [`MAX_TITLE_CHARS`](crate::MAX_TITLE_CHARS); not empty.
    pub title: String,
    /// Description, at most [`MAX_DESCRIPTION_CHARS`](crate::MAX_DESCRIPTION_CHARS); may be empty.
    #[serde(default)]
    pub description: String,
    /// When it is to start.
    pub starts_at: WallTime,
}

/// What broadcasts of a stream name are announced with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamDetails {
    /// Title. Empty: that of `schedule`, else what the publisher's program says, else the stream name.
    pub title: String,
    /// Description. Empty: that of `schedule`.
    pub description: String,
    /// What the next broadcast of the name fulfils; once one has begun with it, this is `None` again.
    pub schedule: Option<ScheduleId>,
}

/// Why a word on the programme was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgrammeError {
    /// A title without characters.
    #[error("the title is empty: write one")]
    NoTitle,
    /// Too much text.
    #[error("{0} is too long: a title has at most 200 characters, a description 2000")]
    TooLong(&'static str),
    /// The schedule is not this node's, or is over.
    #[error("{0} is nothing that this node has planned: 'meshstream schedule list' shows what is")]
    UnknownSchedule(ScheduleId),
    /// As much is planned as may be.
    #[error("64 broadcasts are planned here, which is the most: cancel one that is not needed")]
    TooMany,
    /// There is no such stream name.
    #[error("there is no key for {0}: 'meshstream key list' shows the names that have one")]
    NoKey(StreamName),
    /// Nothing is known of the broadcast.
    #[error("broadcast {0} is not known here: 'meshstream streams' lists those that are")]
    UnknownBroadcast(BroadcastId),
    /// The broadcast is another node's.
    #[error("broadcast {0} is another node's: only its publisher can do that")]
    NotOwn(BroadcastId),
    /// The broadcast is over.
    #[error("broadcast {0} is over already")]
    Over(BroadcastId),
    /// It could not be told to others.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
    /// The disk or a database failed.
    #[error("{0}")]
    Failed(String),
}

/// Says on this node's feed what is planned and what has changed. Each call returns when the message is durable; saying again
/// what holds already is harmless and appends nothing.
#[async_trait]
pub trait ProgrammeLog: Send + Sync {
    /// Announces a planned broadcast.
    async fn schedule(&self, schedule: Schedule) -> Result<ScheduleId, ProgrammeError>;

    /// Announces that another is planned in place of what was.
    async fn reschedule(&self, id: ScheduleId, schedule: Schedule) -> Result<(), ProgrammeError>;

    /// Calls a planned broadcast off.
    async fn cancel(&self, id: ScheduleId) -> Result<(), ProgrammeError>;

    /// Gives one of this node's broadcasts, live or over, another title and description.
    async fn update(&self, broadcast: BroadcastId, title: String, description: String) -> Result<(), ProgrammeError>;
}

/// What the owner does with this node's broadcasts before, during and after them.
#[async_trait]
pub trait Programme: Send + Sync {
    /// Plans a broadcast, and tells the others.
    async fn schedule(&self, schedule: Schedule) -> Result<ScheduleId, ProgrammeError>;

    /// Plans another in place of what was planned.
    async fn reschedule(&self, id: ScheduleId, schedule: Schedule) -> Result<(), ProgrammeError>;

    /// Calls a planned broadcast off.
    async fn cancel(&self, id: ScheduleId) -> Result<(), ProgrammeError>;

    /// What broadcasts of a stream name are announced with from the next one on; what goes on keeps what it has. Outlives restarts.
    async fn set_details(&self, name: StreamName, details: StreamDetails) -> Result<(), ProgrammeError>;

    /// What [`set_details`](Self::set_details) set.
    async fn details(&self, name: StreamName) -> Result<StreamDetails, ProgrammeError>;

    /// Gives one of this node's broadcasts, live or over, another title and description.
    async fn update(&self, broadcast: BroadcastId, title: String, description: String) -> Result<(), ProgrammeError>;

    /// Ends one of this node's live broadcasts. Its publisher is disconnected and stays refused until its program has not tried
    /// for some minutes, as most try again by themselves, or until [`admit`](Self::admit). What was stored is announced first.
    async fn end(&self, broadcast: BroadcastId) -> Result<(), ProgrammeError>;

    /// Lets the publisher of a stream name in again at once.
    async fn admit(&self, name: StreamName) -> Result<(), ProgrammeError>;

    /// The stream names whose publishers are refused because the owner ended their broadcast.
    fn refused(&self) -> Vec<StreamName>;
}
