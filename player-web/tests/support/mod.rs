//! A node made of memory: every port that the web server asks, with content that tests put in.

#![allow(dead_code, reason = "the tests and the example each use a part")]
#![allow(clippy::unwrap_used, reason = "the example builds it outside of tests too")]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use multihash_codetable::{Code, MultihashDigest as _};
use player_web::Ports;
use stream_model::*;
use tokio::sync::broadcast;

/// A post that the node's feed takes as little as any other.
pub(crate) const UNWRITABLE: &str = "unwritable";

/// A node that has nothing yet.
#[derive(Debug)]
pub(crate) struct FakeNode {
    pub(crate) listings: Mutex<Vec<Listing>>,
    pub(crate) live: Mutex<HashMap<BroadcastId, String>>,
    pub(crate) whole: Mutex<HashMap<BroadcastId, String>>,
    pub(crate) segments: Mutex<HashMap<(BroadcastId, u64), Cid>>,
    pub(crate) inits: Mutex<HashMap<(BroadcastId, u64), Cid>>,
    pub(crate) content: Mutex<HashMap<Cid, Entry>>,
    /// What peers have; a fetch moves it to `content`.
    pub(crate) at_peers: Mutex<HashMap<Cid, Entry>>,
    /// Blocks looked up and files fetched, in order.
    pub(crate) fetched: Mutex<Vec<Cid>>,
    pub(crate) announced_segments: Mutex<Vec<(BroadcastId, MediaSegment)>>,
    pub(crate) archives: Mutex<Vec<ArchiveManifest>>,
    pub(crate) running_hour: Mutex<Option<ArchiveManifest>>,
    pub(crate) standings: Mutex<HashMap<BroadcastId, Standing>>,
    pub(crate) asked: Mutex<Vec<Audience>>,
    pub(crate) problem: Mutex<Option<String>>,
    /// Of which it tells in its `/nodeinfo.json`.
    pub(crate) nodes: Mutex<Vec<KnownNode>>,
    pub(crate) keys: Mutex<Vec<StreamName>>,
    /// Those of them whose broadcasts are not kept.
    pub(crate) unkept: Mutex<Vec<StreamName>>,
    pub(crate) relations: Mutex<Vec<(FeedId, Relation)>>,
    pub(crate) posts: Mutex<Vec<Post>>,
    pub(crate) votes: Mutex<Vec<(MessageKey, Vote)>>,
    pub(crate) blobs: Mutex<HashMap<BlobId, Bytes>>,
    /// What peers bring when it is asked for.
    pub(crate) blobs_at_peers: Mutex<HashMap<BlobId, Bytes>>,
    /// Blobs that peers were asked for.
    pub(crate) blobs_asked: Mutex<Vec<BlobId>>,
    pub(crate) timeline_changes: broadcast::Sender<TimelineChange>,
    pub(crate) directory_changes: broadcast::Sender<DirectoryChange>,
    pub(crate) playlist_changes: broadcast::Sender<PlaylistChange>,
    /// What downloads were asked for.
    pub(crate) downloads: Mutex<Vec<DownloadRequest>>,
}

/// What is behind a CID.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    File(Bytes),
    Directory(Vec<DirectoryEntry>),
    Broken,
}

impl Entry {
    fn node(&self) -> Node {
        match self {
            Self::File(bytes) => Node::File(bytes.len() as u64),
            Self::Directory(entries) => Node::Directory(entries.clone()),
            Self::Broken => Node::File(1),
        }
    }
}

pub(crate) fn broadcast_id(byte: u8) -> BroadcastId {
    BroadcastId(MessageKey([byte; 32]))
}

pub(crate) fn listing(byte: u8, title: &str, state: BroadcastState) -> Listing {
    let mut peer = vec![0x12, 32];
    peer.extend([byte; 32]);
    Listing {
        id: broadcast_id(byte),
        author: FeedId([byte; 32]),
        own: false,
        peer: PeerId::from_multihash(peer).unwrap(),
        title: title.to_owned(),
        description: String::new(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(1_795_269_780_000),
        state,
        media_sequence: Some(MediaSequence(3)),
        manifest: None,
    }
}

impl FakeNode {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            listings: Mutex::default(),
            live: Mutex::default(),
            whole: Mutex::default(),
            segments: Mutex::default(),
            inits: Mutex::default(),
            content: Mutex::default(),
            at_peers: Mutex::default(),
            fetched: Mutex::default(),
            announced_segments: Mutex::default(),
            archives: Mutex::default(),
            running_hour: Mutex::default(),
            standings: Mutex::default(),
            asked: Mutex::default(),
            problem: Mutex::default(),
            nodes: Mutex::new(vec![KnownNode { identity: report().node, record: None, age_seconds: None }]),
            keys: Mutex::default(),
            unkept: Mutex::default(),
            relations: Mutex::default(),
            posts: Mutex::default(),
            votes: Mutex::default(),
            blobs: Mutex::default(),
            blobs_at_peers: Mutex::default(),
            blobs_asked: Mutex::default(),
            timeline_changes: broadcast::Sender::new(64),
            directory_changes: broadcast::Sender::new(64),
            playlist_changes: broadcast::Sender::new(64),
            downloads: Mutex::default(),
        })
    }

    pub(crate) fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            directory: self.clone(),
            playlists: self.clone(),
            downloads: self.clone(),
            running_hours: self.clone(),
            content: self.clone(),
            lookup: self.clone(),
            timeline: self.clone(),
            blobs: self.clone(),
            follows: self.clone(),
            standings: self.clone(),
            status: self.clone(),
        }
    }

    pub(crate) fn add_file(&self, bytes: impl Into<Bytes>) -> Cid {
        let bytes = bytes.into();
        let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&bytes));
        self.content.lock().unwrap().insert(cid, Entry::File(bytes));
        cid
    }

    pub(crate) fn add_directory(&self, entries: &[(&str, Cid)]) -> Cid {
        let entries: Vec<_> =
            entries.iter().map(|(name, cid)| DirectoryEntry { name: (*name).to_owned(), cid: *cid }).collect();
        let cid = Cid::new_v1(0x70, Code::Sha2_256.digest(format!("{entries:?}").as_bytes()));
        self.content.lock().unwrap().insert(cid, Entry::Directory(entries));
        cid
    }

    /// Moves content to where only peers have it.
    pub(crate) fn give_away(&self, cids: &[Cid]) {
        for cid in cids {
            let entry = self.content.lock().unwrap().remove(cid).unwrap();
            self.at_peers.lock().unwrap().insert(*cid, entry);
        }
    }

    fn missing<T>(found: Option<T>, sequence: u64) -> Result<T, PlaylistError> {
        match (found, sequence) {
            (Some(found), _) => Ok(found),
            // By agreement with the tests: one that is announced and not here.
            (None, 7777) => Err(PlaylistError::NotYet(Duration::from_millis(1500))),
            (None, 8888) => Err(PlaylistError::Failed("disk secret".to_owned())),
            (None, _) => Err(PlaylistError::NotFound),
        }
    }
}

impl Standings for FakeNode {
    fn standing(&self, broadcast: &BroadcastId) -> Standing {
        self.standings.lock().unwrap().get(broadcast).cloned().unwrap_or_default()
    }

    fn own_feed(&self) -> FeedId {
        FeedId([0; 32])
    }
}

impl Directory for FakeNode {
    fn listings(&self) -> Vec<Listing> {
        self.listings.lock().unwrap().clone()
    }

    fn listing(&self, broadcast: &BroadcastId) -> Option<Listing> {
        self.listings().into_iter().find(|listing| listing.id == *broadcast)
    }

    fn segments(&self, broadcast: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment> {
        let segments = self.announced_segments.lock().unwrap();
        let wanted = segments.iter().filter(|(id, segment)| id == broadcast && segment.media_sequence >= from);
        wanted.take(limit).map(|(_, segment)| segment.clone()).collect()
    }

    fn archives(&self, broadcast: &BroadcastId) -> Vec<ArchiveManifest> {
        let archives = self.archives.lock().unwrap();
        archives.iter().filter(|archive| archive.broadcast == *broadcast).cloned().collect()
    }

    fn subscribe(&self) -> BoxStream<'static, DirectoryChange> {
        changes(self.directory_changes.subscribe())
    }
}

fn changes<T: Clone + Send + 'static>(receiver: broadcast::Receiver<T>) -> BoxStream<'static, T> {
    stream::unfold(receiver, |mut receiver| async move {
        loop {
            match receiver.recv().await {
                Ok(change) => return Some((change, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    })
    .boxed()
}

pub(crate) fn post(byte: u8, text: &str, root: Option<MessageKey>) -> Post {
    Post {
        key: MessageKey([byte; 32]),
        cursor: TimelineCursor(byte.into()),
        author: Author { feed: FeedId([byte; 32]), name: Some("Ann".to_owned()), image: None, own: false },
        text: text.to_owned(),
        written_at: WallTime(1_795_269_780_000),
        root,
        branches: root.into_iter().collect(),
        channel: None,
        mentions: Vec::new(),
        broadcast: root.map(BroadcastId),
        replies: 0,
        votes: 0,
    }
}

impl FakeNode {
    fn posts_where(&self, page: PageRequest, wanted: impl Fn(&Post) -> bool) -> Result<TimelinePage, TimelineError> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(TimelineError::Storage(problem));
        }
        let before = page.before.unwrap_or(TimelineCursor(i64::MAX));
        let posts = self.posts.lock().unwrap();
        let mut found: Vec<Post> =
            posts.iter().rev().filter(|post| post.cursor < before && wanted(post)).cloned().collect();
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        Ok(TimelinePage { next: found.last().filter(|_| more).map(|post| post.cursor), posts: found })
    }
}

/// Keeps posts in the order in which they are put in.
#[async_trait]
impl Timeline for FakeNode {
    async fn newest(&self, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.posts_where(page, |post| post.root.is_none())
    }

    async fn comments(&self, broadcast: BroadcastId, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.posts_where(page, |post| post.broadcast == Some(broadcast))
    }

    async fn replies(&self, root: MessageKey, page: PageRequest) -> Result<TimelinePage, TimelineError> {
        self.posts_where(page, |post| post.root == Some(root))
    }

    async fn find(&self, key: MessageKey) -> Result<Option<Post>, TimelineError> {
        Ok(self.posts.lock().unwrap().iter().find(|post| post.key == key).cloned())
    }

    async fn profile(&self, feed: FeedId) -> Result<Option<Profile>, TimelineError> {
        let known = self.posts.lock().unwrap().iter().find(|post| post.author.feed == feed).cloned();
        Ok(known.map(|post| Profile { author: post.author, description: Some("Town hall".to_owned()) }))
    }

    async fn names_blob(&self, blob: BlobId) -> Result<bool, TimelineError> {
        let names = |post: &Post| post.author.image == Some(blob) || post.mentions.contains(&blob.to_string());
        Ok(self.posts.lock().unwrap().iter().any(names))
    }

    async fn post(&self, new: NewPost) -> Result<Post, TimelineError> {
        if new.text.is_empty() {
            return Err(TimelineError::Empty);
        }
        if new.text == UNWRITABLE {
            return Err(TimelineError::Refused("recover the feed first".to_owned()));
        }
        if new.text.len() > 8_000 {
            return Err(TimelineError::TooLong);
        }
        let root = match new.about {
            PostTarget::Nothing => None,
            PostTarget::Post(key) if self.find(key).await?.is_none() => return Err(TimelineError::UnknownPost(key)),
            PostTarget::Post(key) => Some(key),
            PostTarget::Broadcast(broadcast) if self.listing(&broadcast).is_none() => {
                return Err(TimelineError::UnknownBroadcast(broadcast));
            }
            PostTarget::Broadcast(broadcast) => Some(broadcast.0),
        };
        let written = post(200, &new.text, root);
        self.posts.lock().unwrap().push(written.clone());
        Ok(written)
    }

    async fn vote(&self, post: MessageKey, vote: Vote) -> Result<(), TimelineError> {
        if self.find(post).await?.is_none() {
            return Err(TimelineError::UnknownPost(post));
        }
        self.votes.lock().unwrap().push((post, vote));
        Ok(())
    }

    fn subscribe(&self) -> BoxStream<'static, TimelineChange> {
        changes(self.timeline_changes.subscribe())
    }
}

/// The name of a blob's bytes.
pub(crate) fn blob_id(bytes: &[u8]) -> BlobId {
    BlobId(Code::Sha2_256.digest(bytes).digest().try_into().unwrap())
}

#[async_trait]
impl BlobStore for FakeNode {
    async fn add(&self, bytes: Bytes) -> Result<BlobId, BlobError> {
        let id = blob_id(&bytes);
        self.blobs.lock().unwrap().insert(id, bytes);
        Ok(id)
    }

    async fn get(&self, id: &BlobId) -> Result<Bytes, BlobError> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(std::io::Error::other(problem).into());
        }
        self.blobs.lock().unwrap().get(id).cloned().ok_or(BlobError::NotFound(*id))
    }

    fn want(&self, id: BlobId) {
        self.blobs_asked.lock().unwrap().push(id);
    }

    /// What no peer has is waited for until the time is over.
    async fn fetch(&self, id: &BlobId, within: Duration) -> Result<Bytes, BlobError> {
        self.want(*id);
        let found = self.blobs_at_peers.lock().unwrap().remove(id);
        match found {
            Some(bytes) => Ok(self.blobs.lock().unwrap().entry(*id).or_insert(bytes).clone()),
            None => {
                tokio::time::sleep(within).await;
                Err(BlobError::NotFound(*id))
            }
        }
    }
}

#[async_trait]
impl Playlists for FakeNode {
    async fn live(&self, broadcast: &BroadcastId, audience: Audience) -> Result<String, PlaylistError> {
        self.asked.lock().unwrap().push(audience);
        match self.live.lock().unwrap().get(broadcast) {
            Some(text) => Ok(text.clone()),
            None if self.listing(broadcast).is_some() => Err(PlaylistError::NotYet(Duration::from_millis(2300))),
            None => Err(PlaylistError::NotFound),
        }
    }

    async fn whole(&self, broadcast: &BroadcastId) -> Result<String, PlaylistError> {
        self.whole.lock().unwrap().get(broadcast).cloned().ok_or(PlaylistError::NotFound)
    }

    async fn hour(&self, broadcast: &BroadcastId, first: MediaSequence) -> Result<String, PlaylistError> {
        let whole = Self::missing(self.whole.lock().unwrap().get(broadcast).cloned(), first.0)?;
        Ok(format!("# hour from {first}\n{whole}"))
    }

    async fn day(&self, broadcast: &BroadcastId, day: Period) -> Result<String, PlaylistError> {
        Ok(format!("# {day}\n{}", self.whole(broadcast).await?))
    }

    async fn segment(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> Result<Cid, PlaylistError> {
        Self::missing(self.segments.lock().unwrap().get(&(*broadcast, sequence.0)).copied(), sequence.0)
    }

    async fn init(&self, broadcast: &BroadcastId, sequence: DiscontinuitySequence) -> Result<Cid, PlaylistError> {
        Self::missing(self.inits.lock().unwrap().get(&(*broadcast, sequence.0)).copied(), sequence.0)
    }

    /// Of the segments that were announced; all have their length in common, and half of each is here.
    async fn place(&self, broadcast: &BroadcastId, name: SegmentName) -> Result<SegmentPlace, PlaylistError> {
        let announced = self.announced_segments.lock().unwrap();
        let is_it = |(id, segment): &&(BroadcastId, MediaSegment)| match name {
            SegmentName::Number(number) => id == broadcast && segment.media_sequence == number,
            SegmentName::Content(cid) => id == broadcast && segment.segment == cid,
        };
        let (_, segment) = announced.iter().find(is_it).cloned().ok_or(PlaylistError::NotFound)?;
        let from = segment.duration * u32::try_from(segment.media_sequence.0).unwrap();
        let progress = FetchProgress { bytes: 5, total_bytes: 10, quiet_for: Duration::from_millis(700) };
        Ok(SegmentPlace { segment, from, held: false, progress: Some(progress) })
    }

    fn held_segments(&self, broadcast: &BroadcastId) -> u64 {
        self.segments.lock().unwrap().keys().filter(|(id, _)| id == broadcast).count() as u64
    }

    fn subscribe(&self) -> BoxStream<'static, PlaylistChange> {
        changes(self.playlist_changes.subscribe())
    }
}

impl RunningHours for FakeNode {
    fn running_hour(&self, broadcast: &BroadcastId) -> Option<ArchiveManifest> {
        self.running_hour.lock().unwrap().clone().filter(|hour| hour.broadcast == *broadcast)
    }
}

/// Of broadcast 1 there are three bytes for ever, one after the other; of 2 the bytes of two files; of 3 a file that breaks off.
#[async_trait]
impl Downloads for FakeNode {
    async fn download(&self, request: DownloadRequest) -> Result<Download, DownloadError> {
        self.downloads.lock().unwrap().push(request);
        let piece = || Ok(Bytes::from_static(b"mp4"));
        let whole = Download {
            from: Duration::ZERO,
            to: Duration::from_millis(90_500),
            rest_from: None,
            bytes: Some(6),
            body: stream::iter([piece(), piece()]).boxed(),
        };
        match request.broadcast.0.0[0] {
            1 => Ok(Download { bytes: None, body: stream::repeat_with(piece).boxed(), ..whole }),
            2 => Ok(Download { rest_from: Some(Duration::from_millis(90_500)), ..whole }),
            3 => {
                let failure = Err(DownloadError::Failed("peer secret".to_owned()));
                Ok(Download { body: stream::iter([piece(), failure]).boxed(), ..whole })
            }
            4 => Err(DownloadError::NotYet(Duration::from_secs(2))),
            5 => Err(DownloadError::Unusable("no moov".to_owned())),
            _ => Err(DownloadError::NotFound),
        }
    }
}

#[async_trait]
impl ContentReader for FakeNode {
    async fn stat(&self, cid: &Cid) -> Result<Node, StoreError> {
        match self.content.lock().unwrap().get(cid) {
            Some(Entry::File(bytes)) => Ok(Node::File(bytes.len() as u64)),
            Some(Entry::Directory(entries)) => Ok(Node::Directory(entries.clone())),
            Some(Entry::Broken) => Err(StoreError::Failed("disk secret".to_owned())),
            None => Err(StoreError::NotFound(*cid)),
        }
    }

    async fn read(
        &self,
        cid: &Cid,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        match self.content.lock().unwrap().get(cid) {
            Some(Entry::File(bytes)) => {
                let bytes = bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
                let pieces: Vec<_> = bytes.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
                Ok(stream::iter(pieces).boxed())
            }
            _ => Err(StoreError::NotFound(*cid)),
        }
    }
}

#[async_trait]
impl ContentFetcher for FakeNode {
    async fn fetch(&self, request: FetchRequest) -> Result<StoredContent, FetchError> {
        self.fetched.lock().unwrap().push(request.root);
        let found = self.at_peers.lock().unwrap().get(&request.root).cloned();
        match found {
            Some(Entry::File(bytes)) if bytes.len() as u64 > request.max_bytes => {
                Err(FetchError::TooLarge(request.max_bytes))
            }
            Some(Entry::Broken) => Err(StoreError::Full("quota secret".to_owned()).into()),
            Some(entry) => {
                self.content.lock().unwrap().insert(request.root, entry);
                Ok(StoredContent { cid: request.root, bytes: 0 })
            }
            None => std::future::pending().await,
        }
    }

    fn progress(&self, _: &Cid) -> Option<FetchProgress> {
        None
    }
}

#[async_trait]
impl ContentLookup for FakeNode {
    async fn glance(&self, cid: &Cid) -> Result<Option<Node>, StoreError> {
        let seen = self.fetched.lock().unwrap().contains(cid);
        Ok(if seen { self.at_peers.lock().unwrap().get(cid).map(Entry::node) } else { None })
    }

    async fn look_up(&self, request: FetchRequest) -> Result<Node, FetchError> {
        self.fetched.lock().unwrap().push(request.root);
        let found = self.at_peers.lock().unwrap().get(&request.root).map(Entry::node);
        match found {
            Some(node) => Ok(node),
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl NodeStatus for FakeNode {
    fn info(&self) -> NodeInfo {
        let NodeReport { node, .. } = report();
        NodeInfo {
            name: node.name,
            version: node.version,
            community: "open".to_owned(),
            ssb: SsbInfo { feed: node.feed, port: 8008 },
            ipfs: IpfsInfo { peer: node.peer, port: 4001 },
            web: WebInfo { port: 8080 },
            location: None,
            nodes: self.nodes.lock().unwrap().clone(),
            record: None,
        }
    }

    async fn report(&self) -> NodeReport {
        report()
    }

    async fn storage(&self) -> StorageOutlook {
        let next = LeavingBroadcast {
            id: broadcast_id(9),
            slug: broadcast_id(9).slug(),
            title: "Old".to_owned(),
            bytes: 7,
            retention: Retention::Passing,
        };
        StorageOutlook { report: report().storage, next: vec![next] }
    }

    async fn peers(&self) -> Vec<PeerReport> {
        vec![PeerReport {
            feed: None,
            peer: None,
            name: String::new(),
            addresses: vec!["[fc00::1]:8080".to_owned()],
            overlay: "configured".to_owned(),
            state: PeerState::Connecting,
            rtt_ms: None,
            last_error: Some("no route".to_owned()),
            link: stream_model::LinkReport::default(),
        }]
    }

    fn metrics(&self) -> String {
        "# TYPE meshstream_up gauge\nmeshstream_up 1\n".to_owned()
    }

    fn health(&self) -> Result<(), String> {
        self.problem.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

pub(crate) fn report() -> NodeReport {
    NodeReport {
        node: NodeIdentity {
            name: "roof <north>".to_owned(),
            feed: FeedId([1; 32]),
            peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
            version: "0.1.0".to_owned(),
        },
        community: "open".to_owned(),
        listen: Listen::default(),
        storage: StorageReport { used_bytes: 10, quota_bytes: 100, files: 1, ..StorageReport::default() },
        publishing: vec![Publishing { name: "hall".parse().unwrap(), broadcast: None, kbps: 3000 }],
        problems: vec![],
        overlays: vec![],
    }
}

/// Its own feed is all ones.
#[async_trait]
impl FollowGraph for FakeNode {
    async fn relate(&self, feed: FeedId, relation: Relation) -> Result<(), FollowError> {
        if feed == FeedId([1; 32]) {
            return Err(FollowError::Own(feed));
        }
        self.relations.lock().unwrap().push((feed, relation));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FollowEntry>, FollowError> {
        let relations = self.relations.lock().unwrap();
        let entry = |(feed, relation): &(FeedId, Relation)| FollowEntry {
            feed: *feed,
            name: Some("Ada".into()),
            relation: *relation,
            hops: Some(1),
            messages: 7,
        };
        Ok(relations.iter().map(entry).collect())
    }
}

#[async_trait]
impl StreamKeys for FakeNode {
    async fn add(&self, name: StreamName) -> Result<NewStreamKey, KeyError> {
        let mut keys = self.keys.lock().unwrap();
        if keys.contains(&name) {
            return Err(KeyError::Exists(name));
        }
        keys.push(name.clone());
        Ok(NewStreamKey { name, key: StreamKey::new("00112233445566778899aabbccddeeff") })
    }

    async fn list(&self) -> Result<Vec<StreamKeyEntry>, KeyError> {
        let keys = self.keys.lock().unwrap();
        let unkept = self.unkept.lock().unwrap();
        let archive = |name: &StreamName| unkept.contains(name).then_some(false);
        let entry =
            |name: &StreamName| StreamKeyEntry { name: name.clone(), created_at: WallTime(5), archive: archive(name) };
        Ok(keys.iter().map(entry).collect())
    }

    async fn set_archive(&self, name: StreamName, archive: Option<bool>) -> Result<(), KeyError> {
        let mut unkept = self.unkept.lock().unwrap();
        unkept.retain(|other| *other != name);
        unkept.extend((archive == Some(false)).then_some(name));
        Ok(())
    }

    async fn revoke(&self, name: StreamName) -> Result<(), KeyError> {
        let mut keys = self.keys.lock().unwrap();
        let index = keys.iter().position(|key| *key == name).ok_or(KeyError::NotFound(name))?;
        keys.remove(index);
        Ok(())
    }
}
