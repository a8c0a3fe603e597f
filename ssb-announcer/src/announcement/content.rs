//! Content of the messages that announce broadcasts: typed, bounded, and the same both ways.
//!
//! The table of types and fields is `docs/protocol/announcements.md`. Numbers are integers that JavaScript counts
//! exactly; fields that are not known are passed over, so that later versions can add some.

mod programme;
mod rendition;
mod standing;

use std::time::Duration;

use cid::{Cid, Version};
use serde::{Deserialize, Serialize};
use stream_model::{
    ArchiveKind, ArchiveManifest, BroadcastId, BroadcastStart, DiscontinuitySequence, FeedId, MediaSegment,
    MediaSequence, MessageKey, PeerId, Period, Schedule, ScheduleId, Tracks, WallTime,
};

use self::programme::{ScheduleContent, UpdateContent};
use self::rendition::RenditionContent;
use self::standing::{MirrorContent, RepublishContent, WithdrawContent};
use super::text;

pub use self::programme::{SCHEDULE, UPDATE, Update, Updated};
pub use self::standing::{
    MAX_ANNOUNCEMENTS, MAX_CREDIT_CHARS, MAX_LISTED_FEEDS, MAX_WITHDRAWAL_CHARS, MIRROR, Mirror, REPUBLISH, Republish,
    WITHDRAW,
};

pub use stream_model::{MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS};

/// Characters of a reason: a few words.
pub const MAX_REASON_CHARS: usize = 100;
/// Longest target duration, seconds: longer segments would be minutes behind.
pub const MAX_TARGET_SECONDS: u64 = 60;
/// The largest integer that JavaScript, and so SSB's encoding, counts exactly.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Codec of UnixFS nodes and of raw leaves (multicodec table: `dag-pb`, `raw`).
const CODECS: [u64; 2] = [0x70, 0x55];
/// SHA-256 (multicodec table: `sha2-256`).
const SHA2_256: u64 = 0x12;

/// What a valid message announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// `meshstream-broadcast`: a broadcast begins; the message's key is its id.
    Broadcast {
        /// What it is. Title and description are fit to be shown.
        start: BroadcastStart,
        /// Its first broadcast feed.
        feed: FeedId,
    },
    /// `meshstream-continue`: the broadcast goes on in another broadcast feed.
    Continue {
        /// Which broadcast.
        broadcast: BroadcastId,
        /// The next broadcast feed.
        feed: FeedId,
        /// The first media sequence announced there.
        media_sequence: MediaSequence,
    },
    /// `meshstream-live`: a segment is stored.
    Live {
        /// Of which broadcast.
        broadcast: BroadcastId,
        /// The live manifest that includes the segment.
        manifest: Cid,
        /// The segment.
        segment: MediaSegment,
    },
    /// `meshstream-end`: the broadcast is over.
    End {
        /// Which one.
        broadcast: BroadcastId,
        /// The number after its last segment.
        media_sequence: MediaSequence,
        /// In a few words; fit to be shown.
        reason: String,
    },
    /// `meshstream-archive`: a part of the broadcast is kept for good.
    Archive(ArchiveManifest),
    /// `meshstream-mirror`: a node holds somebody's broadcast.
    Mirror(Mirror),
    /// `meshstream-republish`: a node announces somebody's broadcast again.
    Republish(Republish),
    /// `meshstream-withdraw`: the author takes the broadcast back.
    Withdraw {
        /// Which one.
        broadcast: BroadcastId,
        /// Why; fit to be shown, may be empty.
        reason: String,
    },
    /// `meshstream-schedule`: a broadcast is planned; the message's key is the plan's id.
    Schedule(Schedule),
    /// `meshstream-update`: a broadcast, or what is planned, is called otherwise.
    Update(Update),
    /// `meshstream-withdraw` of what was planned: it is called off.
    Cancel {
        /// What was planned.
        schedule: ScheduleId,
    },
}

/// The content of a valid message cannot be used; the feed goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A field is missing or of another type.
    #[error("a field is missing or of another type")]
    Shape,
    /// A text is too long.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// A number is out of its range.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A CID is not of version 1, of a UnixFS node or raw leaf, with SHA-256.
    #[error("{0} is not a CIDv1 of dag-pb or raw with sha2-256")]
    Cid(&'static str),
    /// Neither video nor audio.
    #[error("tracks is empty")]
    NoTracks,
}

/// Type of an announcement of a broadcast.
pub const BROADCAST: &str = "meshstream-broadcast";
/// Type of an announcement of a further broadcast feed.
pub const CONTINUE: &str = "meshstream-continue";
/// Type of an announcement of a segment.
pub const LIVE: &str = "meshstream-live";
/// Type of an announcement of an end.
pub const END: &str = "meshstream-end";
/// Type of an announcement of an archive.
pub const ARCHIVE: &str = "meshstream-archive";

/// All types of announcements.
pub const KINDS: [&str; 10] = [BROADCAST, CONTINUE, LIVE, END, ARCHIVE, MIRROR, REPUBLISH, WITHDRAW, SCHEDULE, UPDATE];

impl Announcement {
    /// Reads the content of a message. `kind` is the message's type, `value_json` its whole value. `None` for types
    /// that are none of these.
    ///
    /// # Errors
    /// [`ContentError`] where the type is one of these and the content is not.
    pub fn parse(kind: &str, value_json: &str) -> Result<Option<Self>, ContentError> {
        Ok(Some(match kind {
            BROADCAST => read::<BroadcastContent>(value_json)?.check()?,
            CONTINUE => read::<ContinueContent>(value_json)?.check()?,
            LIVE => read::<LiveContent>(value_json)?.check()?,
            END => read::<EndContent>(value_json)?.check()?,
            ARCHIVE => read::<ArchiveContent>(value_json)?.check()?,
            MIRROR => read::<MirrorContent>(value_json)?.check()?,
            REPUBLISH => read::<RepublishContent>(value_json)?.check()?,
            WITHDRAW => read::<WithdrawContent>(value_json)?.check()?,
            SCHEDULE => read::<ScheduleContent>(value_json)?.check()?,
            UPDATE => read::<UpdateContent>(value_json)?.check()?,
            _ => return Ok(None),
        }))
    }

    /// The content as JSON, to be signed.
    ///
    /// # Errors
    /// [`ContentError`] where [`parse`](Self::parse) would not accept it.
    pub fn to_json(&self) -> Result<String, ContentError> {
        match self {
            Self::Broadcast { start, feed } => write(BroadcastContent::new(start, *feed)),
            Self::Continue { broadcast, feed, media_sequence } => write(ContinueContent {
                kind: CONTINUE.to_owned(),
                broadcast: broadcast.0,
                feed: *feed,
                media_sequence: *media_sequence,
            }),
            Self::Live { broadcast, manifest, segment } => write(LiveContent::new(*broadcast, manifest, segment)),
            Self::End { broadcast, media_sequence, reason } => write(EndContent {
                kind: END.to_owned(),
                broadcast: broadcast.0,
                media_sequence: *media_sequence,
                reason: reason.clone(),
            }),
            Self::Archive(archive) => write(ArchiveContent::new(archive)),
            Self::Mirror(mirror) => write(MirrorContent::new(mirror)),
            Self::Republish(republish) => write(RepublishContent::new(republish)),
            Self::Withdraw { broadcast, reason } => write(WithdrawContent::new(*broadcast, reason)),
            Self::Schedule(schedule) => write(ScheduleContent::new(schedule)),
            Self::Update(update) => write(UpdateContent::new(update)),
            Self::Cancel { schedule } => write(WithdrawContent::of_schedule(*schedule)),
        }
    }
}

#[derive(Deserialize)]
struct Value<C> {
    content: C,
}

fn read<C: for<'de> Deserialize<'de>>(value_json: &str) -> Result<C, ContentError> {
    serde_json::from_str::<Value<C>>(value_json).map(|value| value.content).map_err(|_| ContentError::Shape)
}

fn write<C: Content + Serialize>(content: C) -> Result<String, ContentError> {
    let json = serde_json::to_string(&content).map_err(|_| ContentError::Shape)?;
    content.check()?;
    Ok(json)
}

trait Content {
    fn check(self) -> Result<Announcement, ContentError>;
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BroadcastContent {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(default)]
    description: String,
    feed: FeedId,
    peer: PeerId,
    target_duration_ms: u64,
    tracks: Vec<String>,
    #[serde(default = "yes")]
    archive: bool,
    started_at: WallTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<MessageKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rendition: Option<RenditionContent>,
}

const VIDEO: &str = "video";
const AUDIO: &str = "audio";

impl BroadcastContent {
    fn new(start: &BroadcastStart, feed: FeedId) -> Self {
        let tracks = [(start.tracks.video, VIDEO), (start.tracks.audio, AUDIO)];
        Self {
            kind: BROADCAST.to_owned(),
            title: start.title.clone(),
            description: start.description.clone(),
            feed,
            peer: start.peer.clone(),
            target_duration_ms: millis(start.target_duration),
            tracks: tracks.into_iter().filter(|(has, _)| *has).map(|(_, name)| name.to_owned()).collect(),
            archive: start.archive,
            started_at: start.started_at,
            schedule: start.schedule.map(|schedule| schedule.0),
            rendition: start.rendition.as_ref().map(RenditionContent::new),
        }
    }
}

impl Content for BroadcastContent {
    fn check(self) -> Result<Announcement, ContentError> {
        text_length("title", &self.title, MAX_TITLE_CHARS)?;
        text_length("description", &self.description, MAX_DESCRIPTION_CHARS)?;
        integer("startedAt", self.started_at.0)?;
        let seconds = self.target_duration_ms / 1_000;
        if !self.target_duration_ms.is_multiple_of(1_000) || !(1..=MAX_TARGET_SECONDS).contains(&seconds) {
            return Err(ContentError::OutOfRange("targetDurationMs"));
        }
        let tracks = Tracks {
            video: self.tracks.iter().any(|track| track == VIDEO),
            audio: self.tracks.iter().any(|track| track == AUDIO),
        };
        if !tracks.video && !tracks.audio {
            return Err(ContentError::NoTracks);
        }
        Ok(Announcement::Broadcast {
            start: BroadcastStart {
                title: text::line(&self.title),
                description: text::lines(&self.description),
                peer: self.peer,
                target_duration: Duration::from_secs(seconds),
                tracks,
                archive: self.archive,
                started_at: self.started_at,
                schedule: self.schedule.map(ScheduleId),
                rendition: self.rendition.map(RenditionContent::check).transpose()?,
            },
            feed: self.feed,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContinueContent {
    #[serde(rename = "type")]
    kind: String,
    broadcast: MessageKey,
    feed: FeedId,
    media_sequence: MediaSequence,
}

impl Content for ContinueContent {
    fn check(self) -> Result<Announcement, ContentError> {
        integer("mediaSequence", self.media_sequence.0)?;
        Ok(Announcement::Continue {
            broadcast: BroadcastId(self.broadcast),
            feed: self.feed,
            media_sequence: self.media_sequence,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LiveContent {
    #[serde(rename = "type")]
    kind: String,
    broadcast: MessageKey,
    manifest: String,
    segment: String,
    init: String,
    media_sequence: MediaSequence,
    discontinuity_sequence: DiscontinuitySequence,
    duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program_date_time: Option<WallTime>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    independent: bool,
}

impl LiveContent {
    fn new(broadcast: BroadcastId, manifest: &Cid, segment: &MediaSegment) -> Self {
        Self {
            kind: LIVE.to_owned(),
            broadcast: broadcast.0,
            manifest: manifest.to_string(),
            segment: segment.segment.to_string(),
            init: segment.init.to_string(),
            media_sequence: segment.media_sequence,
            discontinuity_sequence: segment.discontinuity_sequence,
            // Rounded down: rounded up, a duration could exceed the target duration once a playlist rounds it again.
            duration_ms: millis(segment.duration).max(1),
            program_date_time: segment.program_date_time,
            independent: segment.independent,
        }
    }
}

impl Content for LiveContent {
    fn check(self) -> Result<Announcement, ContentError> {
        integer("mediaSequence", self.media_sequence.0)?;
        integer("discontinuitySequence", self.discontinuity_sequence.0)?;
        integer("programDateTime", self.program_date_time.map_or(0, |time| time.0))?;
        // The broadcast's own target is the closer bound, and the directory's to check.
        if !(1..=2 * MAX_TARGET_SECONDS * 1_000).contains(&self.duration_ms) {
            return Err(ContentError::OutOfRange("durationMs"));
        }
        Ok(Announcement::Live {
            broadcast: BroadcastId(self.broadcast),
            manifest: content_id("manifest", &self.manifest)?,
            segment: MediaSegment {
                media_sequence: self.media_sequence,
                discontinuity_sequence: self.discontinuity_sequence,
                duration: Duration::from_millis(self.duration_ms),
                program_date_time: self.program_date_time,
                independent: self.independent,
                segment: content_id("segment", &self.segment)?,
                init: content_id("init", &self.init)?,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndContent {
    #[serde(rename = "type")]
    kind: String,
    broadcast: MessageKey,
    media_sequence: MediaSequence,
    #[serde(default)]
    reason: String,
}

impl Content for EndContent {
    fn check(self) -> Result<Announcement, ContentError> {
        integer("mediaSequence", self.media_sequence.0)?;
        text_length("reason", &self.reason, MAX_REASON_CHARS)?;
        Ok(Announcement::End {
            broadcast: BroadcastId(self.broadcast),
            media_sequence: self.media_sequence,
            reason: text::line(&self.reason),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchiveContent {
    #[serde(rename = "type")]
    message_type: String,
    broadcast: MessageKey,
    kind: ArchiveKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<String>,
    first_media_sequence: MediaSequence,
    last_media_sequence: MediaSequence,
    manifest: String,
    duration_ms: u64,
    bytes: u64,
}

impl ArchiveContent {
    fn new(archive: &ArchiveManifest) -> Self {
        Self {
            message_type: ARCHIVE.to_owned(),
            broadcast: archive.broadcast.0,
            kind: archive.kind,
            period: archive.period.map(|period| period.to_string()),
            first_media_sequence: archive.first_media_sequence,
            last_media_sequence: archive.last_media_sequence,
            manifest: archive.manifest.to_string(),
            duration_ms: millis(archive.duration),
            bytes: archive.bytes,
        }
    }
}

impl Content for ArchiveContent {
    fn check(self) -> Result<Announcement, ContentError> {
        integer("firstMediaSequence", self.first_media_sequence.0)?;
        integer("lastMediaSequence", self.last_media_sequence.0)?;
        integer("durationMs", self.duration_ms)?;
        integer("bytes", self.bytes)?;
        if self.last_media_sequence < self.first_media_sequence {
            return Err(ContentError::OutOfRange("lastMediaSequence"));
        }
        let period: Option<Period> =
            self.period.map(|text| text.parse()).transpose().map_err(|_| ContentError::OutOfRange("period"))?;
        let fits = match (self.kind, period) {
            (_, None) => true,
            (ArchiveKind::Hour, Some(period)) => matches!(period, Period::Hour(_)),
            (ArchiveKind::Day, Some(period)) => matches!(period, Period::Day(_)),
            (ArchiveKind::Broadcast, Some(_)) => false,
        };
        if !fits {
            return Err(ContentError::OutOfRange("period"));
        }
        Ok(Announcement::Archive(ArchiveManifest {
            broadcast: BroadcastId(self.broadcast),
            kind: self.kind,
            period,
            first_media_sequence: self.first_media_sequence,
            last_media_sequence: self.last_media_sequence,
            manifest: content_id("manifest", &self.manifest)?,
            duration: Duration::from_millis(self.duration_ms),
            bytes: self.bytes,
        }))
    }
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn text_length(field: &'static str, text: &str, most: usize) -> Result<(), ContentError> {
    if text.chars().count() > most { Err(ContentError::TooLong(field)) } else { Ok(()) }
}

fn integer(field: &'static str, number: u64) -> Result<(), ContentError> {
    if number > MAX_INTEGER { Err(ContentError::OutOfRange(field)) } else { Ok(()) }
}

fn content_id(field: &'static str, text: &str) -> Result<Cid, ContentError> {
    let cid = Cid::try_from(text).map_err(|_| ContentError::Cid(field))?;
    let hash = cid.hash();
    let usable = cid.version() == Version::V1
        && CODECS.contains(&cid.codec())
        && hash.code() == SHA2_256
        && hash.digest().len() == 32;
    if usable { Ok(cid) } else { Err(ContentError::Cid(field)) }
}

#[cfg(test)]
mod tests;
