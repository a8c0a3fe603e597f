//! What one WebSocket is owed and allowed. Pure: changes, messages and the time come in, [`Output`]s go out.
//!
//! A slow client does not make anything queue up: of each broadcast it is owed the newest playlist change, of the
//! directory one whole copy taken when it can be sent. So what it misses in between is made good by what follows.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use stream_model::{BroadcastId, DirectoryChange, PlaylistChange, Post, TimelineChange};

use super::protocol::ClientMessage;
use crate::node_state::NodeState;

/// Least time between two copies of the directory: about 80 KB at most, over a phone's WiFi.
const DIRECTORY_PAUSE: Duration = Duration::from_secs(1);

/// How often the client is asked whether it is there. Routers forget idle connections after a minute or more.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long nothing may be heard of a client: two pings lost on a bad link are forgiven.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Most broadcasts that one client follows: a page plays one, a wall of screens a few.
const MAX_SUBSCRIPTIONS: usize = 16;

/// Posts and comments that wait for a client: a flurry. Each has at most some 40 KB.
const MAX_PENDING_POSTS: usize = 16;

/// Most messages of a client within [`MESSAGE_WINDOW`]; our own player sends one or two in its life.
const MAX_MESSAGES: u32 = 32;

/// The time within which they are counted.
const MESSAGE_WINDOW: Duration = Duration::from_secs(10);

/// Why a client is sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Nothing was heard of it.
    Silent,
    /// It sent too many messages, or one that is not text.
    Misbehaved,
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    Hello,
    Directory,
    Playlist(PlaylistChange),
    Post(Box<Post>),
    Missed,
    Node(NodeState),
    Error(&'static str),
    Ping,
    Close(CloseReason),
}

/// State of one client.
#[derive(Debug)]
pub(crate) struct Session {
    greeted: bool,
    closing: Option<CloseReason>,
    error: Option<&'static str>,
    directory_due: bool,
    directory_not_before: Instant,
    /// Broadcasts subscribed to, and the newest change not yet sent.
    subscriptions: BTreeMap<BroadcastId, Option<PlaylistChange>>,
    /// Whether it is sent posts that begin a thread.
    follows_timeline: bool,
    /// Posts and comments not yet sent, oldest first, and whether some were left out.
    posts: VecDeque<Box<Post>>,
    missed: bool,
    /// The node as it was last seen, and whether the client knows.
    node: Option<NodeState>,
    node_due: bool,
    heard: Instant,
    ping_at: Instant,
    window_began: Instant,
    messages: u32,
    superseded: u64,
}

impl Session {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            greeted: false,
            closing: None,
            error: None,
            directory_due: true,
            directory_not_before: now,
            subscriptions: BTreeMap::new(),
            follows_timeline: false,
            posts: VecDeque::new(),
            missed: false,
            node: None,
            node_due: false,
            heard: now,
            ping_at: now + PING_INTERVAL,
            window_began: now,
            messages: 0,
            superseded: 0,
        }
    }

    pub(crate) fn handle_directory_change(&mut self, change: DirectoryChange) {
        match change {
            DirectoryChange::Broadcast(_) | DirectoryChange::Schedule(_) | DirectoryChange::Missed => {
                self.directory_due = true;
            }
            // A segment announced changes nothing that is shown until a playlist lists it.
            DirectoryChange::Segment(..) => {}
        }
    }

    pub(crate) fn handle_playlist_change(&mut self, change: PlaylistChange) {
        if let Some(pending) = self.subscriptions.get_mut(&change.broadcast)
            && pending.replace(change).is_some()
        {
            self.superseded += 1;
        }
    }

    pub(crate) fn handle_timeline_change(&mut self, change: TimelineChange) {
        let post = match change {
            TimelineChange::Post(post) => post,
            TimelineChange::Missed => {
                self.missed |= self.follows_timeline || !self.subscriptions.is_empty();
                return;
            }
        };
        let wanted = match (post.root, post.broadcast) {
            (None, _) => self.follows_timeline,
            (Some(_), Some(broadcast)) => self.subscriptions.contains_key(&broadcast),
            (Some(_), None) => false,
        };
        if !wanted {
            return;
        }
        if self.posts.len() >= MAX_PENDING_POSTS {
            self.posts.pop_front();
            self.missed = true;
            self.superseded += 1;
        }
        self.posts.push_back(post);
    }

    /// The node was looked at. How often that is bounds how often it is sent.
    pub(crate) fn handle_node_state(&mut self, state: NodeState) {
        if self.node.as_ref() != Some(&state) {
            self.node = Some(state);
            self.node_due = true;
        }
    }

    /// Something of the client arrived: a message, a pong.
    pub(crate) fn handle_sign_of_life(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(crate) fn handle_text(&mut self, text: &str, now: Instant) {
        self.heard = now;
        if now.duration_since(self.window_began) >= MESSAGE_WINDOW {
            self.window_began = now;
            self.messages = 0;
        }
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            self.closing = Some(CloseReason::Misbehaved);
            return;
        }
        match serde_json::from_str(text) {
            Ok(ClientMessage::Subscribe { broadcast }) => {
                if self.subscriptions.len() >= MAX_SUBSCRIPTIONS && !self.subscriptions.contains_key(&broadcast) {
                    self.error = Some("too many subscriptions: unsubscribe from another broadcast first");
                } else {
                    self.subscriptions.entry(broadcast).or_default();
                }
            }
            Ok(ClientMessage::Unsubscribe { broadcast }) => {
                self.subscriptions.remove(&broadcast);
            }
            Ok(ClientMessage::Timeline) => self.follows_timeline = true,
            Err(_) => self.error = Some("not understood: send {\"type\":\"subscribe\",\"broadcast\":…}"),
        }
    }

    /// A frame that this protocol does not have.
    pub(crate) fn handle_binary(&mut self) {
        self.closing = Some(CloseReason::Misbehaved);
    }

    /// The next thing to send, if any is due. After [`Output::Close`] there is nothing more.
    pub(crate) fn poll_output(&mut self, now: Instant) -> Option<Output> {
        if now.duration_since(self.heard) >= SILENCE_LIMIT {
            self.closing = Some(CloseReason::Silent);
        }
        if let Some(reason) = self.closing {
            return Some(Output::Close(reason));
        }
        if !self.greeted {
            self.greeted = true;
            return Some(Output::Hello);
        }
        if let Some(error) = self.error.take() {
            return Some(Output::Error(error));
        }
        if let Some(change) = self.subscriptions.values_mut().find_map(Option::take) {
            return Some(Output::Playlist(change));
        }
        if self.directory_due && now >= self.directory_not_before {
            self.directory_due = false;
            self.directory_not_before = now + DIRECTORY_PAUSE;
            return Some(Output::Directory);
        }
        if std::mem::take(&mut self.missed) {
            return Some(Output::Missed);
        }
        if let Some(post) = self.posts.pop_front() {
            return Some(Output::Post(post));
        }
        if self.node_due {
            self.node_due = false;
            return self.node.clone().map(Output::Node);
        }
        if now >= self.ping_at {
            self.ping_at = now + PING_INTERVAL;
            return Some(Output::Ping);
        }
        None
    }

    /// When to poll again, if nothing happens before.
    pub(crate) fn next_timeout(&self) -> Instant {
        let timeout = self.ping_at.min(self.heard + SILENCE_LIMIT);
        if self.directory_due { timeout.min(self.directory_not_before) } else { timeout }
    }

    /// Changes that a newer one replaced before they could be sent, since the last call.
    pub(crate) fn take_superseded(&mut self) -> u64 {
        std::mem::take(&mut self.superseded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_state::StorageState;
    use proptest::prelude::*;
    use stream_model::{Author, FeedId, MediaSequence, MessageKey, TimelineCursor, WallTime};

    fn broadcast(number: u8) -> BroadcastId {
        BroadcastId(MessageKey([number; 32]))
    }

    fn change(number: u8, sequence: u64) -> PlaylistChange {
        PlaylistChange { broadcast: broadcast(number), media_sequence: Some(MediaSequence(sequence)), ended: false }
    }

    fn subscribe(number: u8) -> String {
        format!(r#"{{"type":"subscribe","broadcast":"{}"}}"#, broadcast(number).slug())
    }

    fn drain(session: &mut Session, now: Instant) -> Vec<Output> {
        std::iter::from_fn(|| session.poll_output(now)).take(100).collect()
    }

    fn greeted(now: Instant) -> Session {
        let mut session = Session::new(now);
        assert_eq!(drain(&mut session, now), [Output::Hello, Output::Directory]);
        session
    }

    #[test]
    fn only_playlists_subscribed_to_are_sent() {
        let now = Instant::now();
        let mut session = greeted(now);
        session.handle_playlist_change(change(1, 1));
        assert_eq!(drain(&mut session, now), []);
        session.handle_text(&subscribe(1), now);
        session.handle_playlist_change(change(1, 2));
        session.handle_playlist_change(change(2, 9));
        assert_eq!(drain(&mut session, now), [Output::Playlist(change(1, 2))]);
        session.handle_text(&subscribe(1).replace("subscribe", "unsubscribe"), now);
        session.handle_playlist_change(change(1, 3));
        assert_eq!(drain(&mut session, now), []);
    }

    #[test]
    fn a_slow_client_gets_the_newest_change_and_what_it_lost_is_counted() {
        let now = Instant::now();
        let mut session = greeted(now);
        session.handle_text(&subscribe(1), now);
        for sequence in 0..100 {
            session.handle_playlist_change(change(1, sequence));
        }
        assert_eq!(drain(&mut session, now), [Output::Playlist(change(1, 99))]);
        assert_eq!(session.take_superseded(), 99);
        assert_eq!(session.take_superseded(), 0);
    }

    #[test]
    fn directory_changes_are_sent_as_one_copy_a_second() {
        let now = Instant::now();
        let mut session = greeted(now);
        session.handle_directory_change(DirectoryChange::Broadcast(broadcast(1)));
        session.handle_directory_change(DirectoryChange::Missed);
        assert_eq!(drain(&mut session, now), []);
        assert_eq!(session.next_timeout(), now + DIRECTORY_PAUSE);
        assert_eq!(drain(&mut session, now + DIRECTORY_PAUSE), [Output::Directory]);
        session.handle_directory_change(DirectoryChange::Segment(broadcast(1), MediaSequence(1)));
        assert_eq!(drain(&mut session, now + 2 * DIRECTORY_PAUSE), []);
    }

    #[test]
    fn the_node_is_told_when_it_has_changed_and_to_a_slow_client_as_it_is_now() {
        let now = Instant::now();
        let state = |peers| NodeState {
            name: "roof".to_owned(),
            peers,
            publishing: 0,
            storage: StorageState { used_percent: 1, disk_full: false },
        };
        let mut session = Session::new(now);
        session.handle_node_state(state(0));
        assert_eq!(drain(&mut session, now), [Output::Hello, Output::Directory, Output::Node(state(0))]);
        session.handle_node_state(state(0));
        assert_eq!(drain(&mut session, now), []);
        session.handle_node_state(state(1));
        session.handle_node_state(state(2));
        assert_eq!(drain(&mut session, now), [Output::Node(state(2))]);
    }

    #[test]
    fn a_client_that_answers_stays_and_one_that_is_silent_is_sent_away() {
        let start = Instant::now();
        let mut session = greeted(start);
        let mut now = start;
        for _ in 0..10 {
            now = session.next_timeout();
            assert_eq!(drain(&mut session, now), [Output::Ping]);
            session.handle_sign_of_life(now);
        }
        assert_eq!(session.poll_output(now + SILENCE_LIMIT), Some(Output::Close(CloseReason::Silent)));
    }

    #[test]
    fn nonsense_is_answered_and_too_much_of_it_ends_the_conversation() {
        let now = Instant::now();
        let mut session = greeted(now);
        for text in ["", "{}", "[", r#"{"type":"subscribe","broadcast":"x"}"#, r#"{"type":"dance"}"#] {
            session.handle_text(text, now);
            assert!(matches!(drain(&mut session, now)[..], [Output::Error(_)]), "{text}");
        }
        for _ in 0..MAX_MESSAGES {
            session.handle_text("{}", now);
        }
        assert_eq!(session.poll_output(now), Some(Output::Close(CloseReason::Misbehaved)));
    }

    fn post(number: u8, root: Option<u8>) -> TimelineChange {
        let root = root.map(|byte| MessageKey([byte; 32]));
        TimelineChange::Post(Box::new(Post {
            key: MessageKey([number; 32]),
            cursor: TimelineCursor(number.into()),
            author: Author { feed: FeedId([1; 32]), name: None, image: None, own: false },
            text: String::new(),
            written_at: WallTime(0),
            root,
            branches: Vec::new(),
            channel: None,
            mentions: Vec::new(),
            broadcast: root.map(BroadcastId),
            replies: 0,
            votes: 0,
        }))
    }

    fn numbers(outputs: &[Output]) -> Vec<Option<u8>> {
        outputs
            .iter()
            .map(|output| match output {
                Output::Post(post) => Some(post.key.0[0]),
                Output::Missed => None,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn comments_go_to_who_subscribed_and_posts_to_who_follows_the_timeline() {
        let now = Instant::now();
        let mut session = greeted(now);
        session.handle_timeline_change(post(1, None));
        session.handle_timeline_change(post(2, Some(7)));
        session.handle_timeline_change(TimelineChange::Missed);
        assert_eq!(drain(&mut session, now), []);
        session.handle_text(&subscribe(7), now);
        session.handle_timeline_change(post(3, None));
        session.handle_timeline_change(post(4, Some(7)));
        session.handle_timeline_change(post(5, Some(8)));
        assert_eq!(numbers(&drain(&mut session, now)), [Some(4)]);
        session.handle_text(r#"{"type":"timeline"}"#, now);
        session.handle_timeline_change(post(6, None));
        session.handle_timeline_change(TimelineChange::Missed);
        assert_eq!(numbers(&drain(&mut session, now)), [None, Some(6)]);
    }

    #[test]
    fn to_a_slow_client_the_newest_posts_are_owed_and_it_is_told_of_the_others() {
        let now = Instant::now();
        let mut session = greeted(now);
        session.handle_text(r#"{"type":"timeline"}"#, now);
        for number in 0..100 {
            session.handle_timeline_change(post(number, None));
        }
        let owed = numbers(&drain(&mut session, now));
        assert_eq!((owed.len(), owed[0], owed[1], owed[MAX_PENDING_POSTS]), (17, None, Some(84), Some(99)));
        assert_eq!(session.take_superseded(), 84);
    }

    #[test]
    fn subscriptions_are_bounded() {
        let now = Instant::now();
        let mut session = greeted(now);
        for number in 0..MAX_SUBSCRIPTIONS {
            session.handle_text(&subscribe(u8::try_from(number).unwrap()), now);
        }
        assert_eq!(drain(&mut session, now), []);
        session.handle_text(&subscribe(200), now);
        assert!(matches!(drain(&mut session, now)[..], [Output::Error(_)]));
        session.handle_text(&subscribe(0), now);
        assert_eq!(drain(&mut session, now), [], "subscribing again is not another");
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_little_is_owed(texts in prop::collection::vec(".{0,80}", 0..60)) {
            let now = Instant::now();
            let mut session = greeted(now);
            for text in &texts {
                session.handle_text(text, now);
            }
            let owed = session.poll_output(now);
            prop_assert!(matches!(owed, None | Some(Output::Error(_) | Output::Close(CloseReason::Misbehaved))));
        }
    }
}
