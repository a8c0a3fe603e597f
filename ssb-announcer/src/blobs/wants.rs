//! Which blobs are looked for, for how long, and who fetches them. Pure: time is an argument.
//!
//! What a neighbour looks for is looked for too, so that a picture crosses a node where nobody sees it; with each hop the
//! wish grows weaker, as in JavaScript, and there is room for few.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stream_model::BlobId;

/// The hops of a wish of this node's own. Notices carry them as negative numbers.
pub const OURS: u8 = 1;
/// Wishes from further away are not joined (npm `ssb-blobs`, `sympathy`).
pub const MAX_HOPS: u8 = 3;
/// Own wishes at once: the pictures of a long page.
pub const MAX_OURS: usize = 256;
/// Wishes of neighbours that are joined at once.
pub const MAX_FOR_PEERS: usize = 64;
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
    fetch: Option<(FetchId, Instant)>,
}

/// All wishes.
#[derive(Debug, Default)]
pub struct Wants {
    wanted: BTreeMap<BlobId, Want>,
}

impl Wants {
    /// This node looks for a blob. Whether peers are to be told: it is new, or was a neighbour's wish only.
    pub fn add(&mut self, id: BlobId, now: Instant) -> bool {
        self.insert(id, OURS, now)
    }

    /// A neighbour looks for a blob for somebody `hops` away from us. Whether other peers are to be told.
    pub fn add_for_peer(&mut self, id: BlobId, hops: u8, now: Instant) -> bool {
        hops <= MAX_HOPS && self.insert(id, hops.max(OURS + 1), now)
    }

    fn insert(&mut self, id: BlobId, hops: u8, now: Instant) -> bool {
        self.wanted.retain(|_, want| want.until > now);
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
            self.wanted.insert(id, Want { hops, until, fetch: None });
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

    /// Whether this connection is to fetch a blob, which no other does meanwhile.
    pub fn begin_fetch(&mut self, id: BlobId, fetch: FetchId, now: Instant) -> bool {
        let goes_on = |want: &Want| want.fetch.is_some_and(|(_, since)| now < since + FETCH_WITHIN);
        if self.wanted.values().filter(|want| goes_on(want)).count() >= MAX_FETCHES {
            return false;
        }
        match self.wanted.get_mut(&id).filter(|want| want.until > now && !goes_on(want)) {
            Some(want) => {
                want.fetch = Some((fetch, now));
                true
            }
            None => false,
        }
    }

    /// A fetch came to its end.
    pub fn end_fetch(&mut self, id: BlobId, fetch: FetchId) {
        if let Some(want) = self.wanted.get_mut(&id)
            && want.fetch.is_some_and(|(running, _)| running == fetch)
        {
            want.fetch = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: BlobId = BlobId([1; 32]);
    const B: BlobId = BlobId([2; 32]);

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
        assert!(!wants.add_for_peer(A, MAX_HOPS + 1, now));
        assert!(wants.add_for_peer(A, 3, now));
        assert!(wants.add_for_peer(A, 2, now));
        assert!(!wants.add_for_peer(A, 3, now));
        assert!(wants.add_for_peer(B, 0, now));
        assert_eq!(wants.wanted(now), [(A, 2), (B, 2)], "a neighbour cannot pass its wish off as ours");
        assert!(wants.add(A, now));
        assert_eq!(wants.wanted(now + PEERS_LAST), [(A, OURS)]);
    }

    #[test]
    fn neighbours_cannot_take_the_room_of_our_own_wishes() {
        let (mut wants, now) = (Wants::default(), Instant::now());
        let joined = (0..1_000).filter(|n| wants.add_for_peer(id(*n), 2, now)).count();
        assert_eq!(joined, MAX_FOR_PEERS);
        let ours = (1_000..2_000).filter(|n| wants.add(id(*n), now)).count();
        assert_eq!(ours, MAX_OURS);
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
