//! In-memory stand-ins for what nodes say of broadcasts of others, and for what is carried between them by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use stream_model::{
    AnnounceError, BroadcastId, CarBytes, CarError, CarExport, CarImported, CarProgress, CarVersion, CarriedMessages,
    CarriedMessagesError, Claim, ContentCarrier, ContentFetcher as _, ContentStore as _, FeedId, FetchRequest,
    MessageCarrier, Mirroring, PeerId, Republication, Standing, StandingLog, Standings, StoreError,
};

use crate::fakes::{MemoryFetcher, MemoryStore};

/// What is said of broadcasts, and messages that are carried. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStandings {
    own: FeedId,
    standings: Arc<Mutex<BTreeMap<BroadcastId, Standing>>>,
    /// Messages of a broadcast, a line each.
    messages: Arc<Mutex<BTreeMap<BroadcastId, Vec<String>>>>,
}

impl MemoryStandings {
    /// As the node with this feed sees it.
    pub fn new(own: FeedId) -> Self {
        Self { own, standings: Arc::default(), messages: Arc::default() }
    }

    /// Changes how a broadcast stands, as messages of others would.
    pub fn change(&self, broadcast: BroadcastId, change: impl FnOnce(&mut Standing)) {
        change(self.standings().entry(broadcast).or_default());
    }

    /// What vouches for a broadcast.
    pub fn set_messages(&self, broadcast: BroadcastId, lines: Vec<String>) {
        self.messages().insert(broadcast, lines);
    }

    /// What vouches for a broadcast.
    pub fn messages_of(&self, broadcast: &BroadcastId) -> Vec<String> {
        self.messages().get(broadcast).cloned().unwrap_or_default()
    }

    fn standings(&self) -> MutexGuard<'_, BTreeMap<BroadcastId, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn messages(&self) -> MutexGuard<'_, BTreeMap<BroadcastId, Vec<String>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standings for MemoryStandings {
    fn standing(&self, broadcast: &BroadcastId) -> Standing {
        self.standings().get(broadcast).cloned().unwrap_or_default()
    }

    fn own_feed(&self) -> FeedId {
        self.own
    }
}

#[async_trait]
impl StandingLog for MemoryStandings {
    async fn mirror(&self, broadcast: BroadcastId, peer: PeerId, manifest: Option<Cid>) -> Result<(), AnnounceError> {
        let node = self.own;
        self.change(broadcast, |standing| {
            standing.mirrors.retain(|mirror| mirror.node != node);
            standing.mirrors.extend(manifest.map(|manifest| Mirroring { node, peer, manifest }));
        });
        Ok(())
    }

    async fn republish(&self, broadcast: BroadcastId, republication: Republication) -> Result<(), AnnounceError> {
        self.change(broadcast, |standing| {
            standing.republications.retain(|one| one.node != republication.node);
            standing.republications.push(republication);
        });
        Ok(())
    }

    async fn withdraw(&self, broadcast: BroadcastId, reason: String) -> Result<(), AnnounceError> {
        self.change(broadcast, |standing| standing.withdrawn = Some(reason));
        Ok(())
    }
}

#[async_trait]
impl MessageCarrier for MemoryStandings {
    async fn export_messages(
        &self,
        broadcast: BroadcastId,
    ) -> Result<BoxStream<'static, Result<Bytes, CarriedMessagesError>>, CarriedMessagesError> {
        let lines = self.messages_of(&broadcast);
        if lines.is_empty() {
            return Err(CarriedMessagesError::UnknownBroadcast(broadcast));
        }
        Ok(stream::iter(lines.into_iter().map(|line| Ok(Bytes::from(line + "\n")))).boxed())
    }

    async fn import_messages(
        &self,
        broadcast: BroadcastId,
        mut lines: BoxStream<'_, Result<Bytes, StoreError>>,
    ) -> Result<CarriedMessages, CarriedMessagesError> {
        let mut text = Vec::new();
        while let Some(piece) = lines.next().await {
            text.extend(piece.map_err(|error| CarriedMessagesError::Storage(error.to_string()))?);
        }
        let text = String::from_utf8(text)
            .map_err(|error| CarriedMessagesError::Refused { line: 1, reason: error.to_string() })?;
        let (mut all, mut imported) = (self.messages_of(&broadcast), CarriedMessages::default());
        for line in text.lines() {
            if all.iter().any(|known| known == line) {
                imported.known += 1;
            } else {
                all.push(line.to_owned());
                imported.new += 1;
            }
        }
        self.set_messages(broadcast, all);
        Ok(imported)
    }
}

/// Carries content from one [`MemoryStore`] to another: its files name their root, whose content is copied.
#[derive(Debug, Clone)]
pub struct MemoryCarrier {
    here: MemoryStore,
    there: MemoryStore,
}

impl MemoryCarrier {
    /// Exports what `here` holds; what is imported comes from `there`.
    pub fn new(here: MemoryStore, there: MemoryStore) -> Self {
        Self { here, there }
    }
}

#[async_trait]
impl ContentCarrier for MemoryCarrier {
    async fn export(&self, root: Cid, _: CarVersion) -> Result<CarExport, StoreError> {
        if !self.here.holds(&root).await {
            return Err(StoreError::NotFound(root));
        }
        // Lent for as long as a test takes.
        self.here.lend(root);
        let file = Bytes::from(root.to_string());
        Ok(CarExport { total_bytes: file.len() as u64, bytes: stream::iter([Ok(file)]).boxed() })
    }

    async fn import(
        &self,
        file: CarBytes<'_>,
        claim: &(dyn Fn(Cid) -> Claim + Send + Sync),
        progress: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<CarImported, CarError> {
        let file: Vec<Bytes> = file.try_collect().await.map_err(|error| CarError::Incomplete(error.to_string()))?;
        let root = std::str::from_utf8(&file.concat()).ok().and_then(|text| text.parse().ok());
        let root: Cid = root.ok_or(CarError::Refused { at: 0, reason: "it names no root".to_owned() })?;
        let request = FetchRequest {
            root,
            claim: claim(root),
            providers: Vec::new(),
            timeout: Duration::ZERO,
            max_bytes: u64::MAX,
        };
        let fetched = MemoryFetcher::new(self.here.clone(), self.there.clone()).fetch(request).await;
        let stored = fetched.map_err(|error| CarError::Incomplete(error.to_string()))?;
        let done = CarProgress { bytes_read: file.concat().len() as u64, blocks_new: 1, blocks_here: 0 };
        progress(done);
        Ok(CarImported { roots: vec![stored], progress: done })
    }
}
