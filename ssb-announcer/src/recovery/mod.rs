//! Getting this node's own feed back from its peers: after an import, a move to another machine, an old backup, a fork.
//!
//! In: peers to ask, as they are found. Each is asked for the whole feed over a connection of its own, so that peers that
//! disagree are seen. The longest chain is taken. Out: that chain in the node's database; what only this node had, and
//! what contradicts it, in a file beside it. The node must not run meanwhile. Nothing is ever appended here.

mod ask;
mod branch;
mod finder;

use std::collections::{BTreeMap, VecDeque};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use stream_model::{FeedId, FeedSequence, SsbPeer, WallTime};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::feed::{FeedStore, MAX_READ, Message, RecoverReason, StoreError, own_tail};
use crate::gossip::BindError;
use crate::handshake::NetworkKey;
use crate::identity::{Identity, IdentityError, Place, Standing};

pub use ask::AskError;
use branch::{Branch, Choice};
pub use finder::{Offers, hear, offers};

/// Peers asked at the same time: each may hold a copy of the feed in memory.
const AT_ONCE: usize = 4;
/// Peers asked in all: more than a node has.
const MAX_PEERS: usize = 256;

/// How long to look.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// No longer than this after the last peer was found or has answered.
    pub quiet: Duration,
    /// No longer than this in all.
    pub at_most: Duration,
}

/// A peer has answered, or has failed to.
#[derive(Debug)]
pub struct Answer {
    /// Who.
    pub peer: FeedId,
    /// How much of the feed it gave.
    pub gave: FeedSequence,
    /// Why it gave no more, where that was not all it has.
    pub error: Option<AskError>,
}

/// What peers have of the feed.
#[derive(Debug)]
pub struct Found {
    choice: Choice,
    /// Peers that were asked.
    pub asked: usize,
    /// Peers that answered to the end.
    pub answered: usize,
    /// Peers that were still giving messages when the time was up.
    pub cut_off: usize,
}

impl Found {
    /// The last message of the longest chain; 0 where nobody has any.
    pub fn length(&self) -> FeedSequence {
        self.choice.best.as_ref().map_or(FeedSequence(0), Branch::length)
    }

    /// Peers whose chain is that one, or its beginning.
    pub fn agreeing(&self) -> usize {
        self.choice.agreeing
    }

    /// Peers that have another chain.
    pub fn differing(&self) -> usize {
        self.choice.differing
    }
}

/// Why the feed was not recovered. What was done until then stays and is no obstacle to trying again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The mark of the place could not be written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Messages that contradict the peers' could not be moved aside; they are still in the database.
    #[error("cannot write {path}: {source}")]
    Aside {
        /// The file for them.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A message that was valid a moment ago was refused.
    #[error("message {0} was refused by the database")]
    Refused(FeedSequence),
    /// More of the feed is known than was received.
    #[error(
        "{peers} peers were still giving messages when the time was up; the feed has {messages} here now and may have \
         more: run it again with a longer --wait"
    )]
    StillGiving {
        /// Peers that were cut off.
        peers: usize,
        /// Messages of the feed that are here.
        messages: FeedSequence,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The last message before.
    pub before: FeedSequence,
    /// The last message now.
    pub after: FeedSequence,
    /// Messages that came from peers.
    pub taken: u64,
    /// Messages of this node that contradict those of the peers, and the file that they were moved to.
    pub aside: Option<(PathBuf, u64)>,
}

/// Asks all peers that are offered. Returns once nothing has happened for a while, or the time is up: what peers have
/// given until then counts. May be cancelled.
///
/// # Errors
/// [`StoreError`] where the memory for a feed fails; failing peers are told to `progress`.
pub async fn look(
    network: NetworkKey,
    identity: Identity,
    mut offers: mpsc::Receiver<SsbPeer>,
    patience: Patience,
    mut progress: impl FnMut(&Answer),
) -> Result<Found, StoreError> {
    let started = Instant::now();
    let mut last_event = started;
    let end = started + patience.at_most;
    let mut found = Found { choice: Choice::default(), asked: 0, answered: 0, cut_off: 0 };
    let mut known: BTreeMap<FeedId, SsbPeer> = BTreeMap::new();
    let mut queue: VecDeque<SsbPeer> = VecDeque::new();
    let mut tasks = JoinSet::new();
    let mut offers_open = true;
    loop {
        let in_time = Instant::now() < end;
        while in_time
            && tasks.len() < AT_ONCE
            && let Some(peer) = queue.pop_front()
        {
            found.asked += 1;
            let (identity, branch) = (identity.clone(), Branch::new(identity.id())?);
            let network = network.clone();
            tasks.spawn(async move {
                let outcome = timeout_at(end, ask::ask(&network, &identity, &peer, &branch)).await;
                (peer.feed, branch, outcome.unwrap_or(Err(AskError::CutOff)))
            });
        }
        if !offers_open && tasks.is_empty() {
            return Ok(found);
        }
        let until = if tasks.is_empty() { end.min(last_event + patience.quiet) } else { end };
        tokio::select! {
            offer = offers.recv(), if offers_open => match offer {
                None => offers_open = false,
                Some(peer) if peer.feed == identity.id() => {}
                Some(peer) if known.len() >= MAX_PEERS && !known.contains_key(&peer.feed) => {}
                Some(peer) => if known.get(&peer.feed) != Some(&peer) {
                    known.insert(peer.feed, peer.clone());
                    queue.push_back(peer);
                    last_event = Instant::now();
                },
            },
            Some(ended) = tasks.join_next() => {
                last_event = Instant::now();
                let Ok((peer, branch, outcome)) = ended else { continue };
                found.answered += usize::from(outcome.is_ok());
                found.cut_off += usize::from(branch.length().0 > 0 && matches!(outcome, Err(AskError::CutOff)));
                progress(&Answer { peer, gave: branch.length(), error: outcome.err() });
                found.choice.consider(branch).await?;
            }
            // Those that are being asked end at the same time.
            () = sleep_until(until), if offers_open => offers_open = false,
        }
    }
}

/// Makes what peers have the node's feed: adds what is missing, and moves aside what contradicts it. Where peers have
/// anything of it, the place counts as the identity's home from then on. The caller holds the data directory's lock.
/// Where peers were cut off, what they have is not known: what continues the feed is kept, nothing is moved aside, and
/// recovery stays due.
///
/// # Errors
/// [`RecoverError`]; trying again goes on from there.
pub async fn apply(database: &Path, node: FeedId, place: &Place, found: &Found) -> Result<Recovered, RecoverError> {
    if found.length().0 > 0 && !matches!(place.standing()?, Standing::Recover(_)) {
        // Half a feed is none to go on from, whatever ends this half way.
        place.require_recovery(RecoverReason::Unfinished)?;
    }
    let mut store = open(database, node).await?;
    let before = store.clock(&node);
    let mut recovered = Recovered { before, after: before, taken: 0, aside: None };
    let Some(best) = &found.choice.best else { return Ok(recovered) };
    let still_giving = |messages| RecoverError::StillGiving { peers: found.cut_off, messages };
    blocking(database, own_tail::forget_indexes).await?;
    if let Some(from) = best.differs_from(&store).await? {
        if found.cut_off > 0 {
            return Err(still_giving(before));
        }
        let tail = read_all(&store, node, from).await?;
        let path = write_aside(database, from, &tail)?;
        recovered.aside = Some((path, tail.len() as u64));
        drop(store);
        blocking(database, move |database| own_tail::remove(database, &node, from)).await?;
        store = open(database, node).await?;
    }
    loop {
        let have = store.clock(&node);
        let messages = best.read(have.next()).await?;
        if messages.is_empty() {
            recovered.after = have;
            break;
        }
        let values = messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())).collect();
        let answers = store.append_remote(values).await?;
        if answers.iter().any(Result::is_err) {
            return Err(RecoverError::Refused(have.next()));
        }
        recovered.taken += answers.len() as u64;
    }
    if found.cut_off > 0 {
        return Err(still_giving(recovered.after));
    }
    place.settle()?;
    Ok(recovered)
}

async fn open(database: &Path, node: FeedId) -> Result<FeedStore, StoreError> {
    let store = blocking(database, move |database| FeedStore::open(database, node, vec![])).await?;
    store.check_whole_file().await?;
    Ok(store)
}

async fn blocking<T: Send + 'static>(
    database: &Path,
    work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let database = database.to_owned();
    spawn_blocking(move || work(&database)).await.map_err(|_| StoreError::Cancelled)?
}

async fn read_all(store: &FeedStore, feed: FeedId, from: FeedSequence) -> Result<Vec<Message>, StoreError> {
    let (mut all, mut next): (Vec<Message>, _) = (Vec::new(), from);
    loop {
        let more = store.get(feed, next, MAX_READ).await?;
        let Some(last) = more.last() else { return Ok(all) };
        next = last.sequence.next();
        all.extend(more);
    }
}

/// One message a line, as JSON. Durable when it returns.
fn write_aside(database: &Path, from: FeedSequence, tail: &[Message]) -> Result<PathBuf, RecoverError> {
    let path = database.with_file_name(format!("set-aside-{from}-{}.jsonl", WallTime::now().0));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut file| {
        for message in tail {
            writeln!(file, "{}", message.value_json)?;
        }
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(path),
        Err(source) => Err(RecoverError::Aside { path, source }),
    }
}
