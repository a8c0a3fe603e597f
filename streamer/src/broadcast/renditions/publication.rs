//! A rendition as a broadcast of this node.

use std::sync::Arc;

use bytes::Bytes;
use stream_model::{
    AnnounceError, BroadcastId, BroadcastStart, Cid, Claim, DiscontinuitySequence, EndReason, MAX_TITLE_CHARS,
    MediaSegment, MediaSequence, Rendition, StoreError, Tiles, Tracks, Variant,
};

use super::Kept;
use crate::broadcast::Shared;
use crate::broadcast::announcer::StepError;
use crate::broadcast::derived::{end, stream_name};
use crate::catalog::{BroadcastRecord, BroadcastStage, CatalogError};
use crate::renditions::{EncodeError, Made};
use crate::segmenter::NotOurs;

/// Why a segment of an original has no counterpart.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenditionError {
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("the segment does not begin with a keyframe: set a keyframe interval of 2 s at the encoder")]
    NoKeyframe,
    #[error("the encoder's parameters changed within a timeline")]
    ParametersChanged,
}

impl From<StoreError> for RenditionError {
    fn from(error: StoreError) -> Self {
        Self::Step(error.into())
    }
}

/// What a rendition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Pictures, and the sound of the original.
    Pictures,
    Sound,
    /// Pictures to look through the original with.
    Images(Tiles),
}

/// What is stored of a segment.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) init: Bytes,
    /// In order.
    pub(super) parts: Vec<Bytes>,
    pub(super) independent: bool,
}

impl From<&Made> for Files {
    fn from(made: &Made) -> Self {
        Self {
            init: made.init.bytes.clone(),
            parts: made.parts.iter().map(|part| part.bytes.clone()).collect(),
            independent: made.parts.first().is_some_and(|part| part.independent),
        }
    }
}

/// One rendition as a broadcast of this node.
#[derive(Debug)]
pub(super) struct Publication {
    shared: Arc<Shared>,
    original: BroadcastId,
    pub(super) name: String,
    content: Content,
    /// Once it is announced.
    broadcast: Option<BroadcastId>,
    /// The initialization section of the timeline.
    init: Option<(DiscontinuitySequence, Bytes, Cid)>,
}

impl Publication {
    /// Of an original; `broadcast` where it was begun before a start.
    pub(super) fn new(
        shared: Arc<Shared>,
        original: BroadcastId,
        name: String,
        content: Content,
        broadcast: Option<BroadcastId>,
    ) -> Self {
        Self { shared, original, name, content, broadcast, init: None }
    }

    /// The initialization section of a timeline, where it has one by now.
    pub(super) fn init_of(&self, timeline: DiscontinuitySequence) -> Option<&Bytes> {
        self.init.as_ref().filter(|(of, ..)| *of == timeline).map(|(_, bytes, _)| bytes)
    }

    /// Stores and commits the counterpart of a segment: under its number, with its times. The first is announced as the variant.
    pub(super) async fn publish(
        &mut self,
        kept: &Kept,
        files: Files,
        variant: impl FnOnce() -> Variant,
    ) -> Result<(), RenditionError> {
        let broadcast = match self.broadcast {
            Some(broadcast) => broadcast,
            None => self.begin(variant(), kept.making()?.original(kept.facts.duration)).await?,
        };
        let store = &self.shared.ports.store;
        let facts = &kept.facts;
        let init = match &self.init {
            Some((timeline, bytes, cid)) if *timeline == facts.discontinuity_sequence => {
                if *bytes != files.init {
                    return Err(RenditionError::ParametersChanged);
                }
                *cid
            }
            _ => {
                let claim = Claim::Init(broadcast, facts.media_sequence);
                store.add_file(vec![files.init.clone()], claim).await?.cid
            }
        };
        let stored = store.add_file(files.parts, Claim::Segment(broadcast, facts.media_sequence)).await?;
        let segment = MediaSegment { independent: files.independent, segment: stored.cid, init, ..facts.clone() };
        let wall = segment.program_date_time;
        match self.shared.catalog.commit_segment(broadcast, segment, stored.bytes, wall).await {
            Ok(()) => {}
            Err(error) => {
                if matches!(error, CatalogError::NotLive(_)) {
                    // The next segment begins another.
                    (self.broadcast, self.init) = (None, None);
                }
                return Err(StepError::from(error).into());
            }
        }
        self.init = Some((facts.discontinuity_sequence, files.init, init));
        metrics::counter!("meshstream_rendition_segments_total").increment(1);
        tracing::info!(
            name: "rendition.stored",
            broadcast = %broadcast,
            rendition = %self.name,
            media_sequence = facts.media_sequence.0,
            bytes = stored.bytes,
            "rendition.stored"
        );
        self.shared.announce.notify_one();
        Ok(())
    }

    async fn begin(&mut self, variant: Variant, of: Variant) -> Result<BroadcastId, StepError> {
        let shared = &self.shared;
        let original = shared.ports.directory.listing(&self.original).ok_or(AnnounceError::NotKnown(self.original))?;
        let started_at = shared.ports.clock.wall();
        // What others publish can be encoded again while their original is kept.
        let archive = original.archive && original.own;
        let (tracks, tiles) = match self.content {
            Content::Pictures => (Tracks { video: true, audio: original.tracks.audio }, None),
            Content::Sound => (Tracks { video: false, audio: original.tracks.audio }, None),
            Content::Images(tiles) => (Tracks { video: true, audio: false }, Some(tiles)),
        };
        let start = BroadcastStart {
            title: format!("{} ({})", original.title, self.name).chars().take(MAX_TITLE_CHARS).collect(),
            description: String::new(),
            peer: shared.ports.peer.clone(),
            target_duration: original.target_duration,
            tracks,
            archive,
            started_at,
            schedule: None,
            rendition: Some(Rendition { of: self.original, name: self.name.clone(), variant, original: of, tiles }),
        };
        let id = shared.ports.announcements.start(start).await?;
        let record = BroadcastRecord {
            id,
            name: stream_name("rendition", &id).map_err(|_| CatalogError::Damaged("a rendition has no stream name"))?,
            stage: BroadcastStage::Live,
            tracks,
            target_duration: original.target_duration,
            archive,
            started_at,
            next_media_sequence: MediaSequence(0),
            discontinuity_sequence: DiscontinuitySequence(0),
        };
        shared.catalog.create_rendition(record, self.original, self.name.clone()).await?;
        tracing::info!(
            name: "broadcast.started",
            broadcast = %id,
            of = %self.original,
            rendition = %self.name,
            "broadcast.started"
        );
        self.broadcast = Some(id);
        Ok(id)
    }

    /// Ends what was begun.
    pub(super) async fn end(&mut self, reason: EndReason) {
        if let Some(broadcast) = self.broadcast.take() {
            end(&self.shared, broadcast, reason).await;
        }
    }

    pub(super) fn report(&self, kept: &Kept, error: &RenditionError) {
        metrics::counter!("meshstream_rendition_gaps_total").increment(1);
        let media_sequence = kept.facts.media_sequence.0;
        tracing::warn!(rendition = %self.name, media_sequence, %error, "a segment of a rendition is missing");
    }
}
