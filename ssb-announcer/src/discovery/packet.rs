//! The two forms of a datagram that says where a node is, as JavaScript's `ssb-local` and `ssb-lan` send them. Pure.
//!
//! *Plain*: the text of a multiserver address, which everybody can read and forge. *Sealed*: the object
//! `{"address": …}` as JSON in a NaCl secret box whose key is the network key and whose nonce is that key's first
//! 24 bytes, and after it an Ed25519 signature over the object as `JSON.stringify(object, null, 2)` writes it. Only
//! the nodes of a community can read it, and only the peer itself can have made it.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;

use crate::address::{AddressError, PeerAddresses};
use crate::handshake::NetworkKey;
use crate::handshake::crypto::{self, TAG};
use crate::identity::Identity;

/// Longest datagram that is read: it fits one frame of any link.
pub(super) const MAX_DATAGRAM: usize = 1280;
const SIGNATURE: usize = 64;

/// Why a datagram says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PacketError {
    #[error("too short or too long")]
    Size,
    #[error("not sealed with this community's network key")]
    NotOurs,
    #[error("not what a sealed datagram holds")]
    Malformed,
    #[error("not signed by the peer whose address it holds")]
    Forged,
    #[error(transparent)]
    Address(#[from] AddressError),
}

#[derive(Deserialize)]
struct Content {
    address: String,
}

/// Reads a plain datagram.
pub(super) fn read_plain(datagram: &[u8]) -> Result<PeerAddresses, PacketError> {
    let text = std::str::from_utf8(datagram).map_err(|_| AddressError::Malformed)?;
    // A shell or a logger ends it with a line's end.
    Ok(text.trim_end().parse()?)
}

/// Reads a sealed datagram and checks its signature.
pub(super) fn open(datagram: &[u8], network: &NetworkKey) -> Result<PeerAddresses, PacketError> {
    if !(TAG + SIGNATURE + 1..=MAX_DATAGRAM).contains(&datagram.len()) {
        return Err(PacketError::Size);
    }
    let (sealed, signature) = datagram.split_at(datagram.len() - SIGNATURE);
    let (tag, body) = sealed.split_at(TAG);
    let tag = tag.try_into().map_err(|_| PacketError::Size)?;
    let mut body = body.to_vec();
    if !crypto::open(network.as_bytes(), &nonce(network), tag, &mut body) {
        return Err(PacketError::NotOurs);
    }
    let content: Content = serde_json::from_slice(&body).map_err(|_| PacketError::Malformed)?;
    let addresses: PeerAddresses = content.address.parse()?;
    let key = VerifyingKey::from_bytes(&addresses.feed().0).map_err(|_| PacketError::Forged)?;
    let signature = Signature::from_slice(signature).map_err(|_| PacketError::Forged)?;
    key.verify_strict(signed(&content.address).as_bytes(), &signature).map_err(|_| PacketError::Forged)?;
    Ok(addresses)
}

/// Writes a sealed datagram.
pub(super) fn seal(addresses: &PeerAddresses, network: &NetworkKey, identity: &Identity) -> Vec<u8> {
    let address = addresses.to_string();
    let mut body = serde_json::json!({ "address": address }).to_string().into_bytes();
    let tag = crypto::seal(network.as_bytes(), &nonce(network), &mut body);
    let mut datagram = tag.to_vec();
    datagram.append(&mut body);
    datagram.extend_from_slice(&identity.sign(signed(&address).as_bytes()));
    datagram
}

/// Constant for a network key, as JavaScript has it: whoever can read one datagram can read them all anyway.
fn nonce(network: &NetworkKey) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce.copy_from_slice(&network.as_bytes()[..24]);
    nonce
}

/// What is signed.
fn signed(address: &str) -> String {
    format!("{{\n  \"address\": {}\n}}", serde_json::Value::from(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity() -> Identity {
        Identity::from_seed(&[7; 32])
    }

    fn network() -> NetworkKey {
        NetworkKey::new([42; 32])
    }

    fn addresses() -> PeerAddresses {
        let listeners = ["10.0.0.2:8008", "[fd00::2]:8008"].map(|text| text.parse().unwrap());
        PeerAddresses::of_listeners(identity().id(), listeners).unwrap()
    }

    #[test]
    fn a_sealed_datagram_reads_back() {
        assert_eq!(open(&seal(&addresses(), &network(), &identity()), &network()), Ok(addresses()));
    }

    #[test]
    fn a_datagram_of_another_community_is_not_read() {
        let datagram = seal(&addresses(), &NetworkKey::MAIN, &identity());
        assert_eq!(open(&datagram, &network()), Err(PacketError::NotOurs));
    }

    #[test]
    fn nobody_else_can_sign_for_a_peer() {
        let datagram = seal(&addresses(), &network(), &Identity::from_seed(&[8; 32]));
        assert_eq!(open(&datagram, &network()), Err(PacketError::Forged));
    }

    #[test]
    fn a_plain_datagram_is_an_address() {
        assert_eq!(read_plain(format!("{}\n", addresses()).as_bytes()), Ok(addresses()));
        assert!(read_plain(b"GET / HTTP/1.1").is_err());
        assert!(read_plain(&[0xff; 40]).is_err());
    }

    /// No address that this node can make is too long for a datagram.
    #[test]
    fn the_longest_announcement_fits_a_datagram() {
        let longest = "[fd00:1111:2222:3333:4444:5555:6666:7777]:65535".parse().unwrap();
        let most = vec![longest; crate::address::MAX_ADDRESSES];
        let addresses = PeerAddresses::of_listeners(identity().id(), most).unwrap();
        let datagram = seal(&addresses, &network(), &identity());
        assert!(addresses.to_string().len() <= crate::address::MAX_TEXT && datagram.len() <= MAX_DATAGRAM);
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_refused_or_read(datagram: Vec<u8>) {
            let _any = (read_plain(&datagram), open(&datagram, &network()));
        }

        #[test]
        fn a_changed_datagram_is_refused(at: prop::sample::Index, bit in 0u8..8) {
            let mut datagram = seal(&addresses(), &network(), &identity());
            let at = at.index(datagram.len());
            datagram[at] ^= 1 << bit;
            prop_assert!(open(&datagram, &network()).is_err());
        }
    }
}
