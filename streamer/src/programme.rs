//! What the owner does with this node's broadcasts: plans and names them, and ends them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stream_model::{
    BroadcastId, Directory, KeyError, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS, Programme, ProgrammeError, ProgrammeLog,
    Schedule, ScheduleId, StreamDetails, StreamName,
};

use crate::broadcast::{Ends, PublishingStatus, Rebroadcasts};
use crate::ingest::Publishers;
use crate::keys::KeyStore;

/// How long is waited for an end: the last segment is stored before it. What takes longer happens all the same.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The programme of a node. Clones share it.
#[derive(Clone)]
pub(crate) struct OwnProgramme {
    pub(crate) log: Arc<dyn ProgrammeLog>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) keys: KeyStore,
    pub(crate) publishers: Publishers,
    pub(crate) status: PublishingStatus,
    pub(crate) ends: Ends,
    pub(crate) rebroadcasts: Rebroadcasts,
}

impl fmt::Debug for OwnProgramme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnProgramme").field("publishers", &self.publishers).finish_non_exhaustive()
    }
}

fn keys_failed(error: KeyError) -> ProgrammeError {
    match error {
        KeyError::NotFound(name) => ProgrammeError::NoKey(name),
        other => ProgrammeError::Failed(other.to_string()),
    }
}

impl OwnProgramme {
    fn is_planned(&self, id: &ScheduleId) -> bool {
        self.directory.upcoming().iter().any(|planned| planned.own && planned.id == *id)
    }
}

#[async_trait]
impl Programme for OwnProgramme {
    async fn schedule(&self, schedule: Schedule) -> Result<ScheduleId, ProgrammeError> {
        self.log.schedule(schedule).await
    }

    async fn reschedule(&self, id: ScheduleId, schedule: Schedule) -> Result<(), ProgrammeError> {
        self.log.reschedule(id, schedule).await
    }

    async fn cancel(&self, id: ScheduleId) -> Result<(), ProgrammeError> {
        self.log.cancel(id).await
    }

    async fn set_details(&self, name: StreamName, details: StreamDetails) -> Result<(), ProgrammeError> {
        if details.title.chars().count() > MAX_TITLE_CHARS {
            return Err(ProgrammeError::TooLong("the title"));
        }
        if details.description.chars().count() > MAX_DESCRIPTION_CHARS {
            return Err(ProgrammeError::TooLong("the description"));
        }
        if let Some(id) = details.schedule.filter(|id| !self.is_planned(id)) {
            return Err(ProgrammeError::UnknownSchedule(id));
        }
        let details = StreamDetails { title: details.title.trim().to_owned(), ..details };
        self.keys.set_details(name, details).await.map_err(keys_failed)
    }

    async fn details(&self, name: StreamName) -> Result<StreamDetails, ProgrammeError> {
        let details = self.keys.details(&name).await.map_err(keys_failed)?.ok_or(ProgrammeError::NoKey(name))?;
        // Called off meanwhile.
        Ok(StreamDetails { schedule: details.schedule.filter(|id| self.is_planned(id)), ..details })
    }

    async fn update(&self, broadcast: BroadcastId, title: String, description: String) -> Result<(), ProgrammeError> {
        self.log.update(broadcast, title, description).await
    }

    async fn end(&self, broadcast: BroadcastId) -> Result<(), ProgrammeError> {
        let listing = self.directory.listing(&broadcast).ok_or(ProgrammeError::UnknownBroadcast(broadcast))?;
        if !listing.own {
            return Err(ProgrammeError::NotOwn(broadcast));
        }
        let Some(name) = self.status.name(&broadcast) else {
            return if self.rebroadcasts.end(&broadcast) { Ok(()) } else { Err(ProgrammeError::Over(broadcast)) };
        };
        self.publishers.refuse(&name);
        self.ends.ask(broadcast);
        if self.status.name(&broadcast).is_none() {
            // It ended by itself meanwhile, and nobody will say so any more.
            self.ends.handle_ended(&broadcast);
        }
        tracing::info!(%broadcast, stream = %name, "the owner ends the broadcast");
        let _ = tokio::time::timeout(END_WITHIN, self.ends.ended(&broadcast)).await;
        Ok(())
    }

    async fn admit(&self, name: StreamName) -> Result<(), ProgrammeError> {
        self.publishers.admit(&name);
        Ok(())
    }

    fn refused(&self) -> Vec<StreamName> {
        self.publishers.refused()
    }
}
