//! Who was heard on the LAN, and where. Pure: time is an argument.
//!
//! In: what datagrams say. Out: changes for whoever dials. Anybody can make up identities by the thousand, so there are
//! few places, few of them for one sender, and nobody who is connected loses one.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stream_model::{FeedId, SsbPeer};

use super::interfaces::is_link_local;
use crate::gossip::peers::Standing;

/// Peers on one LAN: more than a mesh node has neighbours, a quarter of what gossip remembers in all.
pub(super) const MAX_HEARD: usize = 64;
/// Peers at one sender's address: the programs of one host.
const MAX_OF_SOURCE: usize = 8;
/// Addresses of one peer: IPv4, an overlay or two, link-local, over two interfaces.
const MAX_ADDRESSES: usize = 6;
/// A peer, or an address of it, is forgotten after this long without a word: several announcements of a settled network.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(120);

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A peer is new, or the place that it speaks from is.
    Heard(SsbPeer),
    /// Other addresses of a known peer changed, by the word of a datagram alone.
    Told(SsbPeer),
    /// A peer has been silent for long, or lost its place.
    Gone(FeedId),
}

/// What a datagram says that was not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Nothing,
    /// An address from which it did not come, or another port.
    Other,
    /// The place from which it came.
    Own,
}

/// Whether a datagram's word was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Of somebody new.
    New,
    /// Of somebody known.
    Known,
    /// There is no place for one more.
    Full,
    /// Of somebody who signs what it says; this was not signed.
    Unsigned,
}

#[derive(Debug)]
struct Place {
    address: SocketAddr,
    at: Instant,
}

#[derive(Debug)]
struct Entry {
    /// Its datagrams are signed.
    signs: bool,
    source: IpAddr,
    /// Best first.
    places: Vec<Place>,
    at: Instant,
}

impl Entry {
    fn peer(&self, feed: FeedId) -> SsbPeer {
        SsbPeer { feed, addresses: self.places.iter().map(|place| place.address).collect() }
    }

    /// What is new of the addresses. `own` is the sender's, and comes before others. Link-local ones come last: they
    /// carry SSB as well, but other protocols cannot name them.
    fn learn(&mut self, addresses: &[SocketAddr], own: IpAddr, now: Instant) -> News {
        let mut news = News::Nothing;
        // Another port at the same place is no move: else a made-up one in each datagram were a new one each time.
        let moves = self.places.iter().all(|place| place.address.ip() != own);
        for address in addresses {
            if let Some(place) = self.places.iter_mut().find(|place| place.address == *address) {
                place.at = now;
                continue;
            }
            if self.places.len() >= MAX_ADDRESSES {
                let oldest = self.places.iter().enumerate().min_by_key(|(_, place)| place.at).map(|(n, _)| n);
                oldest.map(|n| self.places.remove(n));
            }
            let place = Place { address: *address, at: now };
            let at = match address.ip() {
                ip if is_link_local(ip) => self.places.len(),
                ip if ip == own => 0,
                _ => self.places.iter().take_while(|place| !is_link_local(place.address.ip())).count(),
            };
            self.places.insert(at, place);
            news = news.max(if moves && address.ip() == own { News::Own } else { News::Other });
        }
        news
    }
}

#[derive(Debug, Default)]
pub(super) struct HeardPeers {
    entries: BTreeMap<FeedId, Entry>,
    /// At most as many as there are peers, and what one call displaces: the caller takes them after each call.
    changes: VecDeque<Change>,
}

impl HeardPeers {
    /// A datagram from `source` says that a peer is at these addresses. `standing` tells what came of those heard before.
    pub(super) fn handle(
        &mut self,
        peer: SsbPeer,
        signed: bool,
        source: IpAddr,
        now: Instant,
        standing: impl Fn(&FeedId) -> Standing,
    ) -> Verdict {
        let SsbPeer { feed, addresses } = peer;
        if let Some(entry) = self.entries.get_mut(&feed) {
            if entry.signs && !signed {
                return Verdict::Unsigned;
            }
            if signed && !entry.signs {
                // What others may have said of it counts no more.
                entry.places.clear();
            }
            entry.signs = signed;
            (entry.source, entry.at) = (source, now);
            match entry.learn(&addresses, source, now) {
                News::Nothing => {}
                News::Other => self.changes.push_back(Change::Told(entry.peer(feed))),
                News::Own => self.changes.push_back(Change::Heard(entry.peer(feed))),
            }
            return Verdict::Known;
        }
        if !self.make_room(source, standing) {
            return Verdict::Full;
        }
        let mut entry = Entry { signs: signed, source, places: Vec::new(), at: now };
        entry.learn(&addresses, source, now);
        self.changes.push_back(Change::Heard(entry.peer(feed)));
        self.entries.insert(feed, entry);
        Verdict::New
    }

    /// Where all places are taken, a newcomer gets one of the sender that has most, or else one of somebody who was
    /// dialled in vain. So whoever is really there finds a place even in a flood, after some tries.
    fn make_room(&mut self, newcomer: IpAddr, standing: impl Fn(&FeedId) -> Standing) -> bool {
        let of = |source: IpAddr| self.entries.values().filter(|entry| entry.source == source).count();
        let own = of(newcomer);
        if own >= MAX_OF_SOURCE {
            return false;
        }
        if self.entries.len() < MAX_HEARD {
            return true;
        }
        let others = self.entries.iter().filter_map(|(feed, entry)| {
            let (failing, crowd) = (standing(feed), of(entry.source));
            let loses = failing == Standing::Failing || failing == Standing::Open && crowd > own + 1;
            loses.then_some((crowd > own + 1, failing == Standing::Failing, crowd, std::cmp::Reverse(entry.at), *feed))
        });
        let Some((.., victim)) = others.max() else { return false };
        self.entries.remove(&victim);
        self.changes.push_back(Change::Gone(victim));
        true
    }

    /// Forgets who has been silent for long.
    pub(super) fn expire(&mut self, now: Instant) {
        let silent = |at: Instant| now.saturating_duration_since(at) >= FORGET_AFTER;
        self.entries.retain(|feed, entry| {
            let gone = silent(entry.at);
            if gone {
                self.changes.push_back(Change::Gone(*feed));
            }
            !gone
        });
        for (feed, entry) in &mut self.entries {
            let before = entry.places.len();
            entry.places.retain(|place| !silent(place.at));
            if entry.places.len() != before {
                self.changes.push_back(Change::Told(entry.peer(*feed)));
            }
        }
    }

    /// What changed, in order.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn feed(n: u32) -> FeedId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        FeedId(bytes)
    }

    fn source(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    fn peer(n: u32, addresses: &[&str]) -> SsbPeer {
        SsbPeer { feed: feed(n), addresses: addresses.iter().map(|text| text.parse().unwrap()).collect() }
    }

    fn nobody(_: &FeedId) -> Standing {
        Standing::Open
    }

    fn changes(heard: &mut HeardPeers) -> Vec<Change> {
        std::iter::from_fn(|| heard.poll_change()).collect()
    }

    #[test]
    fn a_peer_is_told_of_once_and_again_when_it_has_another_address() {
        let (mut heard, now) = (HeardPeers::default(), Instant::now());
        let at = peer(1, &["10.0.0.1:8008"]);
        assert_eq!(heard.handle(at.clone(), true, source(1), now, nobody), Verdict::New);
        assert_eq!(heard.handle(at.clone(), true, source(1), now, nobody), Verdict::Known);
        assert_eq!(changes(&mut heard), [Change::Heard(at)]);
        let link_local: IpAddr = "fe80::1".parse().unwrap();
        heard.handle(peer(1, &["[fe80::1%4]:8008", "[fd00::1]:8008"]), true, link_local, now, nobody);
        let all = peer(1, &["10.0.0.1:8008", "[fd00::1]:8008", "[fe80::1%4]:8008"]);
        assert_eq!(changes(&mut heard), [Change::Heard(all)]);
    }

    #[test]
    fn only_the_place_that_a_datagram_comes_from_is_more_than_told() {
        let (mut heard, now) = (HeardPeers::default(), Instant::now());
        heard.handle(peer(1, &["10.0.0.1:8008"]), true, source(1), now, nobody);
        assert!(matches!(changes(&mut heard)[..], [Change::Heard(_)]));
        for n in 0..100u16 {
            let (own, other) = (format!("10.0.0.1:{}", 9_000 + n), format!("10.0.7.7:{}", 1 + n));
            let later = now + Duration::from_millis(1 + u64::from(n));
            heard.handle(peer(1, &[&own, &other]), true, source(1), later, nobody);
            assert!(matches!(changes(&mut heard)[..], [Change::Told(_)]));
        }
        heard.handle(peer(1, &["10.0.0.2:8008"]), true, source(2), now, nobody);
        assert!(matches!(changes(&mut heard)[..], [Change::Heard(_)]));
    }

    #[test]
    fn unsigned_words_do_not_count_against_signed_ones() {
        let (mut heard, now) = (HeardPeers::default(), Instant::now());
        heard.handle(peer(1, &["10.0.0.66:8008"]), false, source(66), now, nobody);
        heard.handle(peer(1, &["10.0.0.1:8008"]), true, source(1), now, nobody);
        assert_eq!(changes(&mut heard).last(), Some(&Change::Heard(peer(1, &["10.0.0.1:8008"]))));
        let refused = heard.handle(peer(1, &["10.0.0.66:8008"]), false, source(66), now, nobody);
        assert_eq!(refused, Verdict::Unsigned);
        assert_eq!(changes(&mut heard), []);
    }

    #[test]
    fn one_senders_flood_of_identities_takes_few_places() {
        let (mut heard, now) = (HeardPeers::default(), Instant::now());
        for n in 0..1_000 {
            heard.handle(peer(n, &["10.0.0.66:8008"]), true, source(66), now, nobody);
        }
        assert_eq!(heard.len(), MAX_OF_SOURCE);
    }

    #[test]
    fn a_flood_from_many_senders_takes_no_place_from_the_connected_and_leaves_one_to_a_newcomer() {
        let (mut heard, now) = (HeardPeers::default(), Instant::now());
        // The first eight are connected, of the flood every tenth was dialled by now.
        let standing = |id: &FeedId| match u32::from_be_bytes([id.0[0], id.0[1], id.0[2], id.0[3]]) {
            0..8 => Standing::Connected,
            n if n % 10 == 0 => Standing::Failing,
            _ => Standing::Open,
        };
        for n in 0..8 {
            heard.handle(peer(n, &["10.0.0.1:8008"]), true, source(1), now, standing);
        }
        for n in 100..5_000 {
            heard.handle(peer(n, &["10.0.0.66:8008"]), true, source(n), now, standing);
        }
        assert_eq!(heard.len(), MAX_HEARD);
        let everyone = |_: &FeedId| Standing::Connected;
        let newcomer = peer(9_001, &["10.0.0.9:8008"]);
        assert_eq!(heard.handle(newcomer.clone(), false, source(9_001), now, everyone), Verdict::Full);
        // A place is free again with the next that is dialled in vain.
        let dialled = |id: &FeedId| if *id < feed(8) { Standing::Connected } else { Standing::Failing };
        assert_eq!(heard.handle(newcomer, false, source(9_001), now, dialled), Verdict::New);
        assert_eq!(heard.len(), MAX_HEARD);
        assert!((0..8).all(|n| heard.entries.contains_key(&feed(n))));
    }

    #[test]
    fn where_all_places_are_taken_a_sender_with_many_gives_one_to_a_sender_with_none() {
        let (mut heard, now) = (HeardPeers::default(), Instant::now());
        for n in 0..64 {
            heard.handle(peer(n, &["10.0.0.66:8008"]), true, source(n / 8), now, nobody);
        }
        assert_eq!(heard.handle(peer(100, &["10.0.0.9:8008"]), false, source(9), now, nobody), Verdict::New);
        assert_eq!(heard.len(), MAX_HEARD);
        assert!(heard.entries.contains_key(&feed(100)));
    }

    #[test]
    fn who_is_silent_for_long_is_forgotten_and_so_are_addresses_nobody_names_any_more() {
        let (mut heard, start) = (HeardPeers::default(), Instant::now());
        heard.handle(peer(1, &["10.0.0.1:8008"]), true, source(1), start, nobody);
        heard.handle(peer(2, &["10.0.0.2:8008"]), true, source(2), start, nobody);
        let later = start + FORGET_AFTER / 2;
        heard.handle(peer(2, &["10.0.0.3:8008"]), true, source(3), later, nobody);
        changes(&mut heard);
        heard.expire(start + FORGET_AFTER);
        let expected = [Change::Gone(feed(1)), Change::Told(peer(2, &["10.0.0.3:8008"]))];
        assert_eq!(changes(&mut heard), expected);
    }

    proptest! {
        #[test]
        fn what_is_told_of_is_what_is_remembered(
            words in prop::collection::vec((0u32..200, 0u32..30, any::<bool>(), 0u64..100), 0..400),
        ) {
            let (mut heard, mut now) = (HeardPeers::default(), Instant::now());
            let mut told = BTreeMap::new();
            for (n, from, signed, seconds) in words {
                now += Duration::from_secs(seconds) / 10;
                let address = SocketAddr::new(source(from), 8008);
                let word = SsbPeer { feed: feed(n), addresses: vec![address] };
                heard.handle(word, signed, source(from), now, |id| if id.0[3] % 5 == 0 { Standing::Connected } else { Standing::Failing });
                heard.expire(now);
                for change in changes(&mut heard) {
                    match change {
                        Change::Heard(peer) | Change::Told(peer) => { told.insert(peer.feed, peer.addresses); }
                        Change::Gone(feed) => { prop_assert!(told.remove(&feed).is_some()); }
                    }
                }
                prop_assert!(heard.len() <= MAX_HEARD);
                let known: Vec<_> = heard.entries.iter().map(|(feed, entry)| (*feed, entry.peer(*feed).addresses)).collect();
                prop_assert_eq!(known, told.clone().into_iter().collect::<Vec<_>>());
                prop_assert!(told.values().all(|addresses| addresses.len() <= MAX_ADDRESSES));
            }
        }
    }
}
