//! What one WebSocket is owed and allowed. Pure: changes, messages and the time come in, [`Output`]s go out.
//!
//! A slow client does not make anything queue up: of each broadcast it is owed the newest playlist change and the newest
//! statistics, of the directory and the node the newest copy. So what it misses in between is made good by what follows. What
//! it is owed are bytes that it shares with all other sockets.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use stream_model::{BroadcastId, MessageKey};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::protocol::ClientMessage;

/// How often the client is asked whether it is there. Routers forget idle connections after a minute or more.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long nothing may be heard of a client: two pings lost on a bad link are forgiven.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Most broadcasts that one client follows: a page plays one, a wall of screens a few.
const MAX_SUBSCRIPTIONS: usize = 16;

/// Posts and comments that wait for a client: a flurry. Each has at most some 40 KB.
const MAX_PENDING_POSTS: usize = 16;

/// Word of hidden messages that waits for a client; beyond, it is to load again.
const MAX_PENDING_HIDDEN: usize = 64;

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
    /// A message that was made for all.
    Text(Utf8Bytes),
    Missed,
    Error(&'static str),
    Ping,
    Close(CloseReason),
}

/// What a client is owed of a broadcast that it subscribed to.
#[derive(Debug, Default)]
struct Owed {
    playlist: Option<Utf8Bytes>,
    statistics: Option<Utf8Bytes>,
    /// Whether it plays it; `None` where it does not say.
    playing: Option<bool>,
}

/// State of one client.
#[derive(Debug)]
pub(crate) struct Session {
    greeted: bool,
    closing: Option<CloseReason>,
    error: Option<&'static str>,
    /// The directory and the node, where they have changed since they were sent.
    directory: Option<Utf8Bytes>,
    node: Option<Utf8Bytes>,
    /// Whether the directory was sent once.
    introduced: bool,
    /// Broadcasts subscribed to.
    subscriptions: BTreeMap<BroadcastId, Owed>,
    /// Whether it is sent posts that begin a thread.
    follows_timeline: bool,
    /// Posts and comments not yet sent, oldest first, and whether some were left out.
    posts: VecDeque<(MessageKey, Utf8Bytes)>,
    missed: bool,
    /// Which messages the owner hid, where that was not sent yet.
    hidden: VecDeque<Utf8Bytes>,
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
            directory: None,
            node: None,
            introduced: false,
            subscriptions: BTreeMap::new(),
            follows_timeline: false,
            posts: VecDeque::new(),
            missed: false,
            hidden: VecDeque::new(),
            heard: now,
            ping_at: now + PING_INTERVAL,
            window_began: now,
            messages: 0,
            superseded: 0,
        }
    }

    /// The directory as it is now; nothing where it is empty.
    pub(crate) fn handle_directory(&mut self, text: Utf8Bytes) {
        if !text.is_empty() {
            self.superseded += u64::from(self.directory.replace(text).is_some());
        }
    }

    /// The node, likewise.
    pub(crate) fn handle_node(&mut self, text: Utf8Bytes) {
        if !text.is_empty() {
            self.superseded += u64::from(self.node.replace(text).is_some());
        }
    }

    pub(crate) fn handle_playlist(&mut self, broadcast: &BroadcastId, text: Utf8Bytes) {
        if let Some(owed) = self.subscriptions.get_mut(broadcast) {
            self.superseded += u64::from(owed.playlist.replace(text).is_some());
        }
    }

    pub(crate) fn handle_statistics(&mut self, broadcast: &BroadcastId, text: Utf8Bytes) {
        if let Some(owed) = self.subscriptions.get_mut(broadcast) {
            self.superseded += u64::from(owed.statistics.replace(text).is_some());
        }
    }

    /// A comment on a broadcast, or a post that begins a thread.
    pub(crate) fn handle_post(&mut self, about: Option<&BroadcastId>, key: MessageKey, text: Utf8Bytes) {
        let wanted = about.map_or(self.follows_timeline, |broadcast| self.subscriptions.contains_key(broadcast));
        if !wanted {
            return;
        }
        if self.posts.len() >= MAX_PENDING_POSTS {
            self.posts.pop_front();
            self.missed = true;
            self.superseded += 1;
        }
        self.posts.push_back((key, text));
    }

    /// The owner hid a message, which the client may show. What waits of it is not sent.
    pub(crate) fn handle_hidden(&mut self, key: MessageKey, text: Utf8Bytes) {
        self.posts.retain(|(post, _)| *post != key);
        if !self.shows_posts() {
            return;
        }
        if self.hidden.len() >= MAX_PENDING_HIDDEN {
            self.hidden.clear();
            self.missed = true;
            self.superseded += MAX_PENDING_HIDDEN as u64;
        }
        self.hidden.push_back(text);
    }

    /// Comments or posts were lost before they came here.
    pub(crate) fn handle_missed(&mut self) {
        self.missed |= self.shows_posts();
    }

    fn shows_posts(&self) -> bool {
        self.follows_timeline || !self.subscriptions.is_empty()
    }

    /// So many events of any kind were lost before they came here.
    pub(crate) fn handle_lost(&mut self, events: u64) {
        self.superseded += events;
        self.handle_missed();
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
            Ok(ClientMessage::Subscribe { broadcast, playing }) => {
                if self.subscriptions.len() >= MAX_SUBSCRIPTIONS && !self.subscriptions.contains_key(&broadcast) {
                    self.error = Some("too many subscriptions: unsubscribe from another broadcast first");
                } else {
                    let owed = self.subscriptions.entry(broadcast).or_default();
                    owed.playing = playing.or(owed.playing);
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
        if let Some(text) = self.subscriptions.values_mut().find_map(|owed| owed.playlist.take()) {
            return Some(Output::Text(text));
        }
        if let Some(text) = self.directory.take() {
            self.introduced = true;
            return Some(Output::Text(text));
        }
        if let Some(hidden) = self.hidden.pop_front() {
            return Some(Output::Text(hidden));
        }
        if std::mem::take(&mut self.missed) {
            return Some(Output::Missed);
        }
        if let Some((_, post)) = self.posts.pop_front() {
            return Some(Output::Text(post));
        }
        // Pages show what there is first, and then how the node is.
        if let Some(text) = self.node.take_if(|_| self.introduced) {
            return Some(Output::Text(text));
        }
        if let Some(text) = self.subscriptions.values_mut().find_map(|owed| owed.statistics.take()) {
            return Some(Output::Text(text));
        }
        if now >= self.ping_at {
            self.ping_at = now + PING_INTERVAL;
            return Some(Output::Ping);
        }
        None
    }

    /// When to poll again, if nothing happens before.
    pub(crate) fn next_timeout(&self) -> Instant {
        self.ping_at.min(self.heard + SILENCE_LIMIT)
    }

    pub(crate) fn is_subscribed(&self, broadcast: &BroadcastId) -> bool {
        self.subscriptions.contains_key(broadcast)
    }

    /// The broadcasts subscribed to, and whether the client plays them, where it says so.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = (BroadcastId, Option<bool>)> + '_ {
        self.subscriptions.iter().map(|(broadcast, owed)| (*broadcast, owed.playing))
    }

    /// Changes that a newer one replaced before they could be sent, since the last call.
    pub(crate) fn take_superseded(&mut self) -> u64 {
        std::mem::take(&mut self.superseded)
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
