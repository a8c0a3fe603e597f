//! What the owner sets and takes effect at once: hands it to the part that goes by it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node_router::{NodeRouter, UploadLimits};
use player_web::{GatewayChoice, GatewayReach};
use ssb_announcer::SsbAnnouncer;
use ssb_announcer::social::WebAddresses;
use stream_model::Location;
use streamer::Choices;
use streamer::playback::Mirror;

use crate::parts::FEEDS_OF_RESERVE;
use crate::status::Status;
use crate::web_address::web_addresses;

/// The start of a broadcast, told in a post.
#[derive(Debug, Clone)]
pub(crate) struct StartPosts {
    /// Whether there are any.
    pub(crate) told: bool,
    /// Where the pages are as the owner says.
    pub(crate) public_url: String,
    /// Where the node listens for browsers.
    pub(crate) web: SocketAddr,
}

impl StartPosts {
    /// With which addresses they are; `None` where there are none.
    pub(crate) fn pages(&self) -> Option<WebAddresses> {
        self.told.then(|| web_addresses(self.web, &self.public_url))
    }
}

/// The parts of a running node that take a change.
pub(crate) struct InEffect {
    router: Arc<NodeRouter>,
    ssb: Arc<SsbAnnouncer>,
    choices: Choices,
    status: Arc<Status>,
    gateway: GatewayChoice,
    start_posts: Mutex<StartPosts>,
    upload: Mutex<UploadLimits>,
}

impl InEffect {
    /// The parts, and with what they were started.
    pub(crate) fn new(
        router: Arc<NodeRouter>,
        ssb: Arc<SsbAnnouncer>,
        choices: Choices,
        status: Arc<Status>,
        gateway: GatewayChoice,
        start_posts: StartPosts,
        upload: UploadLimits,
    ) -> Self {
        let (start_posts, upload) = (Mutex::new(start_posts), Mutex::new(upload));
        Self { router, ssb, choices, status, gateway, start_posts, upload }
    }

    pub(crate) fn stand_at(&self, location: Option<Location>) {
        self.status.stand_at(location);
    }

    pub(crate) fn tell_links(&self, tell: bool) {
        self.status.tell_links(tell);
    }

    pub(crate) fn keep_archives(&self, keep: bool) {
        self.choices.keep_archives(keep);
    }

    pub(crate) fn honour_withdrawals(&self, honour: bool) {
        self.choices.honour_withdrawals(honour);
    }

    pub(crate) fn wait_for_publishers(&self, grace: Duration) {
        self.choices.wait_for_publishers(grace);
    }

    pub(crate) fn reach_for(&self, hops: u32) {
        self.ssb.reach_for(hops);
    }

    pub(crate) fn open_gateway(&self, reach: GatewayReach) {
        self.gateway.choose(reach);
    }

    pub(crate) fn start_posts(&self, change: impl FnOnce(&mut StartPosts)) {
        let mut posts = lock(&self.start_posts);
        change(&mut posts);
        self.ssb.post_starts(posts.pages());
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
        let mut upload = lock(&self.upload);
        change(&mut upload);
        self.router.limit_upload(*upload);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
