//! Playlists, segments and downloads.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use stream_model::*;

use super::{FakeNode, NEVER, changes};

impl FakeNode {
    /// Waits for peers for ever, where by agreement they never deliver.
    async fn ask_for(&self, number: u64) {
        if number == NEVER {
            let _fetch = self.fetching.begin();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Playlists for FakeNode {
    async fn live(
        &self,
        broadcast: &BroadcastId,
        audience: Audience,
        _viewer: IpAddr,
    ) -> Result<String, PlaylistError> {
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

    /// Of what has renditions in its directory, a text that says what was asked for.
    fn multivariant(
        &self,
        broadcast: &BroadcastId,
        of: MediaPlaylistKind,
        audience: Audience,
    ) -> Result<Multivariant, PlaylistError> {
        self.listing(broadcast).ok_or(PlaylistError::NotFound)?;
        if !self.renditions(broadcast).is_empty() {
            return Ok(Multivariant::Playlist(format!("#EXTM3U of {of:?} for {audience:?}\n")));
        }
        Ok(Multivariant::Alone(match (of, audience) {
            (MediaPlaylistKind::Live, Audience::Native) => "index.m3u8",
            (MediaPlaylistKind::Live, Audience::MediaSource) => "index.m3u8?player=mse",
            (MediaPlaylistKind::Whole, _) => "whole.m3u8",
        }))
    }

    async fn thumbnails(&self, broadcast: &BroadcastId) -> Result<String, PlaylistError> {
        let cues = self.cues.lock().unwrap().get(broadcast).cloned();
        // By agreement with the tests: what has pictures and no cues by now.
        cues.ok_or(PlaylistError::NotYet(Duration::from_millis(1500)))
    }

    /// The initialization section of the timeline that the pictures begin with.
    async fn poster(&self, broadcast: &BroadcastId) -> Result<Cid, PlaylistError> {
        let thumbnails = Directory::thumbnails(self, broadcast).ok_or(PlaylistError::NotFound)?;
        self.init(&thumbnails.id, DiscontinuitySequence(0)).await
    }

    fn suggested_bitrate(&self, broadcast: &BroadcastId) -> Option<u64> {
        self.suggested.lock().unwrap().get(broadcast).copied()
    }

    async fn hour(&self, broadcast: &BroadcastId, first: MediaSequence) -> Result<String, PlaylistError> {
        let whole = Self::missing(self.whole.lock().unwrap().get(broadcast).cloned(), first.0)?;
        Ok(format!("# hour from {first}\n{whole}"))
    }

    async fn day(&self, broadcast: &BroadcastId, day: Period) -> Result<String, PlaylistError> {
        Ok(format!("# {day}\n{}", self.whole(broadcast).await?))
    }

    async fn segment(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> Result<Cid, PlaylistError> {
        self.ask_for(sequence.0).await;
        Self::missing(self.segments.lock().unwrap().get(&(*broadcast, sequence.0)).copied(), sequence.0)
    }

    async fn init(&self, broadcast: &BroadcastId, sequence: DiscontinuitySequence) -> Result<Cid, PlaylistError> {
        self.ask_for(sequence.0).await;
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

    /// Of the segments that were announced, each an hour of its own.
    async fn timeline(&self, broadcast: &BroadcastId) -> Result<Arc<BroadcastTimeline>, PlaylistError> {
        let announced = self.announced_segments.lock().unwrap();
        let of_it = announced.iter().filter(|(id, _)| id == broadcast).map(|(_, segment)| segment);
        let mut from = Duration::ZERO;
        let (mut spans, mut hours) = (Vec::new(), Vec::new());
        for segment in of_it {
            let (first, duration) = (segment.media_sequence, segment.duration);
            spans.push(Span { state: SpanState::Elsewhere, first, segments: 1, from, duration });
            let program_date_time = segment.program_date_time;
            let period = program_date_time.and_then(Period::hour_of);
            hours.push(HourMark { first, from, period, program_date_time, complete: false });
            from += duration;
        }
        Self::missing((!spans.is_empty()).then_some(()), if self.listing(broadcast).is_some() { 7777 } else { 0 })?;
        Ok(Arc::new(BroadcastTimeline { duration: from, ended: false, spans, hours }))
    }

    fn held_segments(&self, broadcast: &BroadcastId) -> u64 {
        self.segments.lock().unwrap().keys().filter(|(id, _)| id == broadcast).count() as u64
    }

    fn holds_segment(&self, broadcast: &BroadcastId, sequence: MediaSequence) -> bool {
        self.segments.lock().unwrap().contains_key(&(*broadcast, sequence.0))
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
