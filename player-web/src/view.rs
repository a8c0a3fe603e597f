//! A broadcast as it is shown: in the JSON of `/api/v1` and `/ws`, and on pages.

use serde::{Serialize, Serializer};
use stream_model::calendar::CivilDate;
use stream_model::{
    ArchiveKind, ArchiveManifest, BroadcastId, BroadcastState, Directory, FeedId, Listing, MediaSequence, Mirroring,
    PeerId, Period, Playlists, Rendition, Republication, Scheduled, Standing, Standings, Tracks, WallTime,
};

use crate::audience::ViewersView;
use crate::texts::Texts;

/// Most broadcasts on the home page and in a WebSocket's directory, live ones first. A phone gets about 400 bytes
/// for each; `/api/v1/broadcasts` has them all.
pub(crate) const MAX_SHOWN: usize = 200;

/// Most planned broadcasts there, the next ones: their descriptions make up to some KB of each. `/api/v1/upcoming` has them all.
pub(crate) const MAX_UPCOMING: usize = 20;

/// The JSON of one broadcast. Field names are an outside interface: more may be added, none renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BroadcastView {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) publisher: FeedId,
    pub(crate) state: BroadcastState,
    pub(crate) media_sequence: Option<MediaSequence>,
    pub(crate) held_segments: u64,
    pub(crate) manifest: Option<String>,
    pub(crate) started_at: WallTime,
    pub(crate) description: String,
    pub(crate) own: bool,
    pub(crate) archive: bool,
    pub(crate) target_duration_ms: u64,
    pub(crate) tracks: Tracks,
    /// The publisher's reason, where it took the broadcast back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) withdrawn: Option<String>,
}

/// The JSON of a broadcast that is planned. Field names are an outside interface: more may be added, none renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct UpcomingView {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) publisher: FeedId,
    pub(crate) own: bool,
    pub(crate) starts_at: WallTime,
}

impl From<Scheduled> for UpcomingView {
    fn from(scheduled: Scheduled) -> Self {
        Self {
            id: scheduled.id.to_string(),
            slug: scheduled.id.slug(),
            title: scheduled.title,
            description: scheduled.description,
            publisher: scheduled.author,
            own: scheduled.own,
            starts_at: scheduled.starts_at,
        }
    }
}

/// The broadcasts that people are shown: each once, in whatever encodings there are.
pub(crate) fn originals(directory: &dyn Directory) -> impl Iterator<Item = Listing> {
    directory.listings().into_iter().filter(|listing| listing.rendition.is_none())
}

/// The JSON of what there is to see of a broadcast before it is watched: paths on this node, there only where there are pictures.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PicturesView {
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnails: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poster: Option<String>,
}

impl PicturesView {
    pub(crate) fn of(broadcast: &BroadcastId, directory: &dyn Directory) -> Self {
        if directory.thumbnails(broadcast).is_none() {
            return Self::default();
        }
        let slug = broadcast.slug();
        Self { thumbnails: Some(format!("/hls/{slug}/thumbnails.vtt")), poster: Some(poster(&slug)) }
    }
}

/// The path of the picture that stands for a broadcast, where there are thumbnails of it.
pub(crate) fn poster(slug: &str) -> String {
    format!("/hls/{slug}/poster.jpg")
}

/// The JSON of one broadcast alone.
#[derive(Debug, Serialize)]
pub(crate) struct BroadcastDetails {
    #[serde(flatten)]
    pub(crate) broadcast: BroadcastView,
    #[serde(flatten)]
    pub(crate) pictures: PicturesView,
    pub(crate) viewers: ViewersView,
    pub(crate) archives: Vec<ArchiveView>,
    pub(crate) mirrors: Vec<MirrorView>,
    pub(crate) republications: Vec<RepublicationView>,
    pub(crate) renditions: Vec<RenditionView>,
}

/// The JSON of a rendition: a broadcast in another encoding, with playlists of its own.
#[derive(Debug, Serialize)]
pub(crate) struct RenditionView {
    slug: String,
    name: String,
    bandwidth: u64,
    codecs: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
}

impl RenditionView {
    fn of(listing: Listing) -> Option<Self> {
        let Rendition { name, variant, .. } = listing.rendition?;
        let (width, height) = variant.resolution.unzip();
        let slug = listing.id.slug();
        Some(Self { slug, name, bandwidth: variant.bandwidth, codecs: variant.codecs, width, height })
    }
}

impl BroadcastDetails {
    /// Of a broadcast of which so many segments are held.
    pub(crate) fn new(
        listing: Listing,
        standing: Standing,
        held_segments: u64,
        pictures: PicturesView,
        viewers: ViewersView,
        archives: Vec<ArchiveView>,
        renditions: Vec<Listing>,
    ) -> Self {
        Self {
            broadcast: BroadcastView::holding(held_segments, listing, &standing),
            pictures,
            viewers,
            archives,
            mirrors: standing.mirrors.into_iter().map(MirrorView::from).collect(),
            republications: standing.republications.into_iter().map(RepublicationView::from).collect(),
            renditions: renditions.into_iter().filter_map(RenditionView::of).collect(),
        }
    }
}

/// The JSON of a node that says to hold a broadcast.
#[derive(Debug, Serialize)]
pub(crate) struct MirrorView {
    node: FeedId,
    peer: PeerId,
    manifest: String,
}

impl From<Mirroring> for MirrorView {
    fn from(mirror: Mirroring) -> Self {
        Self { node: mirror.node, peer: mirror.peer, manifest: mirror.manifest.to_string() }
    }
}

/// The JSON of a republication.
#[derive(Debug, Serialize)]
pub(crate) struct RepublicationView {
    node: FeedId,
    peer: PeerId,
    manifest: String,
    first_media_sequence: MediaSequence,
    last_media_sequence: MediaSequence,
    credit: String,
}

impl From<Republication> for RepublicationView {
    fn from(republication: Republication) -> Self {
        Self {
            node: republication.node,
            peer: republication.peer,
            manifest: republication.manifest.to_string(),
            first_media_sequence: republication.first_media_sequence,
            last_media_sequence: republication.last_media_sequence,
            credit: republication.credit,
        }
    }
}

/// The JSON of an archive.
#[derive(Debug, Serialize)]
pub(crate) struct ArchiveView {
    pub(crate) kind: ArchiveKind,
    #[serde(serialize_with = "as_text")]
    pub(crate) period: Option<Period>,
    pub(crate) first_media_sequence: MediaSequence,
    pub(crate) last_media_sequence: MediaSequence,
    pub(crate) manifest: String,
    pub(crate) duration_ms: u64,
    pub(crate) bytes: u64,
    /// The path of its playlist on this node.
    pub(crate) playlist: String,
    /// Whether it is what there is so far of an hour that is not complete.
    pub(crate) running: bool,
}

fn as_text<S: Serializer>(period: &Option<Period>, serializer: S) -> Result<S::Ok, S::Error> {
    period.map(|period| period.to_string()).serialize(serializer)
}

impl ArchiveView {
    /// Of an archive that was announced.
    pub(crate) fn complete(archive: ArchiveManifest) -> Self {
        Self::new(archive, false)
    }

    /// Of an hour so far.
    pub(crate) fn running(hour: ArchiveManifest) -> Self {
        Self::new(hour, true)
    }

    fn new(archive: ArchiveManifest, running: bool) -> Self {
        let (slug, first) = (archive.broadcast.slug(), archive.first_media_sequence);
        let playlist = match (archive.kind, archive.period) {
            (ArchiveKind::Hour, _) => format!("/hls/{slug}/hour/{first}.m3u8"),
            (ArchiveKind::Day, Some(day)) => format!("/hls/{slug}/day/{day}.m3u8"),
            // A day without a date has no address of its own.
            (ArchiveKind::Day, None) | (ArchiveKind::Broadcast, _) => format!("/hls/{slug}/whole.m3u8"),
        };
        Self {
            kind: archive.kind,
            period: archive.period,
            first_media_sequence: first,
            last_media_sequence: archive.last_media_sequence,
            manifest: archive.manifest.to_string(),
            duration_ms: u64::try_from(archive.duration.as_millis()).unwrap_or(u64::MAX),
            bytes: archive.bytes,
            playlist,
            running,
        }
    }
}

/// The JSON of all broadcasts that a directory knows, each as `/api/v1/broadcasts/{id}` has it, where no node runs: nobody watches.
///
/// # Errors
/// None that could be met: all of it can be written as JSON.
pub fn documents(
    directory: &dyn Directory,
    standings: &dyn Standings,
    held_segments: impl Fn(&BroadcastId) -> u64,
) -> serde_json::Result<Vec<serde_json::Value>> {
    let document = |listing: Listing| {
        let (id, standing) = (listing.id, standings.standing(&listing.id));
        let archives = directory.archives(&id).into_iter().map(ArchiveView::complete).collect();
        let (held, viewers) = (held_segments(&id), ViewersView::default());
        let (pictures, renditions) = (PicturesView::of(&id, directory), directory.renditions(&id));
        serde_json::to_value(BroadcastDetails::new(listing, standing, held, pictures, viewers, archives, renditions))
    };
    originals(directory).map(document).collect()
}

impl BroadcastView {
    pub(crate) fn new(listing: Listing, standing: &Standing, playlists: &dyn Playlists) -> Self {
        Self::holding(playlists.held_segments(&listing.id), listing, standing)
    }

    /// Where so many segments are held.
    fn holding(held_segments: u64, listing: Listing, standing: &Standing) -> Self {
        Self {
            id: listing.id.to_string(),
            slug: listing.id.slug(),
            held_segments,
            title: listing.title,
            publisher: listing.author,
            state: listing.state,
            media_sequence: listing.media_sequence,
            manifest: listing.manifest.map(|cid| cid.to_string()),
            started_at: listing.started_at,
            description: listing.description,
            own: listing.own,
            archive: listing.archive,
            target_duration_ms: u64::try_from(listing.target_duration.as_millis()).unwrap_or(u64::MAX),
            tracks: listing.tracks,
            withdrawn: standing.withdrawn.clone(),
        }
    }

    pub(crate) fn live(&self) -> bool {
        self.state == BroadcastState::Live
    }

    /// The title, or what stands in for an empty one.
    pub(crate) fn heading(&self, t: &Texts) -> String {
        if self.title.trim().is_empty() { t.get("untitled").to_string() } else { self.title.clone() }
    }

    /// When it started, by the publisher's clock, in UTC.
    pub(crate) fn started(&self, t: &Texts) -> String {
        Some(utc(self.started_at)).filter(|time| !time.is_empty()).unwrap_or_else(|| t.get("unknown-time").to_string())
    }

    /// Upper bound of its segments, in seconds.
    pub(crate) fn target_duration_s(&self) -> u64 {
        self.target_duration_ms / 1000
    }

    /// Seconds behind live that a viewer starts at: two segments, as the player does.
    pub(crate) fn start_delay_s(&self) -> u64 {
        self.target_duration_ms.saturating_mul(2) / 1000
    }
}

/// What people are shown of these broadcasts in the order given, at most `most`, live ones first. What was withdrawn is left out.
pub(crate) fn shown(
    listings: Vec<Listing>,
    standings: &dyn Standings,
    playlists: &dyn Playlists,
    most: usize,
) -> Vec<BroadcastView> {
    let (live, ended): (Vec<_>, Vec<_>) =
        listings.into_iter().partition(|listing| listing.state == BroadcastState::Live);
    let standing = |listing: Listing| (standings.standing(&listing.id), listing);
    let views = live.into_iter().chain(ended).map(standing).filter(|(standing, _)| standing.withdrawn.is_none());
    views.take(most).map(|(standing, listing)| BroadcastView::new(listing, &standing, playlists)).collect()
}

/// `2026-11-21 14:03 UTC`; nothing for years of five digits.
pub(crate) fn utc(time: WallTime) -> String {
    let minutes = time.0 / 60_000;
    CivilDate::of(time)
        .map_or_else(String::new, |date| format!("{date} {:02}:{:02} UTC", minutes % 1440 / 60, minutes % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (millis, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_795_269_780_000, "2026-11-21 14:03 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(utc(WallTime(millis)), text);
        }
        assert_eq!(utc(WallTime(u64::MAX)), "");
    }
}
