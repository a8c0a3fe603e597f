use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::handshake::{NetworkKey, authenticate_client, authenticate_server};
use crate::identity::Identity;
use crate::replication::way::GIVE_UP_EBT_AFTER;

/// The sending half of a connection, and what keeps it open.
async fn wire() -> (Wire, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut here = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut there, _) = listener.accept().await.unwrap();
    let (a, b) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
    let (keys, _) = tokio::join!(
        authenticate_client(&mut here, &NetworkKey::MAIN, a.signing_key(), b.id()),
        authenticate_server(&mut there, &NetworkKey::MAIN, b.signing_key()),
    );
    let (_, write) = here.into_split();
    (Wire::new(write, keys.unwrap().send), there)
}

#[tokio::test]
async fn a_peer_that_never_says_a_word_does_not_count_as_replicating() {
    let store = FeedStore::in_memory(Identity::from_seed(&[1; 32]).id(), vec![]).unwrap();
    let peer = Identity::from_seed(&[2; 32]).id();
    store.want_peer(peer);
    for role in [Role::Caller, Role::Callee] {
        let (mut wire, _open) = wire().await;
        let now = Instant::now();
        let mut feeds = Feeds::new(peer, store.clone(), role, now);
        if role == Role::Caller {
            feeds.call_ebt(&mut wire).unwrap();
        }
        feeds.act(&mut wire, now + GIVE_UP_EBT_AFTER).unwrap();
        feeds.act(&mut wire, now + GIVE_UP_EBT_AFTER).unwrap();
        let asking = feeds.asking.as_ref().unwrap();
        assert_eq!((asking.open(), feeds.is_replicating()), (1, false), "{role:?}");
        let question = wire.call(&service::manifest_call()).unwrap();
        feeds.handle_data(question, Bytes::from_static(b"{}")).unwrap();
        assert!(feeds.is_replicating(), "{role:?}");
    }
}
