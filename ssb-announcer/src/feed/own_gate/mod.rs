//! The gate before this node's own feed: it must never fork, whatever was restored or copied
//! (`docs/decisions/0011-own-feed.md`).
//!
//! In: which peers are dialled, connected, and how far they say to have our own feed; what the store took of it from
//! them. Out: leave to append, or why not. It never sends or stores anything: connections ask for our feed as for any
//! other, and the store takes what the node's key has signed and what continues the feed.

mod core;

use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::counter;
use stream_model::{FeedId, FeedSequence};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use self::core::{Core, Turn, Verdict};

pub use self::core::{ANSWER_WITHIN, SETTLE, WAIT_AT_MOST};

/// What to do where the database is damaged.
pub(super) const MEND_DATABASE: &str = "stop this node, put a backup of ssb.sqlite3 in its place, or move ssb.sqlite3, \
    ssb.sqlite3-wal and ssb.sqlite3-shm away; then run 'meshstream ssb recover', which fetches from peers what this node \
    announced";

/// Why nothing is appended to this node's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OwnFeedError {
    /// The owner is to ask the peers first.
    #[error("{0}: nothing is announced until 'meshstream ssb recover' was run here")]
    NeedsRecovery(RecoverReason),
    /// Somebody else appends to it.
    #[error(
        "{0}: nothing more is announced from here; stop the other node, then this one, and run 'meshstream ssb recover'"
    )]
    Conflict(Conflict),
    /// The file that it stands in is not as it was written.
    #[error("the feed database is damaged, and nothing more is announced from here: {MEND_DATABASE}")]
    Damaged,
}

/// Why an owner has to run `meshstream ssb recover` before anything is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RecoverReason {
    /// The identity was imported and its feed not looked for yet.
    #[error("this node's identity was imported")]
    Imported,
    /// The data directory was made on another machine.
    #[error("this data directory comes from another machine")]
    Moved,
    /// The identity is there, and the database is not.
    #[error("this node's feed database is gone")]
    Lost,
    /// The feed was found forked.
    #[error("this node's feed is forked")]
    Forked,
    /// A recovery of the feed ended half way.
    #[error("this node's feed was recovered in part only")]
    Unfinished,
}

/// A sign that this node's key is in use elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// This node's key signed another message than ours with this number, or after another than ours.
    #[error("this node's feed is forked at message {0}: two nodes write with its identity")]
    Forked(FeedSequence),
    /// Peers have messages that continue the feed and that this process did not write.
    #[error("another node has written message {0} of this node's feed with the same identity")]
    Elsewhere(FeedSequence),
    /// Another node has proved to have the key.
    #[error("another node runs with the identity of this one")]
    Twin,
}

/// How it stands with this node's own feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnFeed {
    /// Its last message here.
    pub sequence: FeedSequence,
    /// Messages that peers gave back since the start.
    pub recovered: u64,
    /// Answers of peers that had nothing more, since the start.
    pub answers: u64,
    /// Peers that are dialled or were asked, and are still waited for.
    pub waiting_for: usize,
    /// Connected peers that say to have more than there is here.
    pub ahead: usize,
    /// Whether this process has appended to it.
    pub appended: bool,
    /// Why nothing is appended to it.
    pub error: Option<OwnFeedError>,
}

/// The gate of one store.
#[derive(Debug)]
pub struct OwnGate {
    node: FeedId,
    core: Mutex<Core>,
    /// Says that something has changed.
    changed: watch::Sender<()>,
}

impl OwnGate {
    pub(super) fn new(node: FeedId, have: FeedSequence) -> Self {
        Self { node, core: Mutex::new(Core::new(have)), changed: watch::Sender::new(()) }
    }

    /// The feed that it guards.
    pub fn node(&self) -> FeedId {
        self.node
    }

    /// Peers are to be asked before the first append. Not needed where the identity is new.
    pub fn ask_first(&self) {
        self.core().ask_first(now());
    }

    /// Nothing is to be appended.
    pub fn require_recovery(&self, reason: RecoverReason) {
        warn!(reason = %reason, "nothing is announced until 'meshstream ssb recover' was run");
        self.core().require_recovery(reason);
    }

    /// A peer is being dialled.
    pub fn handle_dialled(&self, peer: FeedId) {
        self.core().handle_dialled(peer, now());
    }

    /// A dial has ended, with or without a connection.
    pub fn handle_dial_ended(&self, peer: FeedId) {
        self.core().handle_dial_ended(peer);
        self.changed.send_replace(());
    }

    /// A peer is connected and is asked. It counts until the returned value is dropped.
    pub fn handle_connected(self: &std::sync::Arc<Self>, peer: FeedId) -> AskedPeer {
        let turn = self.core().handle_connected(peer, now());
        AskedPeer { gate: self.clone(), peer, turn }
    }

    /// Another node proved to have this node's key.
    pub fn handle_twin(&self) {
        self.change(|core| core.handle_twin());
    }

    /// The database was found damaged.
    pub fn handle_damage(&self) {
        self.change(Core::handle_damage);
    }

    pub(super) fn handle_taken(&self, up_to: FeedSequence, count: u64) {
        counter!("meshstream_ssb_own_messages_recovered_total").increment(count);
        info!(up_to = up_to.0, count, "took messages of this node's own feed back from a peer");
        self.change(|core| core.handle_taken(up_to, count, now()));
    }

    pub(super) fn handle_fork(&self, at: FeedSequence) {
        self.change(|core| core.handle_fork(at));
    }

    pub(super) fn handle_appended(&self, up_to: FeedSequence) {
        self.core().handle_appended(up_to);
    }

    /// What speaks against an append at any time. The caller holds the store's write lock.
    pub(super) fn check(&self) -> Result<(), OwnFeedError> {
        self.core().check()
    }

    /// Waits until the first append may happen, within a bound, and lets later ones through at once. May be cancelled.
    ///
    /// # Errors
    /// [`OwnFeedError`] where nothing is to be appended.
    pub(super) async fn pass(&self) -> Result<(), OwnFeedError> {
        let mut changed = self.changed.subscribe();
        let asked_at = now();
        let mut told = false;
        loop {
            let verdict = self.core().poll(asked_at, now());
            let until = match verdict {
                Verdict::Open => break,
                Verdict::Refused(error) => {
                    counter!("meshstream_ssb_own_appends_refused_total").increment(1);
                    return Err(error);
                }
                Verdict::Wait(until) => until,
            };
            if !told {
                told = true;
                let report = self.report();
                info!(
                    peers = report.waiting_for,
                    ahead = report.ahead,
                    "asking peers for this node's own feed before the first announcement"
                );
            }
            tokio::select! {
                // The sender lives as long as this.
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
        let report = self.report();
        if !report.appended && report.ahead > 0 {
            warn!(peers = report.ahead, "peers say to have more of this node's own feed and did not give it in time");
        }
        if told {
            let waited_ms = u64::try_from(now().duration_since(asked_at).as_millis()).unwrap_or(u64::MAX);
            info!(
                waited_ms,
                answers = report.answers,
                recovered = report.recovered,
                "this node's own feed is in step with its peers"
            );
        }
        Ok(())
    }

    /// How it stands.
    pub fn report(&self) -> OwnFeed {
        self.core().report(now())
    }

    /// Says when [`report`](Self::report) may have changed by what peers did.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Changes the state, and tells of a conflict that was not there before.
    fn change(&self, change: impl FnOnce(&mut Core)) {
        let mut core = self.core();
        let before = core.check().err();
        change(&mut core);
        let after = core.check().err();
        drop(core);
        if let (true, Some(found @ OwnFeedError::Conflict(_))) = (before != after, after) {
            counter!("meshstream_ssb_own_feed_conflicts_total").increment(1);
            error!(%found, "this node's identity is in use elsewhere");
        }
        self.changed.send_replace(());
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        // Its methods do not panic half way.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connected peer that is asked for our own feed; dropping it says that it has left.
#[derive(Debug)]
pub struct AskedPeer {
    gate: std::sync::Arc<OwnGate>,
    peer: FeedId,
    turn: Turn,
}

impl AskedPeer {
    /// The peer said how far it has our own feed; 0 where it has nothing of it.
    pub fn handle_claim(&self, claims: FeedSequence) {
        let ahead = self.gate.core().handle_claim(self.peer, self.turn, claims, now());
        if ahead {
            counter!("meshstream_ssb_own_feed_ahead_total").increment(1);
        }
        self.gate.changed.send_replace(());
    }
}

impl Drop for AskedPeer {
    fn drop(&mut self) {
        self.gate.core().handle_disconnected(self.peer, self.turn);
        self.gate.changed.send_replace(());
    }
}

/// By tokio's clock, which tests may stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
