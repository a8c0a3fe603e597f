//! A node made of memory: every port that the web server asks, with content that tests put in.

#![allow(dead_code, unused_imports, reason = "the tests and the example each use a part")]
#![allow(clippy::unwrap_used, reason = "the example builds it outside of tests too")]

mod audience;
mod blobs;
mod content;
mod directory;
mod fetching;
mod first_boot;
pub(crate) mod gallery;
mod mesh;
mod owner;
mod owner_ports;
mod playlists;
mod status;
mod timeline;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use multihash_codetable::{Code, MultihashDigest as _};
use player_web::Ports;
use stream_model::*;
use tokio::sync::broadcast;

pub(crate) use blobs::blob_id;
pub(crate) use fetching::{Fetching, NEVER};
pub(crate) use mesh::mesh;
pub(crate) use owner_ports::{FakeOwner, INVITE, UNKNOWN};
pub(crate) use status::report;
pub(crate) use timeline::post;

/// A post that the node's feed takes as little as any other.
pub(crate) const UNWRITABLE: &str = "unwritable";

/// A node that has nothing yet.
#[derive(Debug)]
pub(crate) struct FakeNode {
    pub(crate) listings: Mutex<Vec<Listing>>,
    /// Who says what is not shown.
    pub(crate) owner: Arc<FakeOwner>,
    /// What is planned.
    pub(crate) upcoming: Mutex<Vec<Scheduled>>,
    pub(crate) live: Mutex<HashMap<BroadcastId, String>>,
    pub(crate) whole: Mutex<HashMap<BroadcastId, String>>,
    /// Where pictures of broadcasts are, as WebVTT.
    pub(crate) cues: Mutex<HashMap<BroadcastId, String>>,
    /// The bit rate to suggest, in bit/s.
    pub(crate) suggested: Mutex<HashMap<BroadcastId, u64>>,
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
    /// Where it listens for publishers.
    pub(crate) rtmp: Mutex<Vec<String>>,
    /// Of which it tells in its `/nodeinfo.json`.
    pub(crate) nodes: Mutex<Vec<KnownNode>>,
    /// With whom it is connected, or tries to be.
    pub(crate) peers: Mutex<Vec<PeerReport>>,
    /// The mesh as it knows it.
    pub(crate) mesh: Mutex<MeshReport>,
    /// Its links, as it tells them.
    pub(crate) links: Mutex<Vec<ToldLink>>,
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
    /// Who brought each broadcast.
    pub(crate) sources: Mutex<HashMap<BroadcastId, Vec<Source>>>,
    pub(crate) viewers: player_web::ViewerCounter,
    /// Viewers of each broadcast on other nodes.
    pub(crate) elsewhere: Mutex<HashMap<BroadcastId, u64>>,
    /// What is being fetched from peers.
    pub(crate) fetching: Fetching,
    /// Its machine, which waits for an owner.
    pub(crate) first_boot: Arc<first_boot::FakeFirstBoot>,
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
        rendition: None,
    }
}

/// A rendition of a broadcast that is made of pictures: five side by side in each segment.
pub(crate) fn pictures(byte: u8, of: u8, state: BroadcastState) -> Listing {
    let variant = |codecs: &str, resolution| Variant { bandwidth: 20_000, codecs: codecs.to_owned(), resolution };
    let rendition = Rendition {
        of: broadcast_id(of),
        name: THUMBNAILS.to_owned(),
        variant: variant("jpeg", Some((160, 90))),
        original: variant("avc1.4d401f,mp4a.40.2", Some((1280, 720))),
        tiles: Some(Tiles { columns: 5, rows: 1 }),
    };
    Listing { rendition: Some(rendition), ..listing(byte, "", state) }
}

impl FakeNode {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            listings: Mutex::default(),
            owner: FakeOwner::new(),
            upcoming: Mutex::default(),
            live: Mutex::default(),
            whole: Mutex::default(),
            cues: Mutex::default(),
            suggested: Mutex::default(),
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
            rtmp: Mutex::new(vec!["[::]:1935".to_owned()]),
            nodes: Mutex::new(vec![KnownNode { identity: report().node, record: None, age_seconds: None, hops: None }]),
            peers: Mutex::new(vec![status::unreachable_peer()]),
            mesh: Mutex::default(),
            links: Mutex::default(),
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
            sources: Mutex::default(),
            viewers: player_web::ViewerCounter::default(),
            elsewhere: Mutex::default(),
            fetching: Fetching::default(),
            first_boot: Arc::default(),
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
            sources: self.clone(),
            viewers: self.viewers.clone(),
            elsewhere: self.clone(),
            moderation: self.owner.clone(),
            status: self.clone(),
            first_boot: Some(self.first_boot.clone()),
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
