//! What sockets are told, made once for all of them: one task looks at the ports, renders what has changed, and hands the same
//! bytes to each socket. It renders nothing while no socket is open, and ends with the router that it belongs to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use stream_model::{BroadcastId, DirectoryChange, MediaSequence, MessageKey, Post, TimelineChange};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::protocol::{ServerMessage, StatisticsView};
use crate::app::Ports;
use crate::node_state::NodeState;
use crate::served::Served;
use crate::view::{MAX_SHOWN, MAX_UPCOMING, UpcomingView, shown};

/// Events that a socket's task may lag behind before it misses some: those of some seconds in a busy mesh.
const MAX_EVENTS: usize = 256;

/// Least time between two copies of the directory: about 80 KB at most, over a phone's WiFi.
const DIRECTORY_PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether the node and the statistics have changed, which is the most that clients are told of them.
const LOOK: Duration = Duration::from_secs(5);

/// Broadcasts that statistics are told of: those that most sockets subscribed to.
const MAX_STATISTICS: usize = 64;

/// Broadcasts subscribed to that are considered for that.
const MAX_CONSIDERED: usize = 1_024;

/// Something that has happened, as JSON.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// To who subscribed to the broadcast.
    Playlist(BroadcastId, Utf8Bytes),
    /// Likewise.
    Statistics(BroadcastId, Utf8Bytes),
    /// Likewise.
    Comment(BroadcastId, MessageKey, Utf8Bytes),
    /// To who follows the timeline.
    Post(MessageKey, Utf8Bytes),
    /// To whoever may show it.
    Hidden(MessageKey, Utf8Bytes),
    /// Comments or posts were lost.
    Missed,
}

/// What one socket hears.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) events: broadcast::Receiver<Event>,
    /// The directory as it is now; empty until it has been rendered.
    pub(super) directory: watch::Receiver<Utf8Bytes>,
    /// The node, likewise.
    pub(super) node: watch::Receiver<Utf8Bytes>,
}

/// Where sockets come to hear.
#[derive(Debug, Clone)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    board: Arc<Board>,
    /// From the first socket on.
    task: Mutex<Option<AbortOnDropHandle<()>>>,
}

#[derive(Debug)]
struct Board {
    events: broadcast::Sender<Event>,
    directory: watch::Sender<Utf8Bytes>,
    node: watch::Sender<Utf8Bytes>,
    subscribed: Mutex<HashMap<BroadcastId, Subscribed>>,
    /// A socket has come, or a broadcast is subscribed to that was not.
    news: Notify,
}

#[derive(Debug, Default)]
struct Subscribed {
    sockets: usize,
    /// The newest segment listed since somebody subscribed.
    listed: Option<MediaSequence>,
    statistics: Option<(StatisticsView, Utf8Bytes)>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        let board = Board {
            events: broadcast::Sender::new(MAX_EVENTS),
            directory: watch::Sender::default(),
            node: watch::Sender::default(),
            subscribed: Mutex::default(),
            news: Notify::new(),
        };
        Self(Arc::new(Shared { board: Arc::new(board), task: Mutex::default() }))
    }

    /// A socket comes. Must be called within a tokio runtime.
    pub(super) fn join(&self, ports: &Ports, served: &Served) -> Feed {
        let board = &self.0.board;
        let feed = Feed {
            events: board.events.subscribe(),
            directory: board.directory.subscribe(),
            node: board.node.subscribe(),
        };
        let mut task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortOnDropHandle::is_finished) {
            let rounds = Rounds { board: board.clone(), ports: ports.clone(), served: served.clone() };
            *task = Some(AbortOnDropHandle::new(tokio::spawn(rounds.run())));
        }
        board.news.notify_one();
        feed
    }

    /// A socket subscribes to a broadcast, until the return is dropped.
    pub(super) fn subscribe(&self, broadcast: BroadcastId) -> Subscription {
        let board = self.0.board.clone();
        let mut all = board.subscribed();
        let subscribed = all.entry(broadcast).or_default();
        subscribed.sockets += 1;
        let is_new = subscribed.sockets == 1;
        drop(all);
        if is_new {
            board.news.notify_one();
        }
        Subscription { board, broadcast }
    }
}

/// Of one socket to one broadcast.
#[derive(Debug)]
pub(super) struct Subscription {
    board: Arc<Board>,
    broadcast: BroadcastId,
}

impl Subscription {
    /// What was told last, if anything was.
    pub(super) fn statistics(&self) -> Option<Utf8Bytes> {
        let all = self.board.subscribed();
        Some(all.get(&self.broadcast)?.statistics.as_ref()?.1.clone())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut all = self.board.subscribed();
        if let Some(subscribed) = all.get_mut(&self.broadcast) {
            subscribed.sockets -= 1;
            if subscribed.sockets == 0 {
                all.remove(&self.broadcast);
            }
        }
    }
}

impl Board {
    fn subscribed(&self) -> MutexGuard<'_, HashMap<BroadcastId, Subscribed>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_heard(&self) -> bool {
        self.directory.receiver_count() > 0
    }

    fn send(&self, event: Event) {
        // Without any socket there is nobody to tell.
        let _ = self.events.send(event);
    }
}

/// The task.
struct Rounds {
    board: Arc<Board>,
    ports: Ports,
    served: Served,
}

impl Rounds {
    async fn run(self) {
        // Before the first copy of the directory is taken, so that no change falls between.
        let mut directory = self.ports.directory.subscribe();
        let mut playlists = self.ports.playlists.subscribe();
        let mut posts = self.ports.timeline.subscribe();
        let mut moderated = self.ports.moderation.changes();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut directory_due, mut not_before) = (true, Instant::now());
        loop {
            let heard = self.board.is_heard();
            if !heard {
                // Who comes next is told nothing that is past.
                directory_due = true;
                self.board.directory.send_replace(Utf8Bytes::default());
                self.board.node.send_replace(Utf8Bytes::default());
            }
            tokio::select! {
                change = directory.next() => match change {
                    Some(DirectoryChange::Broadcast(_) | DirectoryChange::Schedule(_) | DirectoryChange::Missed) => {
                        directory_due = true;
                    }
                    // A segment announced changes nothing that is shown until a playlist lists it.
                    Some(DirectoryChange::Segment(..)) => {}
                    None => return,
                },
                change = playlists.next() => {
                    let Some(change) = change else { return };
                    if let Some(subscribed) = self.board.subscribed().get_mut(&change.broadcast) {
                        subscribed.listed = change.media_sequence;
                    }
                    let renditions = self.ports.directory.renditions(&change.broadcast).len();
                    self.board.send(Event::Playlist(change.broadcast, ServerMessage::playlist(change, renditions).text()));
                }
                change = posts.next() => match change {
                    Some(TimelineChange::Post(post)) if heard => self.tell_of(*post),
                    Some(TimelineChange::Post(_)) => {}
                    Some(TimelineChange::Missed) => self.board.send(Event::Missed),
                    None => return,
                },
                message = moderated.next() => {
                    let Some(key) = message else { return };
                    // What is shown again comes with the next page.
                    if self.ports.moderation.hides(&key) {
                        self.board.send(Event::Hidden(key, ServerMessage::Hidden { key }.text()));
                    }
                }
                () = sleep_until(not_before), if directory_due && heard => {
                    directory_due = false;
                    not_before = Instant::now() + DIRECTORY_PAUSE;
                    self.board.directory.send_replace(self.directory());
                }
                _ = look.tick(), if heard => {
                    self.look_at_node().await;
                    self.look_at_audience(false);
                }
                () = self.board.news.notified() => {
                    if self.board.node.borrow().is_empty() {
                        self.look_at_node().await;
                    }
                    self.look_at_audience(true);
                }
            }
        }
    }

    fn directory(&self) -> Utf8Bytes {
        let ports = &self.ports;
        let broadcasts = shown(ports.directory.listings(), &*ports.standings, &*ports.playlists, MAX_SHOWN);
        let upcoming = ports.directory.upcoming().into_iter().take(MAX_UPCOMING).map(UpcomingView::from).collect();
        ServerMessage::Directory { broadcasts, upcoming }.text()
    }

    fn tell_of(&self, post: Post) {
        let (key, root, broadcast) = (post.key, post.root.is_some(), post.broadcast);
        let text = || ServerMessage::post(post, &*self.ports.directory).text();
        match (root, broadcast) {
            (false, _) => self.board.send(Event::Post(key, text())),
            (true, Some(broadcast)) => self.board.send(Event::Comment(broadcast, key, text())),
            // An answer to a post that is about no broadcast is told to nobody.
            (true, None) => {}
        }
    }

    async fn look_at_node(&self) {
        let text = ServerMessage::Node(NodeState::of(&*self.ports.status).await).text();
        self.board.node.send_if_modified(|before| {
            let changed = *before != text;
            *before = text;
            changed
        });
    }

    /// Looks at the broadcasts that are subscribed to; at those alone of which nothing was told yet where only these are asked for.
    fn look_at_audience(&self, new_alone: bool) {
        let considered: Vec<_> = {
            let all = self.board.subscribed();
            let mut considered: Vec<_> = all.iter().map(|(id, of)| (of.sockets, *id, of.listed)).collect();
            considered.sort_unstable_by_key(|(sockets, id, _)| (std::cmp::Reverse(*sockets), *id));
            considered
        };
        let listed = considered.into_iter().take(MAX_CONSIDERED).filter_map(|(_, id, listed)| {
            let listing = self.ports.directory.listing(&id)?;
            Some((listing, listed))
        });
        for (listing, newest) in listed.take(MAX_STATISTICS) {
            let view = StatisticsView::of(&listing, newest, &self.ports, &self.served);
            let mut all = self.board.subscribed();
            let Some(subscribed) = all.get_mut(&listing.id) else { continue };
            let told = subscribed.statistics.as_ref().map(|(told, _)| told);
            if told == Some(&view) || new_alone && told.is_some() {
                continue;
            }
            let text = ServerMessage::Statistics(view.clone()).text();
            subscribed.statistics = Some((view, text.clone()));
            drop(all);
            self.board.send(Event::Statistics(listing.id, text));
        }
    }
}
