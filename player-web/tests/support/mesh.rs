//! A mesh to look at: neighbours, nodes beyond, nodes at one spot, nodes that say nothing, and one whose name is hostile.

use stream_model::*;

use super::report;

/// Name, hops, and where it stands: thousandths of a degree north and east of the first.
type Placed = (&'static str, Option<u32>, Option<(f64, f64)>);

const NODES: [Placed; 19] = [
    ("", Some(0), Some((0.0, 0.0))),
    ("Escuela", Some(1), Some((4.0, 6.0))),
    ("برج الماء", Some(1), Some((-7.0, 3.0))),
    ("co-op-roof-with-a-long-name.north", Some(1), Some((9.0, -8.0))),
    ("<i>mill</i>", Some(1), None),
    ("Biblioteca", Some(2), Some((8.0, 12.0))),
    ("clínica", Some(2), Some((8.05, 12.02))),
    ("radio", Some(2), Some((8.02, 12.05))),
    ("puente", Some(2), Some((-12.0, 9.0))),
    ("mercado", Some(2), Some((-13.0, -4.0))),
    ("torre-sur", Some(2), None),
    ("granero", Some(3), Some((15.0, 18.0))),
    ("escuela-2", Some(3), Some((12.0, 20.0))),
    ("estación", Some(3), None),
    ("faro", Some(3), Some((-18.0, 22.0))),
    ("ermita", Some(4), Some((21.0, 25.0))),
    ("refugio", Some(4), None),
    ("@", None, None),
    ("antigua", Some(6), None),
];

/// Between which of them, over what, round trip, loss, and whether both tell.
type Linked = (u8, u8, LinkKind, Option<u64>, Option<u64>, bool);

const LINKS: [Linked; 22] = [
    (0, 1, LinkKind::Lan, Some(3), Some(0), true),
    (0, 2, LinkKind::Yggdrasil, Some(48), Some(4), true),
    (0, 3, LinkKind::Cjdns, Some(212), Some(14), true),
    (0, 4, LinkKind::Configured, Some(9), None, true),
    (1, 5, LinkKind::Lan, Some(5), Some(0), true),
    (1, 6, LinkKind::Lan, Some(6), Some(1), true),
    (5, 6, LinkKind::Lan, Some(1), Some(0), true),
    (5, 7, LinkKind::Lan, Some(2), Some(0), true),
    (2, 8, LinkKind::Lan, Some(12), Some(3), true),
    (2, 9, LinkKind::Inbound, None, None, false),
    (3, 10, LinkKind::Cjdns, Some(90), Some(0), true),
    (3, 9, LinkKind::Lan, Some(33), Some(22), true),
    (5, 11, LinkKind::Lan, Some(8), Some(0), true),
    (7, 12, LinkKind::Lan, Some(14), Some(0), true),
    (11, 12, LinkKind::Lan, Some(4), Some(5), true),
    (8, 14, LinkKind::Yggdrasil, Some(61), Some(0), true),
    (10, 13, LinkKind::Other, Some(20), Some(0), false),
    (11, 15, LinkKind::Lan, Some(11), Some(0), true),
    (13, 16, LinkKind::Lan, Some(3), None, false),
    (8, 9, LinkKind::Lan, Some(17), Some(0), true),
    (1, 3, LinkKind::Lan, Some(19), Some(0), true),
    (1, 2, LinkKind::Lan, Some(7), Some(0), true),
];

pub(crate) fn mesh() -> MeshReport {
    let this = report().node;
    let feed = |number: u8| if number == 0 { this.feed } else { FeedId([number + 9; 32]) };
    let nodes = (0..).zip(NODES).map(|(number, (name, hops, offset))| {
        let asked = hops.is_some_and(|hops| hops < 4);
        let place = |(north, east): (f64, f64)| {
            Location::new(41.404 + north / 1e3, 2.157 + east / 1e3, (number % 3 == 0).then_some(120)).ok()
        };
        MeshNode {
            feed: feed(number),
            name: if number == 0 { this.name.clone() } else { name.to_owned() },
            version: "0.1.0".to_owned(),
            hops,
            location: offset.filter(|_| asked).and_then(place),
            asked,
            heard_s: hops.map(|hops| u64::from(hops) * 40),
            url: (asked && number > 0).then(|| format!("http://[fc00:1234::{number}]:8080/")),
        }
    });
    let link = |(a, b, over, rtt_ms, loss_percent, confirmed)| {
        let ToldLink { rtt_ms, loss_percent, .. } = ToldLink::new(feed(a), over, rtt_ms, loss_percent);
        MeshLink { a: feed(a), b: feed(b), over, rtt_ms, loss_percent, confirmed }
    };
    MeshReport { nodes: nodes.collect(), links: LINKS.into_iter().map(link).collect() }
}
