//! The keys of a private community, derived from its one secret (`docs/protocol/community.md`).

use hkdf::Hkdf;
use sha2::Sha256;

/// The 32 bytes that make a private community. Prints redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

const NETWORK_KEY: &[u8] = b"meshstream ssb network key v1";
const SWARM_KEY: &[u8] = b"meshstream ipfs swarm key v1";

/// The SSB network key (`shs` capability) of the community: HKDF-SHA256 (RFC 5869) without salt.
pub fn network_key(secret: &Secret) -> [u8; 32] {
    derive(secret, NETWORK_KEY)
}

/// The IPFS swarm key (pre-shared key of libp2p's private networks) of the community, likewise.
pub fn swarm_key(secret: &Secret) -> [u8; 32] {
    derive(secret, SWARM_KEY)
}

fn derive(secret: &Secret, label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, &secret.0).expand(label, &mut key).expect("32 bytes are within HKDF's 255 hashes");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The vectors of `docs/protocol/community.md`, computed with Python's `hmac`.
    #[test]
    fn keys_are_those_of_the_document() {
        let document = include_str!("../../docs/protocol/community.md");
        let counting: [u8; 32] = std::array::from_fn(|at| at as u8);
        for secret in [[0; 32], counting] {
            let secret = Secret(secret);
            let line =
                format!("| `{}` | `{}` | `{}` |", hex(&secret.0), hex(&network_key(&secret)), hex(&swarm_key(&secret)));
            assert!(document.lines().any(|documented| documented == line), "not documented: {line}");
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret([7; 32])), "Secret(redacted)");
    }
}
