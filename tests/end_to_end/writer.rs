//! Writes into the data directory of a node that does not run, what it would have written had it published for hours: with the
//! store, the feeds, the catalog and the archivist of a node.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use node_router::{NodeRouter, UploadLimits};
use ssb_announcer::SsbAnnouncer;
use ssb_announcer::identity::Machine;
use stream_model::{
    ArchiveKind, BroadcastEnd, BroadcastId, BroadcastStart, Claim, DiscontinuitySequence, EndReason, MediaSegment,
    MediaSequence, Tracks, WallTime,
};
use streamer::archive::{Archivist, Ports};
use streamer::catalog::{BroadcastRecord, BroadcastStage, Catalog};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const TARGET: Duration = Duration::from_secs(15);
/// Segments that are stored at once, so that they share the disk's syncs.
const AT_ONCE: usize = 32;
/// A guard against hanging, for a machine that is busy with other tests.
const GUARD: Duration = Duration::from_secs(600);

/// A segment to be written.
pub(crate) struct Recorded {
    pub(crate) parts: Vec<Bytes>,
    pub(crate) duration: Duration,
    pub(crate) date: WallTime,
}

/// What there is to say of a broadcast before its segments.
pub(crate) struct Program {
    pub(crate) title: String,
    pub(crate) tracks: Tracks,
    pub(crate) init: Bytes,
    pub(crate) started_at: WallTime,
}

/// What writes a publisher's data directory.
pub(crate) struct Writer {
    router: NodeRouter,
    ssb: SsbAnnouncer,
    catalog: Catalog,
}

impl Writer {
    pub(crate) async fn open(data_dir: &Path) -> Result<Self> {
        let router = NodeRouter::start(node_router::Config {
            data_dir: data_dir.to_owned(),
            ipfs_listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            ipfs_devices: Vec::new(),
            quota: 10 << 30,
            max_files: u64::MAX,
            reserve: 0,
            upload: UploadLimits::default(),
            swarm_key: None,
        })
        .await?;
        let ssb = SsbAnnouncer::start(ssb_announcer::Config {
            secret: data_dir.join("identity/secret"),
            machine: Machine::this(),
            database: data_dir.join("ssb.sqlite3"),
            gossip: ssb_announcer::gossip::Config {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                ..ssb_announcer::gossip::Config::default()
            },
            discovery: None,
            keep_free: 0,
            peers: Vec::new(),
            hops: 0,
            name: "publisher".to_owned(),
            image: None,
            start_posts: None,
        })
        .await?;
        Ok(Self { router, ssb, catalog: Catalog::open(&data_dir.join("streamer.sqlite3"))? })
    }

    /// A broadcast of these segments, which has ended.
    pub(crate) async fn broadcast(
        &self,
        program: Program,
        segments: impl Iterator<Item = Recorded> + Send,
    ) -> Result<BroadcastId> {
        let Program { title, tracks, init, started_at } = program;
        let log = self.ssb.announcement_log();
        let start = BroadcastStart {
            title,
            description: String::new(),
            peer: self.router.peer().clone(),
            target_duration: TARGET,
            tracks,
            archive: true,
            started_at,
            schedule: None,
            rendition: None,
        };
        let id = log.start(start).await?;
        let record = BroadcastRecord {
            id,
            name: "demo".parse()?,
            stage: BroadcastStage::Live,
            tracks,
            target_duration: TARGET,
            archive: true,
            started_at,
            next_media_sequence: MediaSequence(0),
            discontinuity_sequence: DiscontinuitySequence(0),
        };
        self.catalog.create_broadcast(record).await?;
        let mut next = MediaSequence(0);
        let store = |(number, segment)| self.store(id, MediaSequence(number), segment, init.clone());
        let mut stored = stream::iter((0..).zip(segments)).map(store).buffered(AT_ONCE);
        while let Some((facts, bytes)) = stored.try_next().await? {
            let (number, manifest) = (facts.media_sequence, facts.segment);
            self.catalog.commit_segment(id, facts.clone(), bytes, None).await?;
            log.live(id, &facts, manifest).await?;
            self.catalog.mark_announced(id, number, manifest).await?;
            next = number.next();
        }
        log.end(BroadcastEnd { broadcast: id, media_sequence: next, reason: EndReason::PublisherLeft }).await?;
        self.catalog.set_stage(id, BroadcastStage::Ended).await?;
        Ok(id)
    }

    async fn store(
        &self,
        id: BroadcastId,
        number: MediaSequence,
        recorded: Recorded,
        init: Bytes,
    ) -> Result<(MediaSegment, u64)> {
        let store = self.router.store();
        let segment = store.add_file(recorded.parts, Claim::Segment(id, number)).await?;
        let init = store.add_file(vec![init], Claim::Init(id, number)).await?;
        let facts = MediaSegment {
            media_sequence: number,
            discontinuity_sequence: DiscontinuitySequence(0),
            duration: recorded.duration,
            program_date_time: Some(recorded.date),
            independent: true,
            segment: segment.cid,
            init: init.cid,
        };
        Ok((facts, segment.bytes))
    }

    /// Makes and announces the archives.
    pub(crate) async fn archive(&self, id: BroadcastId) -> Result<()> {
        let ports = Ports { store: self.router.store(), announcements: self.ssb.announcement_log() };
        let stop = CancellationToken::new();
        let archivist = Archivist::new(ports, self.catalog.clone(), Arc::<Notify>::default());
        let running = tokio::spawn(archivist.run(stop.clone()));
        let directory = self.ssb.directory();
        let mut changes = directory.subscribe();
        let whole = async {
            while !directory.archives(&id).iter().any(|archive| archive.kind == ArchiveKind::Broadcast) {
                changes.next().await;
            }
        };
        tokio::time::timeout(GUARD, whole).await.context("it was not archived")?;
        stop.cancel();
        Ok(running.await?)
    }

    pub(crate) async fn close(self) {
        self.ssb.shutdown().await;
        self.router.shutdown().await;
    }
}
