use super::*;
use proptest::prelude::*;

/// Requests and answers as a client and cjdroute 22.1 exchanged them (`captures/README.md`).
macro_rules! capture {
    ($name:literal) => {
        include_bytes!(concat!("captures/", $name, ".benc")).as_slice()
    };
}

fn addresses(texts: &[&str]) -> Vec<Ipv6Addr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn requests_are_what_the_daemon_took() {
    let query = |function, page| Query { function, page };
    let stats = query(PEER_STATS, Some(0));
    assert_eq!(stats.plain("tx0063"), capture!("peerStats.plain.req"));
    assert_eq!(query(DUMP_TABLE, Some(0)).plain("tx0064"), capture!("dumpTable.plain.req"));
    assert_eq!(cookie_request("tx0019c"), capture!("cookie.req"));
    let cookie: CookieAnswer = parse(capture!("cookie.resp")).unwrap();
    for (query, txid, captured) in [
        (query(NODE_INFO, None), "tx0019", capture!("nodeInfo.req")),
        (stats, "tx0034", capture!("peerStats.req")),
        (query(PEER_INFO, Some(0)), "tx0053", capture!("getPeerInfo.req")),
        (query(DUMP_TABLE, Some(0)), "tx0035", capture!("dumpTable.req")),
    ] {
        assert_eq!(query.authenticated(txid, "NONE", &cookie.cookie), captured, "{query:?}");
    }
}

#[test]
fn the_own_address_is_read_from_either_answer() {
    let own = "fcab:7b51:27d0:275b:300f:2d86:1839:94de".parse().ok();
    let info: NodeInfoAnswer = parse(capture!("nodeInfo.resp")).unwrap();
    assert_eq!(info.own(), own);
    let table: TablePage = parse(capture!("dumpTable.resp")).unwrap();
    assert_eq!(table.into_items().iter().find_map(Route::own), own);
    let envelope: Envelope = parse(capture!("nodeInfo.resp")).unwrap();
    assert_eq!((envelope.txid.as_str(), envelope.refusal()), ("tx0019", None));
}

#[test]
fn neighbours_are_read_with_the_state_of_their_links() {
    let read = |datagram| -> Vec<(String, bool)> {
        let page: PeerStatsPage = parse(datagram).unwrap();
        let neighbours = page.into_items().iter().map(|peer| peer.neighbour().unwrap()).collect::<Vec<_>>();
        neighbours.iter().map(|neighbour| (neighbour.address.to_string(), neighbour.up)).collect()
    };
    let (a, b) = ("fc0d:61bf:ed66:fbc7:d216:e456:c4b3:de8", "fcfc:d014:7478:290f:3a4e:f14a:6e77:45da");
    assert_eq!(read(capture!("peerStats.resp")), [(a.to_owned(), true), (b.to_owned(), true)]);
    assert_eq!(read(capture!("peerStats.plain.resp")), [(a.to_owned(), true), (b.to_owned(), true)]);
    assert_eq!(read(capture!("peerStats.unresponsive.resp")), [(a.to_owned(), true), (b.to_owned(), false)]);
    assert_eq!(read(capture!("peerStats.page99.resp")), []);
}

#[test]
fn the_quality_of_links_is_read() {
    let page: PeerInfoPage = parse(capture!("getPeerInfo.resp")).unwrap();
    let peers: Vec<_> = page.into_items().iter().map(|peer| (peer.address().unwrap(), peer.latency())).collect();
    let lag = Some(Duration::from_millis(9));
    let expected = addresses(&["fc0d:61bf:ed66:fbc7:d216:e456:c4b3:de8", "fcfc:d014:7478:290f:3a4e:f14a:6e77:45da"]);
    assert_eq!(peers, expected.into_iter().map(|address| (address, lag)).collect::<Vec<_>>());
    let unmeasured = PeerInfo { addr: String::new(), lag_slots: vec![0, -3, 0] };
    assert_eq!((unmeasured.address(), unmeasured.latency()), (None, None));
}

#[test]
fn only_nodes_to_which_there_is_a_way_are_reachable() {
    let table: TablePage = parse(capture!("dumpTable.plain.resp")).unwrap();
    let reachable: Vec<_> = table.into_items().iter().filter_map(Route::reachable).collect();
    let (a, b) = ("fc0d:61bf:ed66:fbc7:d216:e456:c4b3:de8", "fcfc:d014:7478:290f:3a4e:f14a:6e77:45da");
    assert_eq!(reachable, addresses(&[a, b]));

    let text = String::from_utf8(capture!("dumpTable.plain.resp").to_vec()).unwrap();
    let lost = text.replace("0000.0000.0000.0015", NO_PATH);
    let table: TablePage = parse(lost.as_bytes()).unwrap();
    assert_eq!(table.into_items().iter().filter_map(Route::reachable).collect::<Vec<_>>(), addresses(&[b]));
}

#[test]
fn what_older_versions_say_is_understood_too() {
    let key = "54:xrwhk84h2247y6szm8xjl91uv0ybchzs41vtpg3p11qg6jmypz00.k";
    let stats =
        format!("d5:peersld9:publicKey{key}5:state11:ESTABLISHED11:switchLabel19:0000.0000.0000.0015ee4:txid1:1e");
    let page: PeerStatsPage = parse(stats.as_bytes()).unwrap();
    let address = "fc0d:61bf:ed66:fbc7:d216:e456:c4b3:de8";
    assert_eq!(
        page.into_items()[0].neighbour().map(|peer| (peer.address, peer.up)),
        Some((address.parse().unwrap(), true))
    );
    let table = "d12:routingTableld2:ip39:fc0d:61bf:ed66:fbc7:d216:e456:c4b3:0de84:path19:0000.0000.0000.0015eee";
    let page: TablePage = parse(table.as_bytes()).unwrap();
    assert_eq!(page.into_items()[0].reachable(), address.parse().ok());
}

#[test]
fn refusals_are_told_apart() {
    let envelope: Envelope = parse(b"d5:error12:Auth failed.4:txid1:1e").unwrap();
    assert!(envelope.wants_password());
    let envelope: Envelope = parse(capture!("getLink.resp")).unwrap();
    assert_eq!((envelope.refusal(), envelope.wants_password()), (Some("unknown"), false));
}

#[test]
fn hostile_answers_are_refused() {
    let deep = [b"d5:peers".as_slice(), &b"l".repeat(4000), &b"e".repeat(4001)].concat();
    let long = format!("d4:txid9000:{}e", "x".repeat(9000));
    let answers: [&[u8]; 14] = [
        b"",
        b"d",
        b"e",
        b"de e",
        b"dede",
        b"i5e",
        b"hello",
        b"d4:txid99999999999999999999:xe",
        b"d4:txid5:xe",
        b"d4:txidi5ee",
        b"d4:txid2:\xff\xffe",
        b"d4:txidi99999999999999999999999ee",
        &deep,
        long.as_bytes(),
    ];
    for answer in answers {
        assert!(parse::<Envelope>(answer).is_err(), "{:?}", String::from_utf8_lossy(&answer[..answer.len().min(40)]));
    }
    let nonsense = b"d5:peersld4:addr9:v22.x.y.kee4:txid1:1e";
    let page: PeerStatsPage = parse(nonsense).unwrap();
    assert!(page.into_items()[0].neighbour().is_none());
}

proptest! {
    #[test]
    fn no_answer_panics(bytes: Vec<u8>) {
        let _ = parse::<Envelope>(&bytes);
        let _ = parse::<TablePage>(&bytes);
    }

    #[test]
    fn no_damaged_answer_panics(at in 0..700_usize, byte: u8, length in 0..800_usize) {
        let mut bytes = capture!("getPeerInfo.resp").to_vec();
        bytes[at] = byte;
        bytes.truncate(length);
        if let Ok(page) = parse::<PeerInfoPage>(&bytes) {
            for peer in page.into_items() {
                let _ = (peer.address(), peer.latency());
            }
        }
    }
}
