//! Listeners on this machine's own addresses.

use std::io;

use listener::Listener;
use tokio::net::TcpStream;

#[tokio::test]
async fn the_unspecified_address_takes_both_families() {
    let mut listener = Listener::bind("[::]:0".parse().unwrap(), &[]).unwrap();
    let port = listener.local_addr().port();
    let (connected, accepted) = tokio::join!(TcpStream::connect(("127.0.0.1", port)), listener.accept());
    connected.unwrap();
    accepted.unwrap();
    if listener.local_addr().is_ipv6() {
        TcpStream::connect(("::1", port)).await.unwrap();
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
    for devices in [&[][..], &["lo".parse().unwrap()][..]] {
        let error = Listener::bind(listener.local_addr(), devices).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}

#[tokio::test]
async fn an_address_that_the_machine_lacks_is_listened_on_all_the_same() {
    for address in ["[fc12::1]:0", "192.0.2.1:0"] {
        let listener = Listener::bind(address.parse().unwrap(), &[]).unwrap();
        assert_ne!(listener.local_addr().port(), 0);
    }
}

#[tokio::test]
async fn a_listener_on_two_devices_takes_what_comes_by_the_one_that_is_there() {
    let devices = ["notthere0", "lo"].map(|name| name.parse().unwrap());
    let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &devices).unwrap();
    let (connected, accepted) = tokio::join!(TcpStream::connect(listener.local_addr()), listener.accept());
    let (_, from) = accepted.unwrap();
    assert_eq!(connected.unwrap().local_addr().unwrap(), from);
}

#[tokio::test]
async fn a_listener_on_a_device_that_is_missing_takes_nothing_and_keeps_its_port() {
    let devices = ["notthere0".parse().unwrap()];
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &devices).unwrap();
    let refused = TcpStream::connect(listener.local_addr()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}
