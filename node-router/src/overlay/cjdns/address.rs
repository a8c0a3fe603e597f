//! Addresses of cjdns: the first half of the SHA-512 of the SHA-512 of the public key, which starts with fc.

use std::net::Ipv6Addr;

use sha2::{Digest, Sha512};

use crate::overlay::Overlay;

/// Digits of cjdns's base 32, by value; the least significant comes first.
const DIGITS: &[u8; 32] = b"0123456789bcdfghjklmnpqrstuvwxyz";
/// Digits of a key of 32 bytes.
const KEY_DIGITS: usize = 52;

/// The address of whoever has this public key, written with 52 digits and `.k`. `None` where it is none, or not that of a
/// node: its address would not start with fc.
pub(super) fn of_public_key(text: &str) -> Option<Ipv6Addr> {
    let key = public_key(text)?;
    let hash = Sha512::digest(Sha512::digest(key));
    let octets: [u8; 16] = hash[..16].try_into().expect("a sha-512 is longer than an address");
    Some(Ipv6Addr::from(octets)).filter(|address| Overlay::Cjdns.contains(*address))
}

/// The key at the end of a name such as `v22.0000.0000.0000.0015.KEY.k`, and the path before it.
pub(super) fn split_name(name: &str) -> Option<(&str, &str)> {
    let end = name.strip_suffix(".k")?;
    let (rest, _) = end.rsplit_once('.')?;
    let path = rest.split_once('.')?.1;
    Some((path, &name[rest.len() + 1..]))
}

fn public_key(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_suffix(".k")?.as_bytes();
    if digits.len() != KEY_DIGITS {
        return None;
    }
    let (mut key, mut bits, mut held, mut next) = ([0; 32], 0_u32, 0, 0);
    for digit in digits {
        let value = DIGITS.iter().position(|known| *known == digit.to_ascii_lowercase())?;
        bits |= u32::try_from(value).ok()? << held;
        held += 5;
        if held >= 8 {
            *key.get_mut(next)? = (bits & 0xff) as u8;
            next += 1;
            bits >>= 8;
            held -= 8;
        }
    }
    (next == key.len() && bits == 0).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Read from a running cjdroute 22.1.
    const VECTORS: [(&str, &str); 3] = [
        ("nwzqfpy0svwjc52vqyn2wdzphx1g18ru6gqzdkhdh90wdqtrjs90.k", "fcfc:d014:7478:290f:3a4e:f14a:6e77:45da"),
        ("sbltg693xdpc9l5cg4zxxc91pr69ul70x5wuuqsmxglhjp1wu9g0.k", "fcab:7b51:27d0:275b:300f:2d86:1839:94de"),
        ("xrwhk84h2247y6szm8xjl91uv0ybchzs41vtpg3p11qg6jmypz00.k", "fc0d:61bf:ed66:fbc7:d216:e456:c4b3:de8"),
    ];

    #[test]
    fn keys_give_the_addresses_that_the_daemon_gives() {
        for (key, address) in VECTORS {
            assert_eq!(of_public_key(key), address.parse().ok());
            assert_eq!(of_public_key(&key.to_uppercase().replace(".K", ".k")), address.parse().ok());
        }
    }

    #[test]
    fn what_is_no_key_of_a_node_has_no_address() {
        let key = VECTORS[0].0;
        let damaged = [
            key.replace(".k", ""),
            key[1..].to_owned(),
            format!("0{key}"),
            key.replace('n', "a"),
            key.replace("0.k", "z.k"),
            // A key whose hash does not start with fc.
            key.replace("nw", "mw"),
            String::new(),
        ];
        for text in damaged {
            assert_eq!(of_public_key(&text), None, "{text}");
        }
    }

    #[test]
    fn names_are_taken_apart() {
        let key = VECTORS[0].0;
        assert_eq!(split_name(&format!("v22.0000.0000.0000.0015.{key}")), Some(("0000.0000.0000.0015", key)));
        for name in ["", ".k", "v22.k", key, "v22.0000"] {
            assert_eq!(split_name(name).filter(|(_, key)| of_public_key(key).is_some()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = of_public_key(&text);
            let _ = split_name(&text);
        }

        #[test]
        fn no_digits_panic(text in "[0-9b-df-hj-np-z]{52}\\.k") {
            let _ = of_public_key(&text);
        }
    }
}
