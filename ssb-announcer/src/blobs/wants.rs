//! Which blobs are looked for, for how long, who fetches them, and on whose behalf. Pure: time is an argument.
//!
//! What a neighbour looks for is looked for too, so that a picture crosses a node where nobody sees it; with each hop the
//! wish grows weaker, as in JavaScript, and there is room for few of each neighbour, and for so many bytes ([`Budget`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stream_model::{BlobId, FeedId};

use super::budget::Budget;

/// The hops of a wish of this node's own. Notices carry them as negative numbers.
pub const OURS: u8 = 1;
/// Wishes from further away are not joined (npm `ssb-blobs`, `sympathy`).
pub const MAX_HOPS: u8 = 3;
/// Own wishes at once: the pictures of a long page.
pub const MAX_OURS: usize = 256;
/// Wishes of neighbours that are joined at once.
pub const MAX_FOR_PEERS: usize = 64;
/// Wishes of one neighbour that are joined at once, so that few cannot take all places: as many as are fetched at once. Further
/// ones wait at its connection.
pub const MAX_FOR_PEER: usize = 8;
/// How long a wish of our own lasts: a page that is opened again wishes anew.
pub const OURS_LAST: Duration = Duration::from_secs(3_600);
/// How long a neighbour's wish is joined.
pub const PEERS_LAST: Duration = Duration::from_secs(600);
/// How long one peer may take to bring a blob before another may try.
pub const FETCH_WITHIN: Duration = Duration::from_secs(30);
/// Blobs fetched at once, by all connections: each is held in memory until it is whole.
pub const MAX_FETCHES: usize = 8;

/// Names the connection that fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchId(pub u64);

#[derive(Debug)]
struct Want {
    hops: u8,
    until: Instant,
    /// The neighbours for which it is looked for, and how long.
    peers: BTreeMap<FeedId, Instant>,
    fetch: Option<Fetch>,
}

#[derive(Debug)]
struct Fetch {
    by: FetchId,
    since: Instant,
    /// Of whose budget a blob's size is set aside.
    peer: Option<FeedId>,
}

impl Want {
    fn is_fetched(&self, now: Instant) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| now < fetch.since + FETCH_WITHIN)
    }

    /// The neighbours that look for it still.
    fn looking(&self, now: Instant) -> impl Iterator<Item = FeedId> {
        self.peers.iter().filter(move |(_, until)| **until > now).map(|(peer, _)| *peer)
    }
}

/// What came of a neighbour's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It is joined, and other peers are to be told.
    New,
    /// The blob is looked for already, or from too far away.
    Quiet,
    /// There is no room for it now.
    NoRoom,
}

/// All wishes.
#[derive(Debug, Default)]
pub struct Wants {
    wanted: BTreeMap<BlobId, Want>,
    budget: Budget,
}

impl Wants {
    /// This node looks for a blob. Whether peers are to be told: it is new, or was a neighbour's wish only.
    pub fn add(&mut self, id: BlobId, now: Instant) -> bool {
        self.forget_past(now);
        self.insert(id, OURS, now)
    }

    /// A neighbour looks for a blob for somebody `hops` away from us.
    pub fn add_for_peer(&mut self, peer: FeedId, id: BlobId, hops: u8, now: Instant) -> Joined {
        self.forget_past(now);
        if hops > MAX_HOPS || self.wanted.get(&id).is_some_and(|want| want.hops == OURS) {
            return Joined::Quiet;
        }
        let known = self.wanted.get(&id).is_some_and(|want| want.peers.contains_key(&peer));
        let open = self.wanted.values().filter(|want| want.peers.contains_key(&peer)).count();
        if !known && open >= MAX_FOR_PEER {
            return Joined::NoRoom;
        }
        let tell = self.insert(id, hops.max(OURS + 1), now);
        match self.wanted.get_mut(&id) {
            Some(want) => {
                want.peers.insert(peer, now + PEERS_LAST);
                if tell { Joined::New } else { Joined::Quiet }
            }
            None => Joined::NoRoom,
        }
    }

    fn forget_past(&mut self, now: Instant) {
        self.wanted.retain(|_, want| {
            want.peers.retain(|_, until| *until > now);
            want.until > now
        });
    }

    fn insert(&mut self, id: BlobId, hops: u8, now: Instant) -> bool {
        let ours = hops == OURS;
        let until = now + if ours { OURS_LAST } else { PEERS_LAST };
        if let Some(want) = self.wanted.get_mut(&id) {
            want.until = want.until.max(until);
            let nearer = hops < want.hops;
            want.hops = want.hops.min(hops);
            return nearer;
        }
        let same = self.wanted.values().filter(|want| (want.hops == OURS) == ours).count();
        let room = same < if ours { MAX_OURS } else { MAX_FOR_PEERS };
        if room {
            self.wanted.insert(id, Want { hops, until, peers: BTreeMap::new(), fetch: None });
        }
        room
    }

    /// What is looked for, with the hops.
    pub fn wanted(&self, now: Instant) -> Vec<(BlobId, u8)> {
        self.wanted.iter().filter(|(_, want)| want.until > now).map(|(id, want)| (*id, want.hops)).collect()
    }

    /// Whether a blob is looked for.
    pub fn is_wanted(&self, id: &BlobId, now: Instant) -> bool {
        self.wanted.get(id).is_some_and(|want| want.until > now)
    }

    /// A blob is here.
    pub fn handle_held(&mut self, id: &BlobId) {
        self.wanted.remove(id);
    }

    /// Whether this connection is to fetch a blob, which no other does meanwhile, and which we look for ourselves or one of
    /// the neighbours that do has the budget for.
    pub fn begin_fetch(&mut self, id: BlobId, fetch: FetchId, now: Instant) -> bool {
        if self.wanted.values().filter(|want| want.is_fetched(now)).count() >= MAX_FETCHES {
            return false;
        }
        let Some(want) = self.wanted.get_mut(&id).filter(|want| want.until > now && !want.is_fetched(now)) else {
            return false;
        };
        let peer = if want.hops == OURS {
            None
        } else {
            let Some(richest) = want.looking(now).max_by_key(|peer| self.budget.left(peer, now)) else { return false };
            if !self.budget.reserve(richest, now) {
                return false;
            }
            Some(richest)
        };
        want.fetch = Some(Fetch { by: fetch, since: now, peer });
        true
    }

    /// When a neighbour's wish that found no room may find it by the passing of time alone: some other has ended then.
    pub fn next_room(&self, now: Instant) -> Option<Instant> {
        self.wanted.values().flat_map(|want| want.peers.values()).filter(|until| **until > now).min().copied()
    }

    /// When a blob that only waits for a neighbour's budget may be fetched.
    pub fn next_fetch(&self, id: &BlobId, now: Instant) -> Option<Instant> {
        let want = self.wanted.get(id).filter(|want| want.hops != OURS && !want.is_fetched(now))?;
        let next = want.looking(now).map(|peer| self.budget.next_reserve(&peer, now)).min()?;
        (now < next && next < want.until).then_some(next)
    }

    /// So many bytes came of a fetch, which is at its end, whether they are the blob or not.
    pub fn handle_bytes(&mut self, id: &BlobId, fetch: FetchId, bytes: u64, now: Instant) {
        if let Some(running) = self.wanted.get_mut(id).and_then(|want| want.fetch.as_mut())
            && running.by == fetch
            && let Some(peer) = running.peer.take()
        {
            self.budget.settle(&peer, bytes, now);
        }
    }

    /// A fetch came to nothing.
    pub fn end_fetch(&mut self, id: BlobId, fetch: FetchId) {
        if let Some(want) = self.wanted.get_mut(&id)
            && want.fetch.as_ref().is_some_and(|running| running.by == fetch)
        {
            want.fetch = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_BLOB;
    use super::super::budget::{AT_ONCE, PER_HOUR};
    use super::*;

    const A: BlobId = BlobId([1; 32]);
    const B: BlobId = BlobId([2; 32]);

    const PEER: FeedId = FeedId([7; 32]);
    const OTHER: FeedId = FeedId([8; 32]);

    fn id(n: usize) -> BlobId {
        BlobId([&n.to_be_bytes()[..], &[0; 24]].concat().try_into().unwrap())
    }

    #[test]
    fn a_wish_is_told_once_and_ends_with_its_time() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        assert!(wants.add(A, now));
        assert!(!wants.add(A, now));
        assert_eq!(wants.wanted(now), [(A, OURS)]);
        assert!(!wants.is_wanted(&A, now + OURS_LAST));
        assert!(wants.add(A, now + OURS_LAST));
        wants.handle_held(&A);
        assert_eq!(wants.wanted(now), []);
    }

    #[test]
    fn a_neighbours_wish_is_joined_from_near_and_becomes_ours_when_we_wish_it_too() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        assert_eq!(wants.add_for_peer(PEER, A, MAX_HOPS + 1, now), Joined::Quiet);
        assert_eq!(wants.add_for_peer(PEER, A, 3, now), Joined::New);
        assert_eq!(wants.add_for_peer(OTHER, A, 2, now), Joined::New);
        assert_eq!(wants.add_for_peer(PEER, A, 3, now), Joined::Quiet);
        assert_eq!(wants.add_for_peer(PEER, B, 0, now), Joined::New);
        assert_eq!(wants.wanted(now), [(A, 2), (B, 2)], "a neighbour cannot pass its wish off as ours");
        assert!(wants.add(A, now));
        assert_eq!(wants.wanted(now + PEERS_LAST), [(A, OURS)]);
    }

    #[test]
    fn neighbours_cannot_take_the_room_of_our_own_wishes() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        let peer = |n: usize| FeedId(id(n).0);
        let joined = (0..1_000).filter(|n| wants.add_for_peer(peer(*n), id(*n), 2, now) == Joined::New).count();
        assert_eq!(joined, MAX_FOR_PEERS);
        let ours = (1_000..2_000).filter(|n| wants.add(id(*n), now)).count();
        assert_eq!(ours, MAX_OURS);
    }

    #[test]
    fn one_neighbour_cannot_take_the_places_of_others_and_gets_its_own_back() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        let joined = (0..1_000).filter(|n| wants.add_for_peer(PEER, id(*n), 2, now) == Joined::New).count();
        assert_eq!(joined, MAX_FOR_PEER);
        assert_eq!(wants.add_for_peer(PEER, id(0), 2, now), Joined::Quiet, "one that it has is no further one");
        assert_eq!(wants.add_for_peer(OTHER, id(999), 2, now), Joined::New);
        assert_eq!(wants.add_for_peer(PEER, id(999), 2, now), Joined::NoRoom, "nor is it let in by another's");
        wants.handle_held(&id(0));
        assert_eq!(wants.add_for_peer(PEER, id(50), 2, now), Joined::New);
        assert_eq!(wants.add_for_peer(PEER, id(51), 2, now), Joined::NoRoom);
        assert_eq!(wants.add_for_peer(PEER, id(51), 2, now + PEERS_LAST), Joined::New);
    }

    /// The blobs of the largest size that are fetched where these look for one after the other.
    fn fetched(wants: &mut Wants, peers: &[FeedId], blobs: std::ops::Range<usize>, now: Instant) -> u64 {
        let mut fetched = 0;
        for n in blobs {
            peers.iter().for_each(|peer| assert_ne!(wants.add_for_peer(*peer, id(n), 2, now), Joined::NoRoom));
            if wants.begin_fetch(id(n), FetchId(1), now) {
                wants.handle_bytes(&id(n), FetchId(1), MAX_BLOB as u64, now);
                fetched += MAX_BLOB as u64;
            }
            wants.handle_held(&id(n));
        }
        fetched
    }

    #[test]
    fn no_more_is_fetched_for_a_neighbour_than_its_budget() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        assert_eq!(fetched(&mut wants, &[PEER], 0..100, now), AT_ONCE);
        assert_eq!(fetched(&mut wants, &[PEER, OTHER], 100..200, now), AT_ONCE, "another's wish is of its own budget");
        assert_eq!(fetched(&mut wants, &[PEER], 200..300, now + Duration::from_secs(3_600)), PER_HOUR);
        wants.add_for_peer(PEER, A, 2, now);
        assert!(!wants.begin_fetch(A, FetchId(1), now));
        wants.add(A, now);
        assert!(wants.begin_fetch(A, FetchId(1), now), "what we look for ourselves is of nobody's budget");
    }

    #[test]
    fn a_wish_that_waits_for_the_budget_knows_when_it_is_back() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        fetched(&mut wants, &[PEER], 0..100, now);
        wants.add_for_peer(PEER, A, 2, now);
        assert!(!wants.begin_fetch(A, FetchId(1), now));
        let next = wants.next_fetch(&A, now).unwrap();
        assert!(!wants.begin_fetch(A, FetchId(1), next - Duration::from_secs(2)));
        assert!(wants.begin_fetch(A, FetchId(1), next));
        assert_eq!(wants.next_fetch(&A, next), None, "it is fetched");
        assert_eq!(wants.next_fetch(&B, now), None, "nobody looks for it");
    }

    #[test]
    fn a_wish_without_room_knows_when_others_end() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        assert_eq!(wants.next_room(now), None);
        for n in 0..MAX_FOR_PEER {
            assert_eq!(wants.add_for_peer(PEER, id(n), 2, now + Duration::from_secs(n as u64)), Joined::New);
        }
        let next = wants.next_room(now).unwrap();
        assert_eq!(wants.add_for_peer(PEER, A, 2, next - Duration::from_secs(1)), Joined::NoRoom);
        assert_eq!(wants.add_for_peer(PEER, A, 2, next), Joined::New);
    }

    #[test]
    fn what_did_not_come_is_not_counted() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        wants.add_for_peer(PEER, A, 2, now);
        for connection in 0..1_000 {
            assert!(wants.begin_fetch(A, FetchId(connection), now));
            wants.handle_bytes(&A, FetchId(connection), 0, now);
            wants.handle_bytes(&A, FetchId(connection), 0, now);
            wants.end_fetch(A, FetchId(connection));
        }
        assert_eq!(fetched(&mut wants, &[PEER], 0..100, now), AT_ONCE);
    }

    #[test]
    fn one_connection_fetches_until_it_ends_or_takes_too_long() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        assert!(!wants.begin_fetch(A, FetchId(1), now));
        wants.add(A, now);
        assert!(wants.begin_fetch(A, FetchId(1), now));
        assert!(!wants.begin_fetch(A, FetchId(2), now));
        wants.end_fetch(A, FetchId(2));
        assert!(!wants.begin_fetch(A, FetchId(2), now));
        assert!(wants.begin_fetch(A, FetchId(2), now + FETCH_WITHIN));
        wants.end_fetch(A, FetchId(1));
        assert!(!wants.begin_fetch(A, FetchId(3), now + FETCH_WITHIN));
        wants.end_fetch(A, FetchId(2));
        assert!(wants.begin_fetch(A, FetchId(3), now + FETCH_WITHIN));
    }

    #[test]
    fn few_blobs_are_fetched_at_once() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        assert!((0..MAX_OURS).all(|n| wants.add(id(n), now)));
        let begun = (0..MAX_OURS).filter(|n| wants.begin_fetch(id(*n), FetchId(1), now)).count();
        assert_eq!(begun, MAX_FETCHES);
    }
}
