//! Content that says what becomes of a broadcast that is over: mirrors, republications, withdrawal.

use cid::Cid;
use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, FeedId, MediaSequence, MessageKey, PeerId, ScheduleId};

use super::{Announcement, Content, ContentError, content_id, integer, text, text_length};
use crate::announcement::index::MAX_FEEDS_PER_BROADCAST;

/// Type of a message of who holds a broadcast.
pub const MIRROR: &str = "meshstream-mirror";
/// Type of a message of who republishes a broadcast.
pub const REPUBLISH: &str = "meshstream-republish";
/// Type of a message of an author who takes a broadcast back.
pub const WITHDRAW: &str = "meshstream-withdraw";

/// Characters of a credit: a few names and an address. With as many feeds as may be listed it fits a message in any script.
pub const MAX_CREDIT_CHARS: usize = 500;
/// Characters of the reason of a withdrawal: some sentences.
pub const MAX_WITHDRAWAL_CHARS: usize = 500;
/// Announcements that a republication rests on: that of the broadcast and those of a few archives.
pub const MAX_ANNOUNCEMENTS: usize = 8;
/// Broadcast feeds that a republication lists: all that are remembered of a broadcast.
pub const MAX_LISTED_FEEDS: usize = MAX_FEEDS_PER_BROADCAST;

/// A node says that it holds somebody's broadcast, or holds it no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// The node feed that announced it.
    pub author: FeedId,
    /// The libp2p identity of who holds it.
    pub peer: PeerId,
    /// What is held; `None` where nothing is any more.
    pub manifest: Option<Cid>,
}

/// A node announces somebody's broadcast again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republish {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// The node feed that announced it.
    pub author: FeedId,
    /// The libp2p identity of who republishes it.
    pub peer: PeerId,
    /// What is held.
    pub manifest: Cid,
    /// The segments in it, both included.
    pub first_media_sequence: MediaSequence,
    /// The last of them.
    pub last_media_sequence: MediaSequence,
    /// To whom it is owed; fit to be shown.
    pub credit: String,
    /// The author's messages that it rests on, that of the broadcast among them.
    pub announcements: Vec<MessageKey>,
    /// The author's broadcast feeds that vouch for the segments.
    pub feeds: Vec<FeedId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MirrorContent {
    #[serde(rename = "type")]
    kind: String,
    broadcast: MessageKey,
    author: FeedId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    peer: PeerId,
}

impl MirrorContent {
    pub(super) fn new(mirror: &Mirror) -> Self {
        Self {
            kind: MIRROR.to_owned(),
            broadcast: mirror.broadcast.0,
            author: mirror.author,
            manifest: mirror.manifest.map(|manifest| manifest.to_string()),
            peer: mirror.peer.clone(),
        }
    }
}

impl Content for MirrorContent {
    fn check(self) -> Result<Announcement, ContentError> {
        Ok(Announcement::Mirror(Mirror {
            broadcast: BroadcastId(self.broadcast),
            author: self.author,
            peer: self.peer,
            manifest: self.manifest.map(|manifest| content_id("manifest", &manifest)).transpose()?,
        }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepublishContent {
    #[serde(rename = "type")]
    kind: String,
    broadcast: MessageKey,
    author: FeedId,
    manifest: String,
    peer: PeerId,
    first_media_sequence: MediaSequence,
    last_media_sequence: MediaSequence,
    #[serde(default)]
    credit: String,
    announcements: Vec<MessageKey>,
    #[serde(default)]
    feeds: Vec<FeedId>,
}

impl RepublishContent {
    pub(super) fn new(republish: &Republish) -> Self {
        Self {
            kind: REPUBLISH.to_owned(),
            broadcast: republish.broadcast.0,
            author: republish.author,
            manifest: republish.manifest.to_string(),
            peer: republish.peer.clone(),
            first_media_sequence: republish.first_media_sequence,
            last_media_sequence: republish.last_media_sequence,
            credit: republish.credit.clone(),
            announcements: republish.announcements.clone(),
            feeds: republish.feeds.clone(),
        }
    }
}

impl Content for RepublishContent {
    fn check(self) -> Result<Announcement, ContentError> {
        integer("firstMediaSequence", self.first_media_sequence.0)?;
        integer("lastMediaSequence", self.last_media_sequence.0)?;
        if self.last_media_sequence < self.first_media_sequence {
            return Err(ContentError::OutOfRange("lastMediaSequence"));
        }
        text_length("credit", &self.credit, MAX_CREDIT_CHARS)?;
        if self.announcements.len() > MAX_ANNOUNCEMENTS {
            return Err(ContentError::TooLong("announcements"));
        }
        if !self.announcements.contains(&self.broadcast) {
            return Err(ContentError::OutOfRange("announcements"));
        }
        if self.feeds.len() > MAX_LISTED_FEEDS {
            return Err(ContentError::TooLong("feeds"));
        }
        Ok(Announcement::Republish(Republish {
            broadcast: BroadcastId(self.broadcast),
            author: self.author,
            peer: self.peer,
            manifest: content_id("manifest", &self.manifest)?,
            first_media_sequence: self.first_media_sequence,
            last_media_sequence: self.last_media_sequence,
            credit: text::line(&self.credit),
            announcements: self.announcements,
            feeds: self.feeds,
        }))
    }
}

/// Of a broadcast, or of what is planned.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WithdrawContent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broadcast: Option<MessageKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<MessageKey>,
    #[serde(default)]
    reason: String,
}

impl WithdrawContent {
    pub(super) fn new(broadcast: BroadcastId, reason: &str) -> Self {
        Self { kind: WITHDRAW.to_owned(), broadcast: Some(broadcast.0), schedule: None, reason: reason.to_owned() }
    }

    pub(super) fn of_schedule(schedule: ScheduleId) -> Self {
        Self { kind: WITHDRAW.to_owned(), broadcast: None, schedule: Some(schedule.0), reason: String::new() }
    }
}

impl Content for WithdrawContent {
    fn check(self) -> Result<Announcement, ContentError> {
        text_length("reason", &self.reason, MAX_WITHDRAWAL_CHARS)?;
        match (self.broadcast, self.schedule) {
            (Some(id), None) => {
                Ok(Announcement::Withdraw { broadcast: BroadcastId(id), reason: text::lines(&self.reason) })
            }
            (None, Some(id)) => Ok(Announcement::Cancel { schedule: ScheduleId(id) }),
            _ => Err(ContentError::Shape),
        }
    }
}
