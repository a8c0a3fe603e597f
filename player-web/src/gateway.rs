//! Finds the file behind a path of the gateway: here, or else at peers.
//!
//! Comes in: a CID, names of files, and who asks. Goes out: a file that is held here in whole, or why there is none. Never
//! fetches what may not be served, and never more than a path needs: the blocks of the directories on the way, and the
//! file. How much of what was fetched is kept is the store's to decide.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use stream_model::{
    Claim, ContentLookup, ContentReader, Directory, FetchError, FetchRequest, Listing, Node, PeerId, StoreError,
};

use crate::app::Ports;
use crate::config::{GatewayChoice, GatewayReach};
use crate::slots::Slots;

/// How long a fetch may take before the client is told to ask again; browsers and proxies wait at least 30 s. What
/// arrived by then is kept for the next try.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// Paths being fetched at a time, for all clients: live segments share the link with them.
const MAX_FETCHES: usize = 16;

/// Paths being fetched at a time for one address: a player loads two or three files at once.
const MAX_FETCHES_PER_ADDRESS: usize = 4;

/// The largest file that is fetched, as large as a segment may be.
const MAX_FILE_BYTES: u64 = 80 << 20;

/// Why a path is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("not a CID: expected something like bafybei…")]
    NotACid,
    #[error("no broadcast known here refers to that")]
    NotKnown,
    #[error("there is no such file in it")]
    NoSuchFile,
    #[error("a directory is not listed: ask for a file in it, such as index.m3u8")]
    Directory,
    #[error("only media and text files are served: fetch others with an IPFS node")]
    NotMedia,
    #[error("this node fetches too many files at the moment: ask again soon")]
    Busy,
    #[error("no node in reach delivered it in time: what has come is kept, so ask again")]
    NotInTime,
    #[error("this node has no room for it: ask again later, or ask another node")]
    NoRoom,
    #[error("peers have it, but it cannot be served: {0}")]
    Unusable(String),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            // Removed between two questions.
            StoreError::NotFound(_) => Self::NotInTime,
            StoreError::WrongKind(..) => Self::NotMedia,
            StoreError::Full(_) => Self::NoRoom,
            error => Self::Store(error),
        }
    }
}

impl From<FetchError> for Refusal {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::TimedOut(_) => Self::NotInTime,
            FetchError::Store(error) => error.into(),
            error => Self::Unusable(error.to_string()),
        }
    }
}

/// A way to a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Where it begins.
    pub(crate) root: Cid,
    /// Names below it; none for the root itself.
    pub(crate) names: &'a [&'a str],
    /// Whether a file of that name may be served: if not, it is not fetched either.
    pub(crate) presentable: bool,
}

/// The gateway's way to content; a cheap handle.
#[derive(Clone)]
pub(crate) struct Gateway {
    choice: GatewayChoice,
    content: Arc<dyn ContentReader>,
    lookup: Arc<dyn ContentLookup>,
    directory: Arc<dyn Directory>,
    fetches: Slots,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("reach", &self.choice.reach()).finish_non_exhaustive()
    }
}

impl Gateway {
    pub(crate) fn new(ports: &Ports, choice: GatewayChoice) -> Self {
        Self {
            choice,
            content: ports.content.clone(),
            lookup: ports.lookup.clone(),
            directory: ports.directory.clone(),
            fetches: Slots::new(MAX_FETCHES, MAX_FETCHES_PER_ADDRESS),
        }
    }

    /// The file that a path leads to, held here in whole when this returns, and its size. May be cancelled.
    pub(crate) async fn find(&self, target: Target<'_>, client: IpAddr) -> Result<(Cid, u64), Refusal> {
        match self.content.stat(&target.root).await {
            // What reaches it is held in whole, and so is all below it.
            Ok(node) => self.follow(target, node, None).await,
            Err(StoreError::NotFound(_)) => {
                let Some(_slot) = self.fetches.acquire(client) else {
                    metrics::counter!("meshstream_gateway_refused_total").increment(1);
                    return Err(Refusal::Busy);
                };
                let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetch(target)).await;
                fetched.unwrap_or(Err(Refusal::NotInTime))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn fetch(&self, target: Target<'_>) -> Result<(Cid, u64), Refusal> {
        let announced = self.announced(target.root).await;
        // Nothing but what known manifests reach was ever fetched here, unless the gateway is open.
        let known = announced.is_some() || self.lookup.glance(&target.root).await?.is_some();
        if !known && self.choice.reach() == GatewayReach::Known {
            return Err(Refusal::NotKnown);
        }
        let providers: Vec<PeerId> = announced.into_iter().map(|listing| listing.peer).collect();
        let root = self.look_up(target.root, &providers).await?;
        self.follow(target, root, Some(&providers)).await
    }

    /// Goes down from the root. With `providers`, what is not held is fetched.
    async fn follow(
        &self,
        target: Target<'_>,
        root: Node,
        providers: Option<&[PeerId]>,
    ) -> Result<(Cid, u64), Refusal> {
        let (mut cid, mut node) = (target.root, root);
        for name in target.names {
            let Node::Directory(entries) = node else { return Err(Refusal::NoSuchFile) };
            cid = entries.iter().find(|entry| entry.name == *name).ok_or(Refusal::NoSuchFile)?.cid;
            node = match (self.content.stat(&cid).await, providers) {
                (Err(StoreError::NotFound(_)), Some(providers)) => self.look_up(cid, providers).await?,
                (found, _) => found?,
            };
        }
        let Node::File(size) = node else { return Err(Refusal::Directory) };
        if !target.presentable {
            return Err(Refusal::NotMedia);
        }
        if let Some(providers) = providers
            && matches!(self.content.stat(&cid).await, Err(StoreError::NotFound(_)))
        {
            self.lookup.fetch(request(cid, providers)).await?;
        }
        Ok((cid, size))
    }

    async fn look_up(&self, cid: Cid, providers: &[PeerId]) -> Result<Node, Refusal> {
        Ok(self.lookup.look_up(request(cid, providers)).await?)
    }

    /// The broadcast that announced a CID. Looking through all announcements is work for another thread; that each who
    /// asks has a place among the fetches bounds it.
    async fn announced(&self, cid: Cid) -> Option<Listing> {
        let directory = self.directory.clone();
        let looked = tokio::task::spawn_blocking(move || directory.announced(&cid)).await;
        looked.unwrap_or_else(|error| {
            tracing::error!(%error, "looking through the announcements failed");
            None
        })
    }
}

fn request(root: Cid, providers: &[PeerId]) -> FetchRequest {
    FetchRequest {
        root,
        claim: Claim::Gateway(root),
        providers: providers.to_vec(),
        timeout: FETCH_TIMEOUT,
        max_bytes: MAX_FILE_BYTES,
    }
}
