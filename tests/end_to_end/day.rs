//! A broadcast of a day: 5,760 segments, which nobody can wait for. Its publisher's node wrote them while it did not run as a
//! program: the store, the feeds and the catalog are those of a node, and so is the archivist.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use node_router::{NodeRouter, UploadLimits};
use ssb_announcer::SsbAnnouncer;
use ssb_announcer::identity::Machine;
use stream_model::{
    BroadcastEnd, BroadcastId, BroadcastStart, Claim, DiscontinuitySequence, EndReason, MediaSegment, MediaSequence,
    Tracks, WallTime,
};
use streamer::archive::{Archivist, Ports};
use streamer::catalog::{BroadcastRecord, BroadcastStage, Catalog};
use testkit::events::Events;
use testkit::kubo::Kubo;
use testkit::node::{Node, Settings};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{MESHSTREAM, viewer_of};

const SEGMENTS: u64 = 5_760;
/// 117 frames of 1,024 samples at 8 kHz.
const DURATION: Duration = Duration::from_millis(14_976);
const TIMESCALE: u64 = 8_000;
const TARGET: Duration = Duration::from_secs(15);
const TRACKS: Tracks = Tracks { video: false, audio: true };
/// 2026-11-20T00:00:00Z.
const MIDNIGHT: u64 = 1_795_132_800_000;
/// Segments that are stored at once, so that they share the disk's syncs.
const AT_ONCE: usize = 32;
/// A guard against hanging, for a machine that is busy with other tests.
const GUARD: Duration = Duration::from_secs(600);

/// A segment of silence, and its initialization section.
struct Silence {
    init: Bytes,
    segment: Vec<u8>,
    /// Where the segment says when it is to be played: the 64 bits of its `tfdt` (ISO/IEC 14496-12, 8.8.12).
    time_at: usize,
}

impl Silence {
    fn record() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-frames:a", "117", "-c:a", "aac"])
            .args(["-f", "hls", "-hls_time", "60", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"])
            .args(["-hls_segment_filename"])
            .arg(folder.path().join("%d.m4s"))
            .arg(folder.path().join("index.m3u8"))
            .current_dir(folder.path())
            .status()?;
        ensure!(status.success(), "ffmpeg made no segment");
        let init = std::fs::read(folder.path().join("init.mp4"))?.into();
        let segment = std::fs::read(folder.path().join("0.m4s"))?;
        let tfdt = segment.windows(4).position(|name| name == b"tfdt").context("a segment without tfdt")?;
        ensure!(segment[tfdt + 4] == 1, "a tfdt of 32 bits");
        Ok(Self { init, segment, time_at: tfdt + 8 })
    }

    /// The segment at its place in the day.
    fn at(&self, sequence: u64) -> Bytes {
        let mut segment = self.segment.clone();
        let time = sequence * u64::try_from(DURATION.as_millis()).unwrap_or(u64::MAX) * TIMESCALE / 1_000;
        segment[self.time_at..self.time_at + 8].copy_from_slice(&time.to_be_bytes());
        segment.into()
    }
}

/// What writes a publisher's data directory.
struct Writer {
    router: NodeRouter,
    ssb: SsbAnnouncer,
    catalog: Catalog,
}

impl Writer {
    async fn open(data_dir: &Path) -> Result<Self> {
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

    async fn broadcast(&self, silence: &Silence) -> Result<BroadcastId> {
        let log = self.ssb.announcement_log();
        let id = log
            .start(BroadcastStart {
                title: "A day of silence".to_owned(),
                description: String::new(),
                peer: self.router.peer().clone(),
                target_duration: TARGET,
                tracks: TRACKS,
                archive: true,
                started_at: WallTime(MIDNIGHT),
            })
            .await?;
        self.catalog
            .create_broadcast(BroadcastRecord {
                id,
                name: "demo".parse()?,
                stage: BroadcastStage::Live,
                tracks: TRACKS,
                target_duration: TARGET,
                archive: true,
                started_at: WallTime(MIDNIGHT),
                next_media_sequence: MediaSequence(0),
                discontinuity_sequence: DiscontinuitySequence(0),
            })
            .await?;
        let mut stored = stream::iter(0..SEGMENTS).map(|sequence| self.store(id, sequence, silence)).buffered(AT_ONCE);
        while let Some((facts, bytes)) = stored.try_next().await? {
            let (number, manifest) = (facts.media_sequence, facts.segment);
            self.catalog.commit_segment(id, facts.clone(), bytes, None).await?;
            log.live(id, &facts, manifest).await?;
            self.catalog.mark_announced(id, number, manifest).await?;
        }
        log.end(BroadcastEnd {
            broadcast: id,
            media_sequence: MediaSequence(SEGMENTS),
            reason: EndReason::PublisherLeft,
        })
        .await?;
        self.catalog.set_stage(id, BroadcastStage::Ended).await?;
        Ok(id)
    }

    async fn store(&self, id: BroadcastId, sequence: u64, silence: &Silence) -> Result<(MediaSegment, u64)> {
        let (store, number) = (self.router.store(), MediaSequence(sequence));
        let segment = store.add_file(vec![silence.at(sequence)], Claim::Segment(id, number)).await?;
        let init = store.add_file(vec![silence.init.clone()], Claim::Init(id, number)).await?;
        let since = u64::try_from(DURATION.as_millis())? * sequence;
        let facts = MediaSegment {
            media_sequence: number,
            discontinuity_sequence: DiscontinuitySequence(0),
            duration: DURATION,
            program_date_time: Some(WallTime(MIDNIGHT + since)),
            independent: true,
            segment: segment.cid,
            init: init.cid,
        };
        Ok((facts, segment.bytes))
    }

    /// Makes and announces the archives.
    async fn archive(&self, id: BroadcastId) -> Result<()> {
        let ports = Ports { store: self.router.store(), announcements: self.ssb.announcement_log() };
        let stop = CancellationToken::new();
        let archivist = Archivist::new(ports, self.catalog.clone(), Arc::<Notify>::default());
        let running = tokio::spawn(archivist.run(stop.clone()));
        let directory = self.ssb.directory();
        let mut changes = directory.subscribe();
        let whole = async {
            while !directory.archives(&id).iter().any(|archive| archive.kind == stream_model::ArchiveKind::Broadcast) {
                changes.next().await;
            }
        };
        tokio::time::timeout(GUARD, whole).await.context("the day was not archived")?;
        stop.cancel();
        Ok(running.await?)
    }

    async fn close(self) {
        self.ssb.shutdown().await;
        self.router.shutdown().await;
    }
}

/// The most memory that this process has had.
fn most_resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.split_whitespace().next().context("an empty VmHWM")?.parse()?)
}

/// A node that published for a day, and the slug of its broadcast.
#[allow(clippy::print_stdout, reason = "figures for docs/benchmarks.md")]
async fn published() -> Result<(Node, String)> {
    let settings = Settings { name: "publisher".to_owned(), ..Settings::default() };
    let mut publisher = Node::start(MESHSTREAM, settings).await?;
    publisher.terminate().await?;
    let writer = Writer::open(&publisher.data_dir()).await?;
    let id = writer.broadcast(&Silence::record()?).await?;
    let (began, before) = (Instant::now(), most_resident_kib()?);
    writer.archive(id).await?;
    // What docs/benchmarks.md tells, with --nocapture.
    println!("archived in {:?}, {} KiB more resident at most", began.elapsed(), most_resident_kib()? - before);
    writer.close().await;
    publisher.restart().await?;
    Ok((publisher, id.slug()))
}

#[tokio::test]
async fn a_day_of_5760_segments_is_listed_played_and_carried() -> Result<()> {
    let (publisher, slug) = published().await?;
    let broadcast = publisher.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    let archives = broadcast["archives"].as_array().context("no archives")?;
    let of = |kind: &str| archives.iter().filter(move |archive| archive["kind"] == kind).collect::<Vec<_>>();
    ensure!(of("hour").len() == 24 && of("day").len() == 1 && of("broadcast").len() == 1, "{archives:#?}");
    let manifest = of("day")[0]["manifest"].as_str().context("no manifest")?.to_owned();

    let folder = tempfile::tempdir()?;
    let car = folder.path().join("day.car");
    publisher.cli(&["content", "export", &manifest, car.to_str().context("a path in UTF-8")?]).await?;
    let mut kubo = Kubo::start(None).await?;
    kubo.import(&car).await?;
    let copy = folder.path().join("day");
    kubo.get(&manifest, &copy).await?;
    let index = std::fs::read_to_string(copy.join("index.m3u8"))?;
    let listed = index.lines().filter(|line| line.ends_with(".m4s")).count() as u64;
    ensure!(listed == SEGMENTS, "{listed} segments are listed");
    is_a_day_long(&copy.join("index.m3u8"))?;

    // Somebody else looks at one moment of it.
    let viewer = viewer_of(&publisher).await?;
    let mut events = Events::of(&viewer).await?;
    events.listed(&slug).await?;
    let known = events.archived(&viewer, &slug).await?;
    let afternoon = known.iter().find(|archive| archive["period"] == "2026-11-20T13Z").context("no such hour")?;
    let playlist = viewer.get_text(afternoon["playlist"].as_str().context("no playlist")?).await?;
    let segment =
        playlist.lines().find_map(|line| line.strip_prefix("../")?.strip_suffix(".m4s")).context("no segment")?;
    let path = format!("/hls/{slug}/{segment}.m4s");
    ensure!(viewer.get_bytes(&path).await? == publisher.get_bytes(&path).await?, "{path} is another one at the viewer");
    let day = viewer.get_text(&format!("/hls/{slug}/day/2026-11-20.m3u8")).await?;
    let listed = day.lines().filter(|line| line.ends_with(".m4s")).count() as u64;
    ensure!(listed == SEGMENTS, "{listed} segments are listed at the viewer");
    Ok(())
}

/// ffmpeg finds the whole length, and plays from the middle without a complaint.
fn is_a_day_long(playlist: &Path) -> Result<()> {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-allowed_extensions", "ALL", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(playlist)
        .output()?;
    let length: f64 = String::from_utf8(probe.stdout)?.trim().parse()?;
    let expected = DURATION.as_secs_f64() * 5_760.0;
    ensure!((length - expected).abs() < 1.0, "{length} s long, not {expected} s");
    let decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-allowed_extensions", "ALL", "-ss", "13:37:00", "-i"])
        .arg(playlist)
        .args(["-t", "60", "-f", "null", "-"])
        .output()?;
    ensure!(decoder.status.success() && decoder.stderr.is_empty(), "{}", String::from_utf8_lossy(&decoder.stderr));
    Ok(())
}
