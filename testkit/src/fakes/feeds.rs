//! Announcements in memory: the log of one author, and the directory that readers build from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cid::Cid;
use futures::stream::{self, BoxStream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use stream_model::{
    AnnounceError, AnnouncementLog, ArchiveManifest, BroadcastEnd, BroadcastId, BroadcastStart, BroadcastState,
    Directory, DirectoryChange, FeedId, Listing, MediaSegment, MediaSequence, MessageKey, ProgrammeError, ProgrammeLog,
    Schedule, ScheduleId, Scheduled,
};
use tokio::sync::{broadcast, watch};

use super::{StoreMood, lock};

/// Changes that a subscriber of the directory may be behind.
const CHANGES: usize = 256;

/// An announcement as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// `meshstream-broadcast`.
    Start(BroadcastId, BroadcastStart),
    /// `meshstream-continue`.
    Resume(BroadcastId, MediaSequence),
    /// `meshstream-live`.
    Live(BroadcastId, Box<MediaSegment>, Cid),
    /// `meshstream-end`.
    End(BroadcastEnd),
    /// `meshstream-archive`.
    Archive(Box<ArchiveManifest>),
    /// `meshstream-update` of a broadcast: its title and description.
    Update(BroadcastId, String, String),
}

#[derive(Debug, Default)]
struct Feeds {
    appended: Vec<Appended>,
    listings: BTreeMap<BroadcastId, Listing>,
    segments: HashMap<BroadcastId, BTreeMap<MediaSequence, MediaSegment>>,
    archives: HashMap<BroadcastId, Vec<ArchiveManifest>>,
    planned: BTreeMap<ScheduleId, Schedule>,
    planned_ever: u64,
}

/// One author's announcements and the directory built from them. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryFeeds {
    author: FeedId,
    reader: FeedId,
    feeds: Arc<Mutex<Feeds>>,
    changes: broadcast::Sender<DirectoryChange>,
    mood: watch::Sender<StoreMood>,
}

impl MemoryFeeds {
    /// The feeds of an author, read at the author's node.
    pub fn new(author: FeedId) -> Self {
        let changes = broadcast::Sender::new(CHANGES);
        let mood = watch::Sender::new(StoreMood::Willing);
        Self { author, reader: author, feeds: Arc::default(), changes, mood }
    }

    /// The same feeds as another node reads them.
    #[must_use]
    pub fn read_by(&self, reader: FeedId) -> Self {
        Self { reader, ..self.clone() }
    }

    /// Changes what happens to announcements from now on, and to those that wait.
    pub fn set_mood(&self, mood: StoreMood) {
        self.mood.send_replace(mood);
    }

    /// Everything appended so far, in order.
    pub fn appended(&self) -> Vec<Appended> {
        lock(&self.feeds).appended.clone()
    }

    /// The announced segments, in the order in which they were announced.
    pub fn announced(&self) -> Vec<(BroadcastId, MediaSegment, Cid)> {
        let live = |entry: Appended| match entry {
            Appended::Live(broadcast, segment, manifest) => Some((broadcast, *segment, manifest)),
            _ => None,
        };
        self.appended().into_iter().filter_map(live).collect()
    }

    /// Lists a broadcast as if its message had been received.
    pub fn insert(&self, listing: Listing) {
        let id = listing.id;
        lock(&self.feeds).listings.insert(id, listing);
        self.tell(DirectoryChange::Broadcast(id));
    }

    /// Lists a segment as if its message had been received.
    pub fn insert_segment(&self, broadcast: BroadcastId, segment: MediaSegment, manifest: Option<Cid>) {
        let sequence = segment.media_sequence;
        {
            let mut feeds = lock(&self.feeds);
            feeds.segments.entry(broadcast).or_default().insert(sequence, segment);
            if let Some(listing) = feeds.listings.get_mut(&broadcast)
                && listing.media_sequence.is_none_or(|newest| newest < sequence)
            {
                listing.media_sequence = Some(sequence);
                listing.manifest = manifest;
            }
        }
        self.tell(DirectoryChange::Segment(broadcast, sequence));
    }

    /// Lists an archive as if its message had been received.
    pub fn insert_archive(&self, archive: ArchiveManifest) {
        let broadcast = archive.broadcast;
        {
            let mut feeds = lock(&self.feeds);
            let archives = feeds.archives.entry(broadcast).or_default();
            archives.push(archive);
            archives.sort_by_key(|archive| (archive.kind, archive.first_media_sequence));
        }
        self.tell(DirectoryChange::Broadcast(broadcast));
    }

    /// Forgets the segments of a broadcast, as a directory does whose broadcast feeds were dropped.
    pub fn drop_segments(&self, broadcast: &BroadcastId) {
        lock(&self.feeds).segments.remove(broadcast);
    }

    /// Marks a broadcast as ended or live, as silence or a message would.
    pub fn set_state(&self, broadcast: BroadcastId, state: BroadcastState) {
        if let Some(listing) = lock(&self.feeds).listings.get_mut(&broadcast) {
            listing.state = state;
        }
        self.tell(DirectoryChange::Broadcast(broadcast));
    }

    fn tell(&self, change: DirectoryChange) {
        // Nobody listening is fine.
        let _ = self.changes.send(change);
    }

    async fn admit(&self) -> Result<(), AnnounceError> {
        let mut mood = self.mood.subscribe();
        let settled = mood.wait_for(|mood| *mood != StoreMood::Stuck).await;
        match settled.map(|mood| *mood) {
            Ok(StoreMood::Willing) => Ok(()),
            _ => Err(AnnounceError::Storage("this fake is full".to_owned())),
        }
    }

    fn live_listing(&self, broadcast: BroadcastId) -> Result<(), AnnounceError> {
        let feeds = lock(&self.feeds);
        let live = feeds.listings.get(&broadcast).is_some_and(|listing| listing.state == BroadcastState::Live);
        if live { Ok(()) } else { Err(AnnounceError::UnknownBroadcast(broadcast)) }
    }
}

#[async_trait]
impl AnnouncementLog for MemoryFeeds {
    async fn start(&self, mut start: BroadcastStart) -> Result<BroadcastId, AnnounceError> {
        self.admit().await?;
        let id = {
            let mut feeds = lock(&self.feeds);
            start.schedule = start.schedule.filter(|plan| feeds.planned.remove(plan).is_some());
            let digest = Sha256::digest(format!("{:?} {}", self.author, feeds.appended.len()));
            let id = BroadcastId(MessageKey(digest.into()));
            feeds.appended.push(Appended::Start(id, start.clone()));
            id
        };
        self.insert(Listing {
            id,
            author: self.author,
            own: true,
            peer: start.peer,
            title: start.title,
            description: start.description,
            target_duration: start.target_duration,
            tracks: start.tracks,
            archive: start.archive,
            started_at: start.started_at,
            state: BroadcastState::Live,
            media_sequence: None,
            manifest: None,
            rendition: start.rendition,
        });
        Ok(id)
    }

    async fn resume(&self, broadcast: BroadcastId, next: MediaSequence) -> Result<(), AnnounceError> {
        self.admit().await?;
        self.live_listing(broadcast)?;
        if self.listing(&broadcast).and_then(|listing| listing.media_sequence).is_some_and(|newest| next <= newest) {
            return Err(AnnounceError::Superseded(broadcast));
        }
        lock(&self.feeds).appended.push(Appended::Resume(broadcast, next));
        Ok(())
    }

    async fn live(&self, broadcast: BroadcastId, segment: &MediaSegment, manifest: Cid) -> Result<(), AnnounceError> {
        self.admit().await?;
        self.live_listing(broadcast)?;
        lock(&self.feeds).appended.push(Appended::Live(broadcast, Box::new(segment.clone()), manifest));
        self.insert_segment(broadcast, segment.clone(), Some(manifest));
        Ok(())
    }

    async fn end(&self, end: BroadcastEnd) -> Result<(), AnnounceError> {
        self.admit().await?;
        lock(&self.feeds).appended.push(Appended::End(end.clone()));
        self.set_state(end.broadcast, BroadcastState::Ended);
        Ok(())
    }

    async fn archive(&self, archive: ArchiveManifest) -> Result<(), AnnounceError> {
        self.admit().await?;
        if self.archives(&archive.broadcast).contains(&archive) {
            return Ok(());
        }
        lock(&self.feeds).appended.push(Appended::Archive(Box::new(archive.clone())));
        self.insert_archive(archive);
        Ok(())
    }
}

#[async_trait]
impl ProgrammeLog for MemoryFeeds {
    async fn schedule(&self, schedule: Schedule) -> Result<ScheduleId, ProgrammeError> {
        self.admit().await?;
        let id = {
            let mut feeds = lock(&self.feeds);
            feeds.planned_ever += 1;
            let id = ScheduleId(MessageKey(Sha256::digest(feeds.planned_ever.to_be_bytes()).into()));
            feeds.planned.insert(id, schedule);
            id
        };
        self.tell(DirectoryChange::Schedule(id));
        Ok(id)
    }

    async fn reschedule(&self, id: ScheduleId, schedule: Schedule) -> Result<(), ProgrammeError> {
        self.admit().await?;
        *lock(&self.feeds).planned.get_mut(&id).ok_or(ProgrammeError::UnknownSchedule(id))? = schedule;
        self.tell(DirectoryChange::Schedule(id));
        Ok(())
    }

    async fn cancel(&self, id: ScheduleId) -> Result<(), ProgrammeError> {
        self.admit().await?;
        lock(&self.feeds).planned.remove(&id).ok_or(ProgrammeError::UnknownSchedule(id))?;
        self.tell(DirectoryChange::Schedule(id));
        Ok(())
    }

    async fn update(&self, broadcast: BroadcastId, title: String, description: String) -> Result<(), ProgrammeError> {
        self.admit().await?;
        {
            let mut feeds = lock(&self.feeds);
            let listing = feeds.listings.get_mut(&broadcast).ok_or(ProgrammeError::UnknownBroadcast(broadcast))?;
            listing.title.clone_from(&title);
            listing.description.clone_from(&description);
            feeds.appended.push(Appended::Update(broadcast, title, description));
        }
        self.tell(DirectoryChange::Broadcast(broadcast));
        Ok(())
    }
}

fn made_of(mut listings: Vec<Listing>, of: &BroadcastId) -> Vec<Listing> {
    listings.retain(|listing| listing.rendition.as_ref().is_some_and(|rendition| rendition.of == *of));
    listings
}

impl Directory for MemoryFeeds {
    fn listings(&self) -> Vec<Listing> {
        let feeds = lock(&self.feeds);
        let mut listings: Vec<Listing> = feeds.listings.values().cloned().collect();
        listings.sort_by_key(|listing| std::cmp::Reverse((listing.started_at, listing.id)));
        for listing in &mut listings {
            listing.own = listing.author == self.reader;
        }
        listings
    }

    fn listing(&self, broadcast: &BroadcastId) -> Option<Listing> {
        let mut listing = lock(&self.feeds).listings.get(broadcast).cloned()?;
        listing.own = listing.author == self.reader;
        Some(listing)
    }

    fn renditions(&self, of: &BroadcastId) -> Vec<Listing> {
        let mut made = made_of(self.listings(), of);
        made.retain(|listing| !listing.is_of_images());
        made
    }

    fn thumbnails(&self, of: &BroadcastId) -> Option<Listing> {
        made_of(self.listings(), of).into_iter().find(Listing::is_of_images)
    }

    fn segments(&self, broadcast: &BroadcastId, from: MediaSequence, limit: usize) -> Vec<MediaSegment> {
        let feeds = lock(&self.feeds);
        let segments = feeds.segments.get(broadcast).into_iter();
        segments.flat_map(|segments| segments.range(from..)).take(limit).map(|(_, segment)| segment.clone()).collect()
    }

    fn archives(&self, broadcast: &BroadcastId) -> Vec<ArchiveManifest> {
        lock(&self.feeds).archives.get(broadcast).cloned().unwrap_or_default()
    }

    fn upcoming(&self) -> Vec<Scheduled> {
        let feeds = lock(&self.feeds);
        let scheduled = |(id, plan): (&ScheduleId, &Schedule)| Scheduled {
            id: *id,
            author: self.author,
            own: self.author == self.reader,
            title: plan.title.clone(),
            description: plan.description.clone(),
            starts_at: plan.starts_at,
        };
        feeds.planned.iter().map(scheduled).collect()
    }

    fn subscribe(&self) -> BoxStream<'static, DirectoryChange> {
        let receiver = self.changes.subscribe();
        stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(change) => Some((change, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((DirectoryChange::Missed, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }
}
