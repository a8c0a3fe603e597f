//! The messages of `/ws`, version 1 (`docs/protocol/websocket.md`): JSON, one object in each text frame.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stream_model::{
    BroadcastId, BroadcastState, Directory, FeedId, Listing, MediaSequence, MessageKey, PeerId, PlaylistChange, Post,
};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::app::Ports;
use crate::audience::{SourceView, SourcesView, ViewersView};
use crate::clock::now;
use crate::node_state::NodeState;
use crate::post_view::PostView;
use crate::served::Served;
use crate::view::{BroadcastView, UpcomingView};

/// Raised when a client of the version before could no longer follow.
pub(crate) const VERSION: u32 = 1;

/// From the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ServerMessage {
    /// The first message.
    Hello { version: u32 },
    /// The broadcasts known, live ones first, and what is planned, the next first: after `hello`, and whenever one begins, changes
    /// or ends.
    Directory { broadcasts: Vec<BroadcastView>, upcoming: Vec<UpcomingView> },
    /// The live playlist of a broadcast subscribed to has grown or ended.
    Playlist { broadcast: String, media_sequence: Option<MediaSequence>, ended: bool, renditions: usize },
    /// The node, after the first `directory` and when it has changed.
    Node(NodeState),
    /// Somebody commented on a broadcast subscribed to.
    Comment { broadcast: String, post: PostView },
    /// Somebody began a thread, for those who follow the timeline.
    Post { post: PostView },
    /// The owner hid a message: pages that show it remove it.
    Hidden { key: MessageKey },
    /// Comments or posts were left out, or some were hidden: they are to be loaded again.
    Missed,
    /// Who watches a broadcast subscribed to, and how it is served.
    Statistics(StatisticsView),
    /// The client's last message was not understood or not accepted.
    Error {
        message: String,
        /// The versions spoken here, where it asked for another.
        #[serde(skip_serializing_if = "Option::is_none")]
        versions: Option<[u32; 1]>,
    },
}

/// Sources that are told of in statistics; `/api/v1/broadcasts/{id}/sources` has more.
const MAX_SOURCES: usize = 8;

/// Who watches a broadcast, and how it is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StatisticsView {
    broadcast: String,
    viewers: ViewersView,
    /// Media served here, two digits of it, so that it seldom changes.
    served_kbps: u64,
    /// How far the newest segment listed here is behind the newest announced.
    behind_live_ms: Option<u64>,
    own: bool,
    sources: Vec<StatisticsSource>,
}

/// A peer that brings the broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct StatisticsSource {
    peer: PeerId,
    feed: Option<FeedId>,
    name: String,
    hops: Option<u32>,
    percent: u64,
    publisher: bool,
}

impl StatisticsView {
    pub(crate) fn of(listing: &Listing, listed: Option<MediaSequence>, ports: &Ports, served: &Served) -> Self {
        let SourcesView { own, sources, .. } = SourcesView::of(listing, ports);
        Self {
            broadcast: listing.id.slug(),
            viewers: ViewersView::of(&listing.id, ports),
            served_kbps: two_digits(served.kbps(&listing.id, now())),
            behind_live_ms: behind_live(listing, listed),
            own,
            sources: sources.into_iter().take(MAX_SOURCES).map(StatisticsSource::from).collect(),
        }
    }
}

impl From<SourceView> for StatisticsSource {
    fn from(SourceView { source, percent, publisher }: SourceView) -> Self {
        let (peer, feed, name, hops) = (source.peer, source.feed, source.name, source.hops);
        Self { peer, feed, name, hops, percent, publisher }
    }
}

/// `None` where the broadcast is over or nothing of it is listed.
fn behind_live(listing: &Listing, listed: Option<MediaSequence>) -> Option<u64> {
    let (announced, listed) = listing.media_sequence.zip(listed)?;
    let segments = u32::try_from(announced.0.saturating_sub(listed.0)).unwrap_or(u32::MAX);
    let behind: Duration = listing.target_duration.saturating_mul(segments);
    (listing.state == BroadcastState::Live).then(|| u64::try_from(behind.as_millis()).unwrap_or(u64::MAX))
}

fn two_digits(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    number / unit * unit
}

impl ServerMessage {
    /// Of a broadcast of which so many renditions are known.
    pub(crate) fn playlist(change: PlaylistChange, renditions: usize) -> Self {
        Self::Playlist {
            broadcast: change.broadcast.slug(),
            media_sequence: change.media_sequence,
            ended: change.ended,
            renditions,
        }
    }

    pub(crate) fn error(message: &str) -> Self {
        Self::Error { message: message.to_owned(), versions: None }
    }

    /// To a client that asked for a version which is not spoken here.
    pub(crate) fn unsupported() -> Self {
        let message = format!("this node speaks version {VERSION}: update the program that asks");
        Self::Error { message, versions: Some([VERSION]) }
    }

    /// As it is sent.
    pub(crate) fn text(&self) -> Utf8Bytes {
        serde_json::to_string(self).expect("these types have no maps with keys other than strings").into()
    }

    pub(crate) fn post(post: Post, directory: &dyn Directory) -> Self {
        let broadcast = post.broadcast.filter(|_| post.root.is_some());
        let post = PostView::new(post, directory);
        match broadcast {
            Some(broadcast) => Self::Comment { broadcast: broadcast.slug(), post },
            None => Self::Post { post },
        }
    }
}

/// From the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ClientMessage {
    /// Send `playlist`, `comment` and `statistics` for this broadcast from now on.
    Subscribe {
        broadcast: BroadcastId,
        /// Whether the client plays it; may change by subscribing again.
        #[serde(default)]
        playing: Option<bool>,
    },
    /// No longer.
    Unsubscribe { broadcast: BroadcastId },
    /// Send `post` from now on.
    Timeline,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_state::StorageState;
    use futures::StreamExt as _;
    use futures::stream::{self, BoxStream};
    use serde_json::Value;
    use stream_model::{
        ArchiveManifest, Author, BroadcastState, DirectoryChange, FeedId, Listing, MediaSegment, Scheduled,
        TimelineCursor, Tracks, WallTime,
    };

    fn broadcast() -> BroadcastId {
        BroadcastId(MessageKey([7; 32]))
    }

    /// A directory without any broadcast.
    struct NoBroadcasts;

    impl Directory for NoBroadcasts {
        fn listings(&self) -> Vec<Listing> {
            Vec::new()
        }

        fn listing(&self, _: &BroadcastId) -> Option<Listing> {
            None
        }

        fn renditions(&self, _: &BroadcastId) -> Vec<Listing> {
            Vec::new()
        }

        fn thumbnails(&self, _: &BroadcastId) -> Option<Listing> {
            None
        }

        fn segments(&self, _: &BroadcastId, _: MediaSequence, _: usize) -> Vec<MediaSegment> {
            Vec::new()
        }

        fn archives(&self, _: &BroadcastId) -> Vec<ArchiveManifest> {
            Vec::new()
        }

        fn upcoming(&self) -> Vec<Scheduled> {
            Vec::new()
        }

        fn subscribe(&self) -> BoxStream<'static, DirectoryChange> {
            stream::empty().boxed()
        }
    }

    fn post() -> Post {
        let author =
            Author { feed: FeedId([9; 32]), name: Some("Town \"hall\" <b>".to_owned()), image: None, own: false };
        Post {
            key: MessageKey([3; 32]),
            cursor: TimelineCursor(1042),
            author,
            text: "See **you** <b>there</b>".to_owned(),
            written_at: WallTime(1_795_269_780_000),
            root: None,
            branches: Vec::new(),
            channel: Some("mesh".to_owned()),
            mentions: vec![FeedId([9; 32]).to_string()],
            broadcast: Some(broadcast()),
            replies: 2,
            votes: 1,
        }
    }

    #[track_caller]
    fn check_server(message: &ServerMessage, fixture: &str) {
        assert_eq!(serde_json::to_value(message).unwrap(), serde_json::from_str::<Value>(fixture).unwrap());
    }

    #[track_caller]
    fn check_client(fixture: &str, expected: ClientMessage) {
        assert_eq!(serde_json::from_str::<ClientMessage>(fixture).unwrap(), expected);
    }

    #[test]
    fn what_the_node_sends_is_as_documented() {
        check_server(&ServerMessage::Hello { version: VERSION }, include_str!("../../tests/fixtures/ws/hello.json"));
        let view = BroadcastView {
            id: broadcast().to_string(),
            slug: broadcast().slug(),
            title: "Open \"stage\" <b>2026</b>".to_owned(),
            publisher: FeedId([9; 32]),
            state: BroadcastState::Live,
            media_sequence: Some(MediaSequence(41)),
            held_segments: 6,
            manifest: Some("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi".to_owned()),
            started_at: WallTime(1_795_269_780_000),
            description: "Main hall".to_owned(),
            own: false,
            archive: true,
            target_duration_ms: 15_000,
            tracks: Tracks { video: true, audio: true },
            withdrawn: None,
        };
        let silent = BroadcastView {
            title: String::new(),
            description: String::new(),
            state: BroadcastState::Ended,
            media_sequence: None,
            held_segments: 0,
            manifest: None,
            ..view.clone()
        };
        let planned = UpcomingView {
            id: broadcast().to_string(),
            slug: broadcast().slug(),
            title: "Closing \"session\"".to_owned(),
            description: String::new(),
            publisher: FeedId([9; 32]),
            own: true,
            starts_at: WallTime(1_795_356_180_000),
        };
        check_server(
            &ServerMessage::Directory { broadcasts: vec![view, silent], upcoming: vec![planned] },
            include_str!("../../tests/fixtures/ws/directory.json"),
        );
        let change = PlaylistChange { broadcast: broadcast(), media_sequence: Some(MediaSequence(42)), ended: false };
        check_server(&ServerMessage::playlist(change, 2), include_str!("../../tests/fixtures/ws/playlist.json"));
        let storage = StorageState { used_percent: 42, disk_full: false };
        let state = NodeState { name: "roof \"north\"".to_owned(), peers: 2, publishing: 1, storage };
        check_server(&ServerMessage::Node(state), include_str!("../../tests/fixtures/ws/node.json"));
        let written = post();
        let directory = NoBroadcasts;
        let message = ServerMessage::post(written.clone(), &directory);
        check_server(&message, include_str!("../../tests/fixtures/ws/post.json"));
        let root = broadcast().0;
        let comment = Post {
            root: Some(root),
            branches: vec![root],
            channel: None,
            mentions: Vec::new(),
            replies: 0,
            votes: 0,
            ..written
        };
        let message = ServerMessage::post(comment, &directory);
        check_server(&message, include_str!("../../tests/fixtures/ws/comment.json"));
        let hidden = ServerMessage::Hidden { key: MessageKey([3; 32]) };
        check_server(&hidden, include_str!("../../tests/fixtures/ws/hidden.json"));
        check_server(&ServerMessage::Missed, include_str!("../../tests/fixtures/ws/missed.json"));
        let message = "not understood: send {\"type\":\"subscribe\",\"broadcast\":…}".to_owned();
        check_server(&ServerMessage::error(&message), include_str!("../../tests/fixtures/ws/error.json"));
        check_server(&ServerMessage::unsupported(), include_str!("../../tests/fixtures/ws/unsupported.json"));
        let statistics = ServerMessage::Statistics(statistics());
        check_server(&statistics, include_str!("../../tests/fixtures/ws/statistics.json"));
    }

    fn statistics() -> StatisticsView {
        let peer = |byte| PeerId::from_multihash([vec![0x12, 32], vec![byte; 32]].concat()).unwrap();
        let publisher = StatisticsSource {
            peer: peer(9),
            feed: Some(FeedId([9; 32])),
            name: "hall \"1\" <b>".to_owned(),
            hops: Some(2),
            percent: 75,
            publisher: true,
        };
        let other = StatisticsSource {
            peer: peer(3),
            feed: None,
            name: String::new(),
            hops: None,
            percent: 25,
            publisher: false,
        };
        StatisticsView {
            broadcast: broadcast().slug(),
            viewers: ViewersView { here: 3, all: 41 },
            served_kbps: 5_900,
            behind_live_ms: Some(15_000),
            own: false,
            sources: vec![publisher, other],
        }
    }

    #[test]
    fn statistics_are_coarse_and_say_how_far_behind_a_live_broadcast_is() {
        for (number, expected) in [(0, 0), (7, 7), (99, 99), (100, 100), (5_961, 5_900), (123_456, 120_000)] {
            assert_eq!(two_digits(number), expected);
        }
        let listing = |state, announced| Listing {
            id: broadcast(),
            author: FeedId([9; 32]),
            own: false,
            peer: PeerId::from_multihash([vec![0x12, 32], vec![9; 32]].concat()).unwrap(),
            title: String::new(),
            description: String::new(),
            target_duration: Duration::from_secs(15),
            tracks: Tracks { video: true, audio: true },
            archive: true,
            started_at: WallTime(0),
            state,
            media_sequence: announced,
            manifest: None,
            rendition: None,
        };
        let at = |number| Some(MediaSequence(number));
        assert_eq!(behind_live(&listing(BroadcastState::Live, at(7)), at(5)), Some(30_000));
        assert_eq!(behind_live(&listing(BroadcastState::Live, at(7)), at(8)), Some(0));
        assert_eq!(behind_live(&listing(BroadcastState::Live, at(7)), None), None);
        assert_eq!(behind_live(&listing(BroadcastState::Live, None), at(5)), None);
        assert_eq!(behind_live(&listing(BroadcastState::Ended, at(7)), at(5)), None);
    }

    #[test]
    fn what_a_client_sends_is_as_documented() {
        let broadcast = broadcast();
        let subscribe = |playing| ClientMessage::Subscribe { broadcast, playing };
        check_client(include_str!("../../tests/fixtures/ws/subscribe.json"), subscribe(None));
        check_client(include_str!("../../tests/fixtures/ws/playing.json"), subscribe(Some(true)));
        check_client(
            include_str!("../../tests/fixtures/ws/unsubscribe.json"),
            ClientMessage::Unsubscribe { broadcast },
        );
        check_client(include_str!("../../tests/fixtures/ws/timeline.json"), ClientMessage::Timeline);
    }
}
