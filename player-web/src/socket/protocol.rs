//! The messages of `/ws`, version 1 (`docs/protocol/websocket.md`): JSON, one object in each text frame.

use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, Directory, MediaSequence, PlaylistChange, Post};

use crate::node_state::NodeState;
use crate::post_view::PostView;
use crate::view::BroadcastView;

/// Raised when a client of the version before could no longer follow.
pub(crate) const VERSION: u32 = 1;

/// From the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ServerMessage {
    /// The first message.
    Hello { version: u32 },
    /// The broadcasts known, live ones first: after `hello`, and whenever one begins, changes or ends.
    Directory { broadcasts: Vec<BroadcastView> },
    /// The live playlist of a broadcast subscribed to has grown or ended.
    Playlist { broadcast: String, media_sequence: Option<MediaSequence>, ended: bool },
    /// The node, after the first `directory` and when it has changed.
    Node(NodeState),
    /// Somebody commented on a broadcast subscribed to.
    Comment { broadcast: String, post: PostView },
    /// Somebody began a thread, for those who follow the timeline.
    Post { post: PostView },
    /// Comments or posts were left out: they are to be loaded again.
    Missed,
    /// The client's last message was not understood or not accepted.
    Error { message: String },
}

impl ServerMessage {
    pub(crate) fn playlist(change: PlaylistChange) -> Self {
        Self::Playlist {
            broadcast: change.broadcast.slug(),
            media_sequence: change.media_sequence,
            ended: change.ended,
        }
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
    /// Send `playlist` and `comment` for this broadcast from now on.
    Subscribe { broadcast: BroadcastId },
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
        ArchiveManifest, Author, BroadcastState, DirectoryChange, FeedId, Listing, MediaSegment, MessageKey,
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

        fn segments(&self, _: &BroadcastId, _: MediaSequence, _: usize) -> Vec<MediaSegment> {
            Vec::new()
        }

        fn archives(&self, _: &BroadcastId) -> Vec<ArchiveManifest> {
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
        check_server(
            &ServerMessage::Directory { broadcasts: vec![view, silent] },
            include_str!("../../tests/fixtures/ws/directory.json"),
        );
        let change = PlaylistChange { broadcast: broadcast(), media_sequence: Some(MediaSequence(42)), ended: false };
        check_server(&ServerMessage::playlist(change), include_str!("../../tests/fixtures/ws/playlist.json"));
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
        check_server(&ServerMessage::Missed, include_str!("../../tests/fixtures/ws/missed.json"));
        let message = "not understood: send {\"type\":\"subscribe\",\"broadcast\":…}".to_owned();
        check_server(&ServerMessage::Error { message }, include_str!("../../tests/fixtures/ws/error.json"));
    }

    #[test]
    fn what_a_client_sends_is_as_documented() {
        let broadcast = broadcast();
        check_client(include_str!("../../tests/fixtures/ws/subscribe.json"), ClientMessage::Subscribe { broadcast });
        check_client(
            include_str!("../../tests/fixtures/ws/unsubscribe.json"),
            ClientMessage::Unsubscribe { broadcast },
        );
        check_client(include_str!("../../tests/fixtures/ws/timeline.json"), ClientMessage::Timeline);
    }
}
