//! Writes what this node plans, and what its broadcasts are called, on its node feed.

use async_trait::async_trait;
use stream_model::{
    AnnounceError, BroadcastId, Directory as _, MAX_SCHEDULED_OF_ONE, ProgrammeError, ProgrammeLog, Schedule,
    ScheduleId,
};
use tracing::info;

use super::announcer::{Announcer, storage_error};
use super::content::{Announcement, Update, Updated};
use super::text;

/// A title and a description as they are shown.
fn texts(title: &str, description: &str) -> Result<(String, String), ProgrammeError> {
    let title = text::line(title).trim().to_owned();
    if title.is_empty() { Err(ProgrammeError::NoTitle) } else { Ok((title, text::lines(description))) }
}

fn tidy(schedule: Schedule) -> Result<Schedule, ProgrammeError> {
    let (title, description) = texts(&schedule.title, &schedule.description)?;
    Ok(Schedule { title, description, ..schedule })
}

fn refused(error: AnnounceError) -> ProgrammeError {
    match error {
        AnnounceError::TooLong(field) => ProgrammeError::TooLong(field),
        other => other.into(),
    }
}

impl Announcer {
    fn planned(&self, id: ScheduleId) -> Result<Schedule, ProgrammeError> {
        self.directory.read(|index| index.own_plan(&id)).ok_or(ProgrammeError::UnknownSchedule(id))
    }

    async fn tell(&self, announcement: &Announcement) -> Result<(), ProgrammeError> {
        self.say(announcement).await.map_err(refused)
    }
}

#[async_trait]
impl ProgrammeLog for Announcer {
    async fn schedule(&self, schedule: Schedule) -> Result<ScheduleId, ProgrammeError> {
        let append = self.on_node_feed(&Announcement::Schedule(tidy(schedule)?), None).map_err(refused)?;
        // What is decided on the feed's state is appended to that state, here and below.
        let _feeds = self.feeds.lock().await;
        if self.directory.upcoming().iter().filter(|scheduled| scheduled.own).count() >= MAX_SCHEDULED_OF_ONE {
            return Err(ProgrammeError::TooMany);
        }
        let appended = self.store.append_own(vec![append]).await.map_err(storage_error).map_err(refused)?;
        let message = appended.first().ok_or_else(|| AnnounceError::Storage("nothing was appended".into()))?;
        let id = ScheduleId(message.key);
        info!(schedule = %id, "schedule announced");
        Ok(id)
    }

    async fn reschedule(&self, id: ScheduleId, schedule: Schedule) -> Result<(), ProgrammeError> {
        let schedule = tidy(schedule)?;
        let _feeds = self.feeds.lock().await;
        if self.planned(id)? == schedule {
            return Ok(());
        }
        let Schedule { title, description, starts_at } = schedule;
        let update = Update {
            of: Updated::Schedule(id),
            title: Some(title),
            description: Some(description),
            starts_at: Some(starts_at),
        };
        self.tell(&Announcement::Update(update)).await?;
        info!(schedule = %id, "schedule changed");
        Ok(())
    }

    async fn cancel(&self, id: ScheduleId) -> Result<(), ProgrammeError> {
        let _feeds = self.feeds.lock().await;
        self.planned(id)?;
        self.tell(&Announcement::Cancel { schedule: id }).await?;
        info!(schedule = %id, "schedule withdrawn");
        Ok(())
    }

    async fn update(&self, broadcast: BroadcastId, title: String, description: String) -> Result<(), ProgrammeError> {
        let (title, description) = texts(&title, &description)?;
        let _feeds = self.feeds.lock().await;
        let listing = self.directory.listing(&broadcast).ok_or(ProgrammeError::UnknownBroadcast(broadcast))?;
        if !listing.own {
            return Err(ProgrammeError::NotOwn(broadcast));
        }
        if (&listing.title, &listing.description) == (&title, &description) {
            return Ok(());
        }
        let of = Updated::Broadcast(broadcast);
        let update = Update { of, title: Some(title), description: Some(description), starts_at: None };
        self.tell(&Announcement::Update(update)).await?;
        info!(%broadcast, "broadcast called otherwise");
        Ok(())
    }
}
