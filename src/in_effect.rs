//! What the owner sets and takes effect at once: hands it to the part that goes by it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use node_router::{NodeRouter, UploadLimits};
use ssb_announcer::SsbAnnouncer;
use stream_model::Location;
use streamer::Choices;
use streamer::playback::Mirror;

use crate::parts::FEEDS_OF_RESERVE;
use crate::status::Status;

/// The most that is kept, and what is left free.
#[derive(Debug, Clone, Copy)]
struct Room {
    quota: u64,
    max_files: u64,
    reserve: u64,
}

/// The parts of a running node that take a change.
pub(crate) struct InEffect {
    router: Arc<NodeRouter>,
    ssb: Arc<SsbAnnouncer>,
    choices: Choices,
    status: Arc<Status>,
    room: Mutex<Room>,
    upload: Mutex<UploadLimits>,
}

impl InEffect {
    /// The parts, and with what they were started.
    pub(crate) fn new(
        router: Arc<NodeRouter>,
        ssb: Arc<SsbAnnouncer>,
        choices: Choices,
        status: Arc<Status>,
        started: &node_router::Config,
    ) -> Self {
        let &node_router::Config { quota, max_files, reserve, upload, .. } = started;
        let room = Mutex::new(Room { quota, max_files, reserve });
        Self { router, ssb, choices, status, room, upload: Mutex::new(upload) }
    }

    pub(crate) fn stand_at(&self, location: Option<Location>) {
        self.status.stand_at(location);
    }

    pub(crate) fn keep_archives(&self, keep: bool) {
        self.choices.keep_archives(keep);
    }

    pub(crate) fn honour_withdrawals(&self, honour: bool) {
        self.choices.honour_withdrawals(honour);
    }

    pub(crate) fn mirror(&self, policy: Mirror) {
        self.choices.mirror(policy);
    }

    pub(crate) fn quota(&self, quota: u64) {
        self.room(|room| room.quota = quota);
    }

    pub(crate) fn max_files(&self, max_files: u64) {
        self.room(|room| room.max_files = max_files);
    }

    pub(crate) fn reserve(&self, reserve: u64) {
        self.room(|room| room.reserve = reserve);
        self.ssb.keep_free(reserve / FEEDS_OF_RESERVE);
    }

    pub(crate) fn upload(&self, change: impl FnOnce(&mut UploadLimits)) {
        let mut upload = lock(&self.upload);
        change(&mut upload);
        self.router.limit_upload(*upload);
    }

    fn room(&self, change: impl FnOnce(&mut Room)) {
        let mut room = lock(&self.room);
        change(&mut room);
        let Room { quota, max_files, reserve } = *room;
        self.router.limit_storage(quota, max_files, reserve);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
