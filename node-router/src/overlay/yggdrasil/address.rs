//! Addresses of Yggdrasil: 02, the number of ones that the public key begins with when it is inverted, and the bits after
//! the first zero.

use std::net::Ipv6Addr;

/// The address of whoever has this Ed25519 public key, in 64 hexadecimal digits; `None` where it is none.
pub(super) fn of_public_key(hex: &str) -> Option<Ipv6Addr> {
    Some(address(&public_key(hex)?))
}

fn public_key(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

fn address(key: &[u8; 32]) -> Ipv6Addr {
    let bit = |index: usize| key.get(index / 8).is_some_and(|byte| byte & (0x80 >> (index % 8)) == 0);
    let ones = (0..256).take_while(|index| bit(*index)).count();
    let mut octets = [0; 16];
    octets[0] = 0x02;
    octets[1] = u8::try_from(ones).unwrap_or(u8::MAX);
    for (index, octet) in octets.iter_mut().enumerate().skip(2) {
        // The zero that ends the ones is left out.
        let first = ones + 1 + (index - 2) * 8;
        *octet = (0..8).fold(0, |octet, offset| octet << 1 | u8::from(bit(first + offset)));
    }
    Ipv6Addr::from(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::Overlay;
    use proptest::prelude::*;

    #[test]
    fn keys_give_the_addresses_that_the_daemon_gives() {
        // Read from running yggdrasil 0.4.7 and 0.5.12.
        for (key, address) in [
            ("7fd90ef880b91fd3d1bf31957c7abb261e16dacf4e4df38be849261c98192550", "201:9b:c41d:fd1b:80b0:b903:39aa:e15"),
            (
                "706f35f3378b1386fb4f158b3d40307a01fa399652fc6408972f9d733e8e0a34",
                "201:3e43:2833:21d3:b1e4:12c3:a9d3:aff",
            ),
            (
                "567c24aa24d8e764c89d8812e9a91e8fa21b42a6ab7adfe391c37e90c3f55258",
                "201:a60f:6d57:6c9c:626c:dd89:dfb4:595b",
            ),
            (
                "615a7a676d9e7f5d1e88debadf0abd2ef5dcf86647082f14b536601af02d4cac",
                "201:7a96:1662:4986:28b:85dc:8514:83d5",
            ),
            (
                "da16bb080db7c317ce6b7fa6c3fae21ba613672f9c830992aabf5708df50b83b",
                "200:4bd2:89ef:e490:79d0:6329:b2:780a",
            ),
        ] {
            assert_eq!(of_public_key(key), address.parse().ok());
        }
    }

    #[test]
    fn what_is_no_key_has_no_address() {
        for text in ["", "7f", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
            assert_eq!(of_public_key(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_an_address_of_the_overlay(key: [u8; 32], zeros in 0..33_usize) {
            let mut key = key;
            key[..zeros].fill(0);
            prop_assert!(Overlay::Yggdrasil.contains(address(&key)));
        }
    }
}
