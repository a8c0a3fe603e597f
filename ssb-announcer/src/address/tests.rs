use proptest::prelude::*;

use super::*;

/// Its base64 has `+`, `/` and `=` in it.
const KEY: &str = "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=";
const SEED: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

fn interface(name: &str) -> Option<u32> {
    (name == "eth0").then_some(4)
}

fn read(text: &str) -> Result<Vec<String>, AddressError> {
    let addresses: PeerAddresses = text.parse()?;
    assert_eq!(addresses.feed(), parse_key(KEY).unwrap(), "{text}");
    Ok(addresses.to_peer(interface).addresses.iter().map(ToString::to_string).collect())
}

#[test]
fn a_link_local_address_without_its_interface_is_known_as_such() {
    for (text, lacks) in [
        (format!("net:fe80::1:8008~shs:{KEY}"), true),
        (format!("net:10.0.0.2:8008~shs:{KEY};net:fe80::1:8008~shs:{KEY}"), true),
        (format!("net:fe80::1%eth0:8008~shs:{KEY}"), false),
        (format!("net:fc12::1:8008~shs:{KEY}"), false),
    ] {
        assert_eq!(text.parse::<PeerAddresses>().unwrap().lacks_zone(), lacks, "{text}");
    }
}

#[test]
fn addresses_are_read_in_all_their_forms() {
    for (text, expected) in [
        (format!("net:10.0.0.2:8008~shs:{KEY}"), vec!["10.0.0.2:8008"]),
        (format!("net:fc12::1:8008~shs:{KEY}"), vec!["[fc12::1]:8008"]),
        (format!("net:[fc12::1]:8008~shs:{KEY}"), vec!["[fc12::1]:8008"]),
        (format!("net:fc12!:!:1:8008~shs:{KEY}"), vec!["[fc12::1]:8008"]),
        (format!("net:fe80::1%eth0:8008~shs:{KEY}"), vec!["[fe80::1%4]:8008"]),
        (format!("net:[fe80::1%eth0]:8008~shs:{KEY}"), vec!["[fe80::1%4]:8008"]),
        (format!("net:fe80::1%7:8008~shs:{KEY}"), vec!["[fe80::1%7]:8008"]),
        (format!("net:fe80::1%wlan9:8008~shs:{KEY}"), vec![]),
        (format!("net:10.0.0.2:8008~shs:{KEY}:{SEED}"), vec!["10.0.0.2:8008"]),
        (
            format!("net:10.0.0.2:8008~shs:{KEY};ws://10.0.0.2:8989~shs:{KEY};net:fc12::1:9~shs:{KEY}"),
            vec!["10.0.0.2:8008", "[fc12::1]:9"],
        ),
        (
            format!("onion:abc.onion:9~shs:{KEY};net:node.local:1~shs:{KEY};net:10.0.0.2:2~shs:{KEY}"),
            vec!["10.0.0.2:2"],
        ),
        (format!("10.0.0.2:8008:@{KEY}.ed25519"), vec!["10.0.0.2:8008"]),
        (format!("fe80::1%eth0:8008:@{KEY}.ed25519"), vec!["[fe80::1%4]:8008"]),
    ] {
        assert_eq!(read(&text), Ok(expected.into_iter().map(str::to_owned).collect()), "{text}");
    }
}

#[test]
fn junk_is_refused() {
    use AddressError::{Malformed, NothingToDial, SeveralPeers, TooLong};
    for (text, expected) in [
        (String::new(), Malformed),
        (format!("net:10.0.0.2:8008~shs:{KEY};"), Malformed),
        (format!("net:10.0.0.2:8008~shs:{}", &KEY[..40]), Malformed),
        (format!("net:10.0.0.2:8008~shs:{KEY}A"), Malformed),
        (format!("net:10.0.0.2:0~shs:{KEY}"), Malformed),
        (format!("net:10.0.0.2:65536~shs:{KEY}"), Malformed),
        (format!("net:10.0.0.2:+808~shs:{KEY}"), Malformed),
        (format!("net~shs:{KEY}"), Malformed),
        (format!("net:10.0.0.2:8008 ~shs:{KEY}"), Malformed),
        (format!("net:10.0.0.2:8008~shs:!{KEY}"), Malformed),
        (format!("Net:10.0.0.2:8008~shs:{KEY}"), Malformed),
        (format!("net:10.0.0.2:8008~shs:{KEY};net:10.0.0.2:8008~shs:{SEED}"), SeveralPeers),
        (format!("net:node.local:8008~shs:{KEY}"), NothingToDial),
        (format!("net:0.0.0.0:8008~shs:{KEY}"), NothingToDial),
        (format!("net:ff02::1%eth0:8008~shs:{KEY}"), NothingToDial),
        (format!("net:10.0.0.2%eth0:8008~shs:{KEY}"), NothingToDial),
        (format!("net:fe80::1%eth0/../x:8008~shs:{KEY}"), NothingToDial),
        (format!("ws:10.0.0.2:8989~shs:{KEY}"), NothingToDial),
        ("net:10.0.0.2:8008".to_owned(), NothingToDial),
        ("x".repeat(MAX_TEXT + 1), TooLong),
    ] {
        assert_eq!(text.parse::<PeerAddresses>(), Err(expected), "{text}");
    }
}

#[test]
fn the_number_of_addresses_is_bounded() {
    let text: Vec<String> = (1..=12).map(|n| format!("net:10.0.0.{n}:1~shs:{KEY}")).collect();
    assert_eq!(read(&text.join(";")).unwrap().len(), MAX_ADDRESSES);
}

#[test]
fn addresses_are_written_as_javascript_does() {
    let feed = parse_key(KEY).unwrap();
    let written = |address: &str| NetAddress::new(address.parse().unwrap(), feed).to_string();
    assert_eq!(written("10.0.0.2:8008"), format!("net:10.0.0.2:8008~shs:{KEY}"));
    assert_eq!(written("[fc12::1]:8008"), format!("net:fc12::1:8008~shs:{KEY}"));
    assert_eq!(written("[fe80::1%4]:8008"), format!("net:fe80::1:8008~shs:{KEY}"));
}

#[test]
fn invites_are_read_in_both_forms_and_keep_their_seed_to_themselves() {
    for text in [
        format!("10.0.0.2:8008:@{KEY}.ed25519~{SEED}"),
        format!("10.0.0.2:8008:@{KEY}.ed25519~{SEED}#http://example.org/"),
        format!("net:10.0.0.2:8008~shs:{KEY}:{SEED}"),
        format!("net:10.0.0.2:8008~shs:{KEY}~{SEED}"),
    ] {
        let invite: Invite = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(invite.address().to_string(), format!("net:10.0.0.2:8008~shs:{KEY}"));
        assert_eq!(invite.seed()[..3], [1, 2, 3]);
        assert!(!format!("{invite:?}").contains(SEED));
        assert_eq!(invite.expose(), format!("net:10.0.0.2:8008~shs:{KEY}:{SEED}"));
    }
    for text in [
        format!("net:10.0.0.2:8008~shs:{KEY}"),
        format!("10.0.0.2:8008:@{KEY}.ed25519"),
        format!("10.0.0.2:8008:@{KEY}.ed25519~{}", &SEED[4..]),
        format!("pub.example.org:8008:@{KEY}.ed25519~{SEED}"),
    ] {
        assert!(text.parse::<Invite>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,120}") {
        exercise(text.as_bytes());
    }

    #[test]
    fn near_addresses_never_panic(text in "(net|ws|shs|[!:;~@%\\[\\]]|fe80::1|10\\.0\\.0\\.2|eth0|8008|AQID=){0,24}") {
        exercise(text.as_bytes());
    }

    #[test]
    fn what_is_written_reads_back(ip: std::net::IpAddr, port in 1u16.., key: [u8; 32]) {
        prop_assume!(!ip.is_unspecified() && !ip.is_multicast());
        let address = NetAddress::new(SocketAddr::new(ip, port), FeedId(key));
        let read: PeerAddresses = address.to_string().parse().unwrap();
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), vec![&address]);
    }
}
