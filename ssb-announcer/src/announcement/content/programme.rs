//! Content that says what is planned, and what a broadcast or a plan is called from then on.

use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS, MessageKey, Schedule, ScheduleId, WallTime};

use super::{Announcement, Content, ContentError, integer, text, text_length};

/// Type of a message of what is planned.
pub const SCHEDULE: &str = "meshstream-schedule";
/// Type of a message of what is called otherwise.
pub const UPDATE: &str = "meshstream-update";

/// What an update is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// A broadcast.
    Broadcast(BroadcastId),
    /// What is planned.
    Schedule(ScheduleId),
}

/// An author calls a broadcast, or what it plans, otherwise. What is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Of what.
    pub of: Updated,
    /// The title; fit to be shown.
    pub title: Option<String>,
    /// The description; fit to be shown.
    pub description: Option<String>,
    /// When it is to start; never of a broadcast.
    pub starts_at: Option<WallTime>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScheduleContent {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(default)]
    description: String,
    starts_at: WallTime,
}

impl ScheduleContent {
    pub(super) fn new(schedule: &Schedule) -> Self {
        let Schedule { title, description, starts_at } = schedule.clone();
        Self { kind: SCHEDULE.to_owned(), title, description, starts_at }
    }
}

impl Content for ScheduleContent {
    fn check(self) -> Result<Announcement, ContentError> {
        text_length("title", &self.title, MAX_TITLE_CHARS)?;
        text_length("description", &self.description, MAX_DESCRIPTION_CHARS)?;
        integer("startsAt", self.starts_at.0)?;
        Ok(Announcement::Schedule(Schedule {
            title: text::line(&self.title),
            description: text::lines(&self.description),
            starts_at: self.starts_at,
        }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateContent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broadcast: Option<MessageKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<MessageKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<WallTime>,
}

impl UpdateContent {
    pub(super) fn new(update: &Update) -> Self {
        let (broadcast, schedule) = match update.of {
            Updated::Broadcast(id) => (Some(id.0), None),
            Updated::Schedule(id) => (None, Some(id.0)),
        };
        Self {
            kind: UPDATE.to_owned(),
            broadcast,
            schedule,
            title: update.title.clone(),
            description: update.description.clone(),
            starts_at: update.starts_at,
        }
    }
}

impl Content for UpdateContent {
    fn check(self) -> Result<Announcement, ContentError> {
        let of = match (self.broadcast, self.schedule) {
            (Some(id), None) => Updated::Broadcast(BroadcastId(id)),
            (None, Some(id)) => Updated::Schedule(ScheduleId(id)),
            _ => return Err(ContentError::Shape),
        };
        text_length("title", self.title.as_deref().unwrap_or_default(), MAX_TITLE_CHARS)?;
        text_length("description", self.description.as_deref().unwrap_or_default(), MAX_DESCRIPTION_CHARS)?;
        integer("startsAt", self.starts_at.map_or(0, |time| time.0))?;
        Ok(Announcement::Update(Update {
            of,
            title: self.title.map(|title| text::line(&title)),
            description: self.description.map(|description| text::lines(&description)),
            starts_at: self.starts_at.filter(|_| matches!(of, Updated::Schedule(_))),
        }))
    }
}
