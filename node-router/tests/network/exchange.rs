//! Two embedded nodes.

use std::net::Ipv4Addr;
use std::path::Path;

use bytes::Bytes;
use cid::Cid;
use futures::TryStreamExt;
use multihash_codetable::{Code, MultihashDigest};
use node_router_ipfs::{Config, EmbeddedNode, Multiaddr, StartError, UploadLimits};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::guarded;

async fn start(directory: &Path, swarm_key: Option<[u8; 32]>) -> EmbeddedNode {
    EmbeddedNode::start(config(directory, swarm_key)).await.unwrap()
}

fn config(directory: &Path, swarm_key: Option<[u8; 32]>) -> Config {
    Config {
        repo: directory.join("ipfs"),
        key_file: directory.join("identity/libp2p.key"),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap(), "/ip6/::1/tcp/0".parse().unwrap()],
        upload: UploadLimits::default(),
        devices: Vec::new(),
        swarm_key,
    }
}

/// Blocks of a 5 MB segment, different for each seed.
fn segment(seed: u8) -> Vec<(Cid, Bytes)> {
    (0..15u8)
        .map(|n| {
            let data = Bytes::from([vec![seed, n], vec![seed ^ n; 340_000]].concat());
            (Cid::new_v1(0x55, Code::Sha2_256.digest(&data)), data)
        })
        .collect()
}

async fn store(node: &EmbeddedNode, blocks: &[(Cid, Bytes)]) -> Vec<Cid> {
    for (cid, data) in blocks {
        node.put(*cid, data.clone()).await.unwrap();
    }
    blocks.iter().map(|(cid, _)| *cid).collect()
}

async fn fetch(node: &EmbeddedNode, from: &EmbeddedNode, cids: &[Cid]) {
    let session = node.exchange().session(&[from.peer_id()]);
    let blocks: Vec<_> = session.wants(cids.to_vec()).try_collect().await.unwrap();
    assert_eq!(blocks.len(), cids.len());
    for block in blocks {
        node.put(block.cid, block.data).await.unwrap();
    }
    assert!(cids.iter().all(|cid| node.contains(cid)));
}

async fn until_connected(node: &EmbeddedNode, other: &EmbeddedNode, connected: bool) {
    let mut changes = node.neighbour_changes();
    while node.is_connected(&other.peer_id()) != connected {
        changes.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_address_families_have_the_same_port() {
    guarded(async {
        let home = tempfile::tempdir().unwrap();
        let node = start(home.path(), None).await;
        let listening: Vec<_> = node.listening().iter().map(Multiaddr::to_string).collect();
        let port = |address: &String| address.rsplit('/').next().map(str::to_owned);
        assert_eq!(listening.len(), 2, "{listening:?}");
        assert_eq!(port(&listening[0]), port(&listening[1]));
        node.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_are_fetched_both_ways_over_ten_reconnects() {
    guarded(async {
        let (home_a, home_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (a, b) = (start(home_a.path(), None).await, start(home_b.path(), None).await);
        for round in 0..10 {
            let (dialler, dialled) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
            dialler.dial(dialled.peer_id(), dialled.listening()).await.unwrap();
            let there = store(&a, &segment(round)).await;
            fetch(&b, &a, &there).await;
            let (cid, data) = segment(100 + round).remove(0);
            fetch(&a, &b, &store(&b, &[(cid, data.clone())]).await).await;
            assert_eq!(a.get(&cid).await.unwrap(), Some(data));
            a.disconnect(b.peer_id()).await;
            until_connected(&a, &b, false).await;
            until_connected(&b, &a, false).await;
        }
        a.shutdown().await;
        b.shutdown().await;
    })
    .await;
}

/// Largest TCP segment, and receive buffer, of a narrow link: little of what is sent waits outside of the sender.
const NARROW: u32 = 536;
const NARROW_BUFFER: u32 = 4 << 10;

/// Passes a connection on to an address over a narrow link that dies without a word: then it neither reads nor closes.
fn narrow_link_to(address: &Multiaddr, dead: watch::Receiver<bool>) -> Multiaddr {
    let port = address.to_string().rsplit('/').next().unwrap().parse::<u16>().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW_BUFFER).unwrap();
    SockRef::from(&socket).set_tcp_mss(NARROW).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let here = format!("/ip4/127.0.0.1/tcp/{}", socket.local_addr().unwrap().port());
    let listener = socket.listen(1).unwrap();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let mut dead = dead;
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = dead.wait_for(|dead| *dead) => {}
        }
        std::future::pending::<()>().await;
    });
    here.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_without_a_word_is_given_up_and_does_not_stand_in_the_way_of_another() {
    guarded(async {
        let (home_a, home_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (a, b) = (start(home_a.path(), None).await, start(home_b.path(), None).await);
        let (kill, dead) = watch::channel(false);
        let at_b = b.listening().into_iter().find(|address| address.to_string().starts_with("/ip4")).unwrap();
        a.dial(b.peer_id(), vec![narrow_link_to(&at_b, dead)]).await.unwrap();
        until_connected(&b, &a, true).await;
        let cids = store(&a, &segment(1)).await;
        let session = b.exchange().session(&[a.peer_id()]);
        let mut blocks = Box::pin(session.wants(cids.clone()));
        blocks.try_next().await.unwrap();
        kill.send_replace(true);
        // Pings notice.
        until_connected(&a, &b, false).await;
        until_connected(&b, &a, false).await;

        b.dial(a.peer_id(), a.listening()).await.unwrap();
        until_connected(&a, &b, true).await;
        let rest: Vec<_> = blocks.try_collect().await.unwrap();
        assert_eq!(rest.len(), cids.len() - 1);
        assert_eq!((a.neighbours().len(), b.neighbours().len()), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_dial_each_other_at_once_are_connected() {
    guarded(async {
        let block = [(Cid::new_v1(0x55, Code::Sha2_256.digest(b"block")), Bytes::from_static(b"block"))];
        for round in 0..20 {
            let (home_a, home_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (a, b) = (start(home_a.path(), None).await, start(home_b.path(), None).await);
            let (from_a, from_b) = tokio::join!(a.dial(b.peer_id(), b.listening()), b.dial(a.peer_id(), a.listening()));
            from_a.unwrap_or_else(|error| panic!("round {round}: {error}"));
            from_b.unwrap_or_else(|error| panic!("round {round}: {error}"));
            until_connected(&a, &b, true).await;
            until_connected(&b, &a, true).await;
            fetch(&b, &a, &store(&a, &block).await).await;
            a.shutdown().await;
            b.shutdown().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_nodes_with_the_same_swarm_key_connect() {
    guarded(async {
        let homes: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        let a = start(homes[0].path(), Some([1; 32])).await;
        let same = start(homes[1].path(), Some([1; 32])).await;
        let other = start(homes[2].path(), Some([2; 32])).await;
        let open = start(homes[3].path(), None).await;
        same.dial(a.peer_id(), a.listening()).await.unwrap();
        fetch(&same, &a, &store(&a, &segment(1)).await).await;
        // Each waits for a handshake that never comes.
        let refused = tokio::join!(
            other.dial(a.peer_id(), a.listening()),
            open.dial(a.peer_id(), a.listening()),
            a.dial(other.peer_id(), other.listening()),
            a.dial(open.peer_id(), open.listening()),
        );
        assert!(matches!(refused, (Err(_), Err(_), Err(_), Err(_))), "{refused:?}");
        assert_eq!(a.neighbours().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_identity_are_there_after_a_restart_and_leftovers_are_swept() {
    guarded(async {
        let home = tempfile::tempdir().unwrap();
        let node = start(home.path(), None).await;
        let peer = node.peer_id();
        let cids = store(&node, &segment(1)).await;
        assert!(node.remove(&cids[0]).await.unwrap());
        assert!(!node.remove(&cids[0]).await.unwrap());
        node.shutdown().await;
        drop(node);

        let leftover = home.path().join("ipfs/incoming/7");
        std::fs::write(&leftover, b"half").unwrap();
        let node = start(home.path(), None).await;
        assert_eq!(node.peer_id(), peer);
        assert!(!leftover.exists());
        let mut held: Vec<_> = node.blocks().try_concat().await.unwrap();
        held.sort();
        let mut expected = cids[1..].to_vec();
        expected.sort();
        assert_eq!(held, expected);
        assert_eq!(node.get(&cids[0]).await.unwrap(), None);
        assert_eq!(node.get(&cids[1]).await.unwrap(), Some(segment(1)[1].1.clone()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    let node = start(home.path(), None).await;
    let key = home.path().join("identity/libp2p.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    node.shutdown().await;
    drop(node);
    std::fs::write(&key, b"no key").unwrap();
    let refused = EmbeddedNode::start(config(home.path(), None)).await;
    assert!(matches!(refused, Err(StartError::Key(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_an_error_that_names_the_address() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = start(home.path(), None).await;
    let taken: Multiaddr = node.listening().remove(0);
    let config = Config { listen: vec![taken.clone()], ..config(other.path(), None) };
    let refused = EmbeddedNode::start(config).await;
    assert!(matches!(refused, Err(StartError::Listen { address, .. }) if address == taken));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_a_device_listens_on_its_addresses_alone_and_waits_for_those_that_are_missing() {
    let home = tempfile::tempdir().unwrap();
    let listen = vec!["/ip4/0.0.0.0/tcp/0".parse().unwrap(), "/ip6/::/tcp/0".parse().unwrap()];
    let devices = ["lo", "notthere0"].map(str::to_owned).to_vec();
    let node = EmbeddedNode::start(Config { listen, devices, ..config(home.path(), None) }).await.unwrap();
    let listening = node.listening();
    let host = |address: &Multiaddr| address.to_string().split("/tcp/").next().map(str::to_owned).unwrap();
    assert!(listening.iter().map(host).all(|host| host == "/ip4/127.0.0.1" || host == "/ip6/::1"), "{listening:?}");
    assert!(!listening.is_empty());

    let (missing, other) = ("/ip6/fc12::1/tcp/4001".parse().unwrap(), tempfile::tempdir().unwrap());
    let node = EmbeddedNode::start(Config { listen: vec![missing], ..config(other.path(), None) }).await.unwrap();
    assert!(node.listening().is_empty());
    assert_eq!(node.port(), Some(4001));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_puts_and_reads_at_once_do_not_hold_each_other_up() {
    guarded(async {
        let home = tempfile::tempdir().unwrap();
        let node = start(home.path(), None).await;
        let blocks: Vec<(Cid, Bytes)> = (0..4).flat_map(segment).collect();
        let puts = blocks.iter().map(|(cid, data)| node.put(*cid, data.clone()));
        futures::future::try_join_all(puts).await.unwrap();
        let work = blocks.iter().map(|(cid, data)| {
            let node = node.clone();
            async move {
                assert_eq!(node.get(cid).await.unwrap().as_ref(), Some(data));
                assert!(node.remove(cid).await.unwrap());
            }
        });
        futures::future::join_all(work).await;
        let left: Vec<_> = node.blocks().try_concat().await.unwrap();
        assert!(left.is_empty());
    })
    .await;
}
