use super::*;
use stream_model::{IpfsInfo, NodeInfo, SsbInfo, WebInfo};

const OVERLAY: Overlay = Overlay::Cjdns;

/// The time is moved by hand.
struct Fixture {
    entries: Entries,
    now: Instant,
}

fn peer_id(byte: u8) -> PeerId {
    PeerId::from_multihash([vec![0x12, 32], vec![byte; 32]].concat()).unwrap()
}

fn info(byte: u8) -> NodeInfo {
    NodeInfo {
        name: String::new(),
        version: String::new(),
        community: "open".into(),
        ssb: SsbInfo { feed: FeedId([byte; 32]), port: 8008 },
        ipfs: IpfsInfo { peer: peer_id(byte), port: 4001 },
        web: WebInfo { port: 8080 },
        location: None,
        nodes: Vec::new(),
        links: Vec::new(),
        record: None,
    }
}

fn node(number: usize) -> Ipv6Addr {
    Ipv6Addr::from((0xfc_u128 << 120) | (number as u128 + 1))
}

fn nodes(numbers: impl IntoIterator<Item = usize>) -> Vec<Ipv6Addr> {
    numbers.into_iter().map(node).collect()
}

impl Fixture {
    fn new(configured: &[&str]) -> Self {
        let own = Own { peer: peer_id(1), feed: FeedId([1; 32]), community: "open".into() };
        let configured = configured.iter().map(|text| text.parse().unwrap()).collect();
        let now = Instant::now();
        Self { entries: Entries::new(own, configured, now), now }
    }

    fn meet(&mut self, host: usize) {
        let address = format!("10.0.0.{host}").parse().unwrap();
        let feed = FeedId([u8::try_from(host + 2).unwrap(); 32]);
        self.entries.meet(Met { feed, address }, self.now);
    }

    fn list(&mut self, linked: &[Ipv6Addr], far: &[Ipv6Addr]) {
        self.entries.list(OVERLAY, Some(&View::of(OVERLAY, linked, far)), self.now);
    }

    fn addresses(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.address.to_string()).collect()
    }

    fn has(&self, address: Ipv6Addr) -> bool {
        self.entries.iter().any(|entry| entry.address.ip() == address)
    }

    fn find(&mut self, address: &str) -> &mut Entry {
        let found = self.entries.entries.values_mut().find(|entry| entry.address.to_string() == address);
        found.unwrap()
    }

    /// The entry at the address is a node of ours and connected.
    fn connect(&mut self, address: &str, byte: u8) {
        let now = self.now;
        self.find(address).peer.handle_answer(Ok((info(byte), Duration::ZERO)), now, 0.5);
        let connected: HashMap<_, ()> = self
            .entries
            .iter()
            .filter_map(|entry| entry.peer.info())
            .map(|info| (info.ipfs.peer.clone(), ()))
            .collect();
        self.entries.handle_connected(&connected, self.now);
    }

    fn disconnect_all(&mut self) {
        self.entries.handle_connected::<()>(&HashMap::new(), self.now);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }
}

#[test]
fn the_number_of_peers_met_is_bounded_and_each_is_looked_after_once() {
    let mut fixture = Fixture::new(&["10.0.0.9"]);
    for host in (0..200).chain(0..200) {
        fixture.meet(host);
    }
    assert_eq!(fixture.addresses().len(), 1 + MAX_MET);
    let ips: HashSet<_> = fixture.entries.iter().map(|entry| entry.address.ip()).collect();
    assert_eq!(ips.len(), 1 + MAX_MET);
}

#[test]
fn a_newcomer_gets_the_place_of_the_one_that_was_of_no_use_longest() {
    let mut fixture = Fixture::new(&["10.1.0.1"]);
    for host in 0..MAX_MET {
        fixture.meet(host);
        fixture.wait(Duration::from_secs(1));
    }
    fixture.connect("10.0.0.0", 2);
    // Four have been here long enough, of whom the first is connected.
    let elapsed = Duration::from_secs(u64::try_from(MAX_MET).unwrap());
    fixture.wait(MIN_STAY + Duration::from_secs(3) - elapsed);
    (100..104).for_each(|host| fixture.meet(host));
    let addresses = fixture.addresses();
    assert_eq!(addresses.len(), 1 + MAX_MET);
    for (host, has_place) in [(0, true), (1, false), (2, false), (3, false), (4, true), (102, true), (103, false)] {
        assert_eq!(addresses.contains(&format!("10.0.0.{host}")), has_place, "{host}");
    }

    fixture.disconnect_all();
    fixture.wait(2 * MIN_STAY);
    for host in 110..110 + MAX_MET {
        fixture.meet(host);
    }
    assert!(!fixture.addresses().contains(&"10.0.0.0".to_owned()));
    assert!(fixture.addresses().contains(&"10.1.0.1".to_owned()));
}

#[test]
fn neighbours_and_far_nodes_have_places_of_their_own() {
    let mut fixture = Fixture::new(&[]);
    fixture.list(&nodes(0..MAX_NEIGHBOURS), &nodes(100..300));
    assert_eq!(fixture.addresses().len(), MAX_NEIGHBOURS + MAX_FAR);
    fixture.meet(1);
    assert_eq!(fixture.addresses().len(), MAX_NEIGHBOURS + MAX_FAR + 1);
    assert_eq!(fixture.find("fc00::1").origin, Origin::Neighbour(OVERLAY));
    assert_eq!((fixture.find("fc00::1").overlay(), fixture.find("10.0.0.1").overlay()), ("cjdns", "lan"));
}

#[test]
fn who_is_not_listed_any_more_leaves_unless_connected() {
    let mut fixture = Fixture::new(&["fc00::9"]);
    fixture.list(&nodes([0, 1]), &nodes([2]));
    fixture.connect("fc00::2", 2);
    fixture.entries.list(OVERLAY, None, fixture.now);
    assert_eq!(fixture.addresses(), ["fc00::9", "fc00::2"]);
    fixture.disconnect_all();
    fixture.list(&[], &[]);
    assert_eq!(fixture.addresses(), ["fc00::9"]);
}

#[test]
fn all_that_are_listed_get_their_turn_and_those_that_answer_stay() {
    let mut fixture = Fixture::new(&[]);
    let listed = nodes(0..200);
    let mut seen = HashSet::new();
    fixture.list(&[], &listed);
    fixture.connect("fc00::3", 3);
    for _ in 0..8 {
        seen.extend(fixture.entries.iter().map(|entry| entry.address.ip()));
        assert_eq!(fixture.addresses().len(), MAX_FAR);
        fixture.wait(MIN_STAY);
        fixture.list(&[], &listed);
    }
    assert_eq!(seen.len(), listed.len());
    assert!(fixture.has(node(2)));
    fixture.list(&[], &listed[..1]);
    assert!(fixture.entries.passed.len() <= 1);
}

#[test]
fn one_that_comes_back_to_a_place_is_asked_as_rarely_as_before() {
    let mut fixture = Fixture::new(&[]);
    let listed = nodes(0..=MAX_FAR);
    fixture.list(&[], &listed);
    let (id, now) = (fixture.entries.ids()[0], fixture.now);
    let entry = fixture.entries.get_mut(id).unwrap();
    let first = entry.address.to_string();
    for _ in 0..5 {
        entry.peer.handle_answer(Err("no route".into()), now, 0.5);
    }
    fixture.wait(MIN_STAY);
    fixture.list(&[], &listed);
    assert!(!fixture.addresses().contains(&first));
    fixture.wait(MIN_STAY);
    fixture.list(&[], &listed);
    assert_eq!(fixture.find(&first).peer.failures(), 5);
}

#[test]
fn a_link_that_comes_up_has_its_neighbour_and_the_configured_peers_of_the_overlay_asked_at_once() {
    let mut fixture = Fixture::new(&["fc00::9", "10.0.0.9"]);
    fixture.list(&[], &nodes([0, 1]));
    let now = fixture.now;
    for id in fixture.entries.ids() {
        let peer = &mut fixture.entries.get_mut(id).unwrap().peer;
        while peer.poll_action(now).is_some() {}
        (0..4).for_each(|_| {
            peer.handle_answer(Err("no route".into()), now, 0.5);
        });
    }
    let due = |fixture: &mut Fixture| -> Vec<String> {
        let now = fixture.now;
        let due = fixture.entries.iter().filter(|entry| entry.peer.next_timeout().is_some_and(|due| due <= now));
        due.map(|entry| entry.address.to_string()).collect()
    };
    fixture.list(&[], &nodes([0, 1]));
    assert!(due(&mut fixture).is_empty());
    fixture.list(&nodes([0]), &nodes([1]));
    assert_eq!(due(&mut fixture), ["fc00::9", "fc00::1"]);
    assert_eq!(fixture.find("fc00::1").origin, Origin::Neighbour(OVERLAY));
}

#[test]
fn what_one_overlay_says_changes_nothing_of_the_other() {
    let mut fixture = Fixture::new(&[]);
    fixture.list(&nodes([0]), &[]);
    let yggdrasil = View::of(Overlay::Yggdrasil, &["201::1".parse().unwrap()], &[]);
    fixture.entries.list(Overlay::Yggdrasil, Some(&yggdrasil), fixture.now);
    assert_eq!(fixture.addresses(), ["fc00::1", "201::1"]);
    let told: Vec<_> = fixture.entries.to_announce_to().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["[201::1]:0", "[fc00::1]:0"]);
    fixture.entries.list(OVERLAY, None, fixture.now);
    assert_eq!(fixture.addresses(), ["201::1"]);
    assert_eq!(fixture.find("201::1").overlay(), "yggdrasil");
}

#[test]
fn a_node_with_several_addresses_is_offered_with_all_of_them_the_nearest_first() {
    let mut fixture = Fixture::new(&[]);
    fixture.list(&nodes([0]), &nodes([1]));
    fixture.meet(0);
    for address in ["fc00::2", "fc00::1", "10.0.0.0"] {
        fixture.connect(address, 2);
        let entry = fixture.find(address);
        entry.found_at = Some(SocketAddr::new(entry.address.ip(), 80));
    }
    let addresses = |configured, texts: [&str; 3]| (configured, texts.map(|text| text.parse().unwrap()).to_vec());
    let told = ["10.0.0.0:8008", "[fc00::1]:8008", "[fc00::2]:8008"];
    assert_eq!(fixture.entries.ssb_addresses(FeedId([2; 32])), addresses(false, told));
    fixture.find("fc00::2").origin = Origin::Configured;
    let told = ["[fc00::2]:8008", "10.0.0.0:8008", "[fc00::1]:8008"];
    assert_eq!(fixture.entries.ssb_addresses(FeedId([2; 32])), addresses(true, told));
}
