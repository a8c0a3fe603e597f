//! Who is heard by mDNS, and where to ask whom. Pure: time is an argument.
//!
//! Anybody on the link answers what he likes: only places on a link of this machine are asked, and what answers there has to
//! prove who it is, as everybody whom discovery finds.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use stream_model::FeedId;

use crate::mesh::{Met, PeerAddress};

/// Instances that are remembered: as many peers of a LAN as the mesh has places for. One more takes the place of the one that was
/// heard longest ago; it is asked at once all the same.
const MAX_INSTANCES: usize = 64;
/// Places of one node: IPv4, and IPv6 of two or three scopes.
const MAX_PLACES: usize = 4;

/// What an instance of the service says (RFC 6763).
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Its full name.
    pub(super) instance: String,
    pub(super) community: Option<String>,
    pub(super) feed: Option<String>,
    /// Where its HTTP server is.
    pub(super) places: Vec<SocketAddr>,
}

/// Why an answer counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// This node itself.
    Own,
    /// Of another community, or of none.
    Stranger,
    /// Without an identity, or without any place on a link of this machine.
    Malformed,
}

#[derive(Debug)]
struct Instance {
    feed: FeedId,
    /// The best first.
    places: Vec<PeerAddress>,
    /// Which one is asked next.
    turn: usize,
    heard: Instant,
}

/// All that were heard.
#[derive(Debug)]
pub(super) struct Heard {
    own: FeedId,
    community: String,
    instances: HashMap<String, Instance>,
}

impl Heard {
    pub(super) fn new(own: FeedId, community: String) -> Self {
        Self { own, community, instances: HashMap::new() }
    }

    /// An instance told of itself. `on_link` says whether a place is another machine's on a link of this one. Returns whom to ask now.
    pub(super) fn handle(
        &mut self,
        answer: Answer,
        on_link: impl Fn(SocketAddr) -> bool,
        now: Instant,
    ) -> Result<Met, Refusal> {
        if answer.community.as_ref() != Some(&self.community) {
            return Err(Refusal::Stranger);
        }
        let feed: FeedId = answer.feed.and_then(|text| text.parse().ok()).ok_or(Refusal::Malformed)?;
        if feed == self.own {
            return Err(Refusal::Own);
        }
        let mut places: Vec<_> = answer.places.into_iter().filter(|place| on_link(*place)).collect();
        places.sort_by_key(|place| (rank(*place), *place));
        places.dedup();
        let places: Vec<_> = places.into_iter().filter_map(PeerAddress::at_place).take(MAX_PLACES).collect();
        let first = places.first().cloned().ok_or(Refusal::Malformed)?;
        if !self.instances.contains_key(&answer.instance) && self.instances.len() >= MAX_INSTANCES {
            let oldest = self.instances.iter().min_by_key(|(_, instance)| instance.heard);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.and_then(|name| self.instances.remove(&name));
        }
        self.instances.insert(answer.instance, Instance { feed, places, turn: 0, heard: now });
        Ok(Met { feed, address: first })
    }

    /// An instance is gone.
    pub(super) fn handle_gone(&mut self, instance: &str) {
        self.instances.remove(instance);
    }

    /// Whom to ask again, each at the next of its places: who is known already is not asked.
    pub(super) fn again(&mut self) -> Vec<Met> {
        let again = |instance: &mut Instance| {
            instance.turn = (instance.turn + 1) % instance.places.len();
            Met { feed: instance.feed, address: instance.places[instance.turn].clone() }
        };
        self.instances.values_mut().map(again).collect()
    }
}

/// IPFS is dialled at addresses without zones only.
fn rank(place: SocketAddr) -> u8 {
    match place {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) if !v6.ip().is_unicast_link_local() => 1,
        SocketAddr::V6(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(n: u8) -> FeedId {
        FeedId([n; 32])
    }

    fn answer(n: u8, places: &[&str]) -> Answer {
        Answer {
            instance: format!("node {n}._meshstream._tcp.local."),
            community: Some("open".into()),
            feed: Some(feed(n).to_string()),
            places: places.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn heard() -> Heard {
        Heard::new(feed(0), "open".into())
    }

    fn on_link(place: SocketAddr) -> bool {
        place.to_string().starts_with("10.0.0.") || place.to_string().starts_with("[fe80::")
    }

    fn met(met: &Met) -> (FeedId, String) {
        (met.feed, met.address.to_string())
    }

    #[test]
    fn a_node_of_this_community_is_asked_at_once_and_later_at_its_other_places() {
        let (mut heard, now) = (heard(), Instant::now());
        let all = ["[fe80::9%2]:8080", "192.0.2.9:8080", "10.0.0.9:8080", "10.0.0.9:8080"];
        let first = heard.handle(answer(9, &all), on_link, now).unwrap();
        assert_eq!(met(&first), (feed(9), "10.0.0.9:8080".into()));
        let next: Vec<_> = (0..2).map(|_| met(&heard.again()[0]).1).collect();
        assert_eq!(next, ["[fe80::9%2]:8080", "10.0.0.9:8080"]);
        heard.handle_gone("node 9._meshstream._tcp.local.");
        assert!(heard.again().is_empty());
    }

    #[test]
    fn strangers_and_nonsense_are_left_alone() {
        let (mut heard, now) = (heard(), Instant::now());
        let good = answer(9, &["10.0.0.9:8080"]);
        for (bad, why) in [
            (Answer { community: Some("another".into()), ..good.clone() }, Refusal::Stranger),
            (Answer { community: None, ..good.clone() }, Refusal::Stranger),
            (Answer { feed: None, ..good.clone() }, Refusal::Malformed),
            (Answer { feed: Some("@me".into()), ..good.clone() }, Refusal::Malformed),
            (Answer { feed: Some(feed(0).to_string()), ..good.clone() }, Refusal::Own),
            (answer(9, &["10.0.0.9:0"]), Refusal::Malformed),
            (answer(9, &["8.8.8.8:80", "127.0.0.1:80"]), Refusal::Malformed),
            (answer(9, &[]), Refusal::Malformed),
        ] {
            assert_eq!(heard.handle(bad, on_link, now).err(), Some(why));
        }
        assert!(heard.again().is_empty());
        assert!(heard.handle(good, on_link, now).is_ok());
    }

    proptest! {
        #[test]
        fn a_flood_takes_bounded_places_and_keeps_no_newcomer_from_being_asked(names in prop::collection::vec(any::<u16>(), 0..300)) {
            let (mut heard, mut now) = (heard(), Instant::now());
            for name in names {
                now += std::time::Duration::from_millis(1);
                let places = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1", "10.0.0.5:1"];
                let flood = Answer { instance: name.to_string(), ..answer(7, &places) };
                prop_assert!(heard.handle(flood, on_link, now).is_ok());
                prop_assert!(heard.instances.len() <= MAX_INSTANCES);
                prop_assert!(heard.instances.values().all(|instance| instance.places.len() <= MAX_PLACES));
            }
            prop_assert!(heard.handle(answer(9, &["10.0.0.9:8080"]), on_link, now).is_ok());
        }
    }
}
