//! What the owner sets and takes effect at once: hands it to the part that goes by it.

use std::sync::{Arc, Mutex, PoisonError};

use node_router::{NodeRouter, UploadLimits};
use ssb_announcer::SsbAnnouncer;
use stream_model::Location;
use streamer::Choices;
use streamer::playback::Mirror;

use crate::parts::FEEDS_OF_RESERVE;
use crate::status::Status;

/// The parts of a running node that take a change.
pub(crate) struct InEffect {
    router: Arc<NodeRouter>,
    ssb: Arc<SsbAnnouncer>,
    choices: Choices,
    status: Arc<Status>,
    upload: Mutex<UploadLimits>,
}

impl InEffect {
    /// The parts, and the limits of upload with which they were started.
    pub(crate) fn new(
        router: Arc<NodeRouter>,
        ssb: Arc<SsbAnnouncer>,
        choices: Choices,
        status: Arc<Status>,
        upload: UploadLimits,
    ) -> Self {
        Self { router, ssb, choices, status, upload: Mutex::new(upload) }
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
        self.router.set_quota(quota);
    }

    pub(crate) fn max_files(&self, max_files: u64) {
        self.router.set_max_files(max_files);
    }

    pub(crate) fn reserve(&self, reserve: u64) {
        self.router.set_reserve(reserve);
        self.ssb.keep_free(reserve / FEEDS_OF_RESERVE);
    }

    pub(crate) fn upload(&self, change: impl FnOnce(&mut UploadLimits)) {
        let mut upload = self.upload.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut upload);
        self.router.limit_upload(*upload);
    }
}
