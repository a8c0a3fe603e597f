//! Parts of broadcasts as MP4 files, made while they are read.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use stream_model::{
    Cid, DiscontinuitySequence, Download, DownloadError, DownloadRequest, Downloads, Listing, MediaSegment,
    MissingMedia, Moment, Node, PlaylistError, StoreError,
};
use tokio_util::task::AbortOnDropHandle;

use super::fetching::{INIT_BYTES, SEGMENT_BYTES};
use super::{Playback, SEGMENT_WAIT, Shared, recording};
use crate::remux::{RemuxError, Remuxer};

/// How long a segment may take to come while the file is being sent: connections are cut off after a minute in which nothing
/// is sent.
const FETCH_WAIT: Duration = Duration::from_secs(45);
/// Segments whose lengths are looked up before the first byte is sent: those of a day. Of more the length of the file is not said.
const MOST_SIZED: usize = 6_000;
/// Lengths that are looked up at a time.
const SIZED_AT_ONCE: usize = 16;

#[async_trait]
impl Downloads for Playback {
    async fn download(&self, request: DownloadRequest) -> Result<Download, DownloadError> {
        let shared = &self.shared;
        let listing = shared.listing(&request.broadcast)?;
        let stretch = Stretch::select(&listing, shared.all_segments(&listing).await?, &request)?;
        let first = stretch.parts.front().ok_or(DownloadError::NotFound)?;
        shared.have(&listing, first, SEGMENT_WAIT).await?;
        let init = shared.init_bytes(&listing, first).await?;
        let sizes = match request.missing {
            MissingMedia::Abort => shared.sizes(&stretch.parts).await,
            MissingMedia::Skip => None,
        };
        let length = stretch.to.saturating_sub(stretch.from);
        let remuxer = Remuxer::new(&init, length, sizes.as_ref().map(Vec::len))?;
        let around = remuxer.written() + remuxer.reserved().unwrap_or(0);
        let bytes = sizes.as_ref().map(|sizes| around + sizes.iter().sum::<u64>());
        let work = Work {
            shared: Arc::clone(shared),
            listing,
            missing: request.missing,
            parts: stretch.parts,
            sizes: sizes.map(VecDeque::from),
            timeline: None,
            next: None,
            reading: None,
            remuxer,
            finished: false,
        };
        let body =
            stream::try_unfold(work, |mut work| async move { Ok(work.next_bytes().await?.map(|bytes| (bytes, work))) });
        metrics::counter!("meshstream_downloads_total").increment(1);
        Ok(Download { from: stretch.from, to: stretch.to, rest_from: stretch.rest_from, bytes, body: body.boxed() })
    }
}

impl From<RemuxError> for DownloadError {
    fn from(error: RemuxError) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// The segments of a file.
struct Stretch {
    /// With the same initialization section.
    parts: VecDeque<MediaSegment>,
    from: Duration,
    to: Duration,
    rest_from: Option<Duration>,
}

impl Stretch {
    /// The segments that are at least in part within what was asked for, on the time line of the playlist of the whole.
    fn select(
        listing: &Listing,
        segments: Vec<MediaSegment>,
        request: &DownloadRequest,
    ) -> Result<Self, DownloadError> {
        let playlist = recording(listing, &segments, true);
        let mut by_sequence: HashMap<_, _> =
            segments.into_iter().map(|segment| (segment.media_sequence, segment)).collect();
        let mut found: Option<(Self, Cid)> = None;
        let mut reached = Duration::ZERO;
        for entry in playlist.entries {
            let (from, to) = (reached, reached + entry.duration);
            reached = to;
            let date = entry.program_date_time;
            let is_after = |moment: Moment| match moment {
                Moment::Elapsed(moment) => to > moment,
                Moment::At(moment) => date.is_some_and(|date| date.after(entry.duration) > moment),
            };
            let is_before = |moment: Moment| match moment {
                Moment::Elapsed(moment) => from < moment,
                Moment::At(moment) => date.is_some_and(|date| date < moment),
            };
            if entry.gap || !request.from.is_none_or(is_after) || !request.to.is_none_or(is_before) {
                continue;
            }
            let Some(segment) = by_sequence.remove(&entry.media_sequence) else { continue };
            match &mut found {
                None => {
                    let init = segment.init;
                    found = Some((Self { parts: [segment].into(), from, to, rest_from: None }, init));
                }
                Some((stretch, init)) if *init == segment.init => {
                    stretch.parts.push_back(segment);
                    stretch.to = to;
                }
                Some((stretch, _)) => {
                    stretch.rest_from = Some(from);
                    break;
                }
            }
        }
        found.map(|(stretch, _)| stretch).ok_or(DownloadError::NotFound)
    }
}

impl Shared {
    /// Returns once a segment is here.
    async fn have(&self, listing: &Listing, segment: &MediaSegment, wait: Duration) -> Result<(), PlaylistError> {
        if self.ports.store.holds(&segment.segment).await {
            return Ok(());
        }
        if listing.own {
            return Err(PlaylistError::Failed(format!("segment {} is lost", segment.media_sequence)));
        }
        self.demand(listing, segment.clone(), wait).await
    }

    async fn init_bytes(&self, listing: &Listing, segment: &MediaSegment) -> Result<Vec<u8>, DownloadError> {
        if !listing.own && !self.ports.store.holds(&segment.init).await {
            self.demand_init(listing, segment, SEGMENT_WAIT).await?;
        }
        let mut pieces = self.ports.reader.read(&segment.init, 0..INIT_BYTES).await?;
        let mut init = Vec::new();
        while let Some(piece) = pieces.next().await {
            init.extend_from_slice(&piece?);
        }
        Ok(init)
    }

    /// The lengths of segments, where all are held.
    async fn sizes(&self, segments: &VecDeque<MediaSegment>) -> Option<Vec<u64>> {
        if segments.len() > MOST_SIZED {
            return None;
        }
        let size = |segment: &MediaSegment| {
            let segment = segment.segment;
            async move {
                match self.ports.reader.stat(&segment).await {
                    Ok(Node::File(bytes)) => Some(bytes),
                    Ok(Node::Directory(_)) | Err(_) => None,
                }
            }
        };
        let mut found = stream::iter(segments.iter().map(size).collect::<Vec<_>>()).buffered(SIZED_AT_ONCE);
        let mut sizes = Vec::with_capacity(segments.len());
        while let Some(size) = found.next().await {
            sizes.push(size?);
        }
        Some(sizes)
    }
}

/// A file under way.
struct Work {
    shared: Arc<Shared>,
    listing: Listing,
    missing: MissingMedia,
    /// What comes after `next`.
    parts: VecDeque<MediaSegment>,
    /// The lengths of `reading`, where there is one, of `next` and of `parts`.
    sizes: Option<VecDeque<u64>>,
    /// Discontinuities up to the last segment.
    timeline: Option<DiscontinuitySequence>,
    /// The next segment, which comes from peers while the one before it is being sent.
    next: Option<(MediaSegment, AbortOnDropHandle<Result<(), PlaylistError>>)>,
    /// The segment that is being sent.
    reading: Option<BoxStream<'static, Result<Bytes, StoreError>>>,
    remuxer: Remuxer,
    /// The index at the end is written.
    finished: bool,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("broadcast", &self.listing.id).finish_non_exhaustive()
    }
}

impl Work {
    async fn next_bytes(&mut self) -> Result<Option<Bytes>, DownloadError> {
        loop {
            if let Some(bytes) = self.remuxer.poll_output() {
                return Ok(Some(bytes));
            }
            if let Some(reading) = &mut self.reading {
                match reading.next().await {
                    Some(piece) => self.remuxer.push(piece?)?,
                    None => {
                        self.reading = None;
                        self.remuxer.end_segment(self.sizes.as_mut().and_then(VecDeque::pop_front))?;
                    }
                }
            } else if self.finished {
                return Ok(None);
            } else if !self.begin_segment().await? {
                self.remuxer.finish()?;
                self.finished = true;
            }
        }
    }

    /// Opens the next segment; false where there is none.
    async fn begin_segment(&mut self) -> Result<bool, DownloadError> {
        self.look_ahead();
        let Some((segment, coming)) = self.next.take() else { return Ok(false) };
        let came = coming.await.map_err(|_| DownloadError::Failed("the node stops".to_owned()))?;
        self.look_ahead();
        let opened = match came {
            Ok(()) => self.open(&segment).await,
            Err(error) => Err(error.into()),
        };
        let (broadcast, number) = (self.listing.id, segment.media_sequence.0);
        match opened {
            Ok(()) => Ok(true),
            Err(error) if self.missing == MissingMedia::Skip => {
                metrics::counter!("meshstream_download_segments_skipped_total").increment(1);
                tracing::debug!(%broadcast, media_sequence = number, %error, "left out of a download");
                Ok(true)
            }
            Err(error) => {
                metrics::counter!("meshstream_downloads_broken_off_total").increment(1);
                tracing::debug!(%broadcast, media_sequence = number, %error, "a download broke off");
                Err(DownloadError::Failed(format!("segment {number} cannot be had: {error}")))
            }
        }
    }

    /// Begins to read a segment, which may turn out to be damaged.
    async fn open(&mut self, segment: &MediaSegment) -> Result<(), DownloadError> {
        let mut reading = self.shared.ports.reader.read(&segment.segment, 0..SEGMENT_BYTES).await?;
        let Some(first) = reading.next().await.transpose()? else {
            return Err(DownloadError::Unusable("an empty segment".to_owned()));
        };
        let timeline = segment.discontinuity_sequence;
        self.remuxer.begin_segment(self.timeline.replace(timeline) != Some(timeline));
        self.reading = Some(stream::iter([Ok(first)]).chain(reading).boxed());
        Ok(())
    }

    /// Has the segment after this one fetched.
    fn look_ahead(&mut self) {
        if self.next.is_none()
            && let Some(segment) = self.parts.pop_front()
        {
            let (shared, listing, wanted) = (Arc::clone(&self.shared), self.listing.clone(), segment.clone());
            let coming = tokio::spawn(async move { shared.have(&listing, &wanted, FETCH_WAIT).await });
            self.next = Some((segment, AbortOnDropHandle::new(coming)));
        }
    }
}
