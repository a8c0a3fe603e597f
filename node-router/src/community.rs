//! A private community: its one secret, the keys and the name derived from it, and the invite that carries it
//! (`docs/protocol/community.md`).

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use rand::RngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};

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
const NAME: &[u8] = b"meshstream community name v1";
const INVITE_CHECKSUM: &[u8] = b"meshstream community invite v1";

const INVITE_PREFIX: &str = "meshstream-community:";
/// One mistyped invite in four thousand million is taken for a right one, and 36 bytes fill 48 characters exactly.
const CHECKSUM_BYTES: usize = 4;
const INVITE_CHARACTERS: usize = (32 + CHECKSUM_BYTES) / 3 * 4;

/// What is wrong with an invite. Says nothing of its content, which is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// It is something else, or its beginning is missing.
    #[error("an invite to a community begins with '{INVITE_PREFIX}'; copy it whole")]
    Prefix,
    /// A character that no invite has; counted from 1, after the prefix.
    #[error(
        "character {0} after '{INVITE_PREFIX}' cannot be in an invite: it has A to Z, a to z, 0 to 9, '-' and '_' only"
    )]
    Character(usize),
    /// Too few or too many characters.
    #[error("the invite has {0} characters after '{INVITE_PREFIX}' instead of {INVITE_CHARACTERS}; copy it whole")]
    Length(usize),
    /// Each character is possible, but not all of them together.
    #[error("the invite is mistyped: its checksum does not fit; compare it with the original")]
    Checksum,
}

impl Secret {
    /// A new one, from the system's randomness.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The line that lets others in: the secret itself, with a checksum. Parsed by [`str::parse`].
    pub fn invite(&self) -> String {
        let bytes = [&self.0[..], &checksum(&self.0)].concat();
        format!("{INVITE_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Secret {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let encoded = text.trim().strip_prefix(INVITE_PREFIX).ok_or(InviteError::Prefix)?;
        let impossible = |character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character));
        if let Some(at) = encoded.chars().position(impossible) {
            return Err(InviteError::Character(at + 1));
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok().filter(|_| encoded.len() == INVITE_CHARACTERS);
        let bytes = bytes.ok_or(InviteError::Length(encoded.len()))?;
        let (secret, check) = bytes.split_first_chunk().ok_or(InviteError::Length(encoded.len()))?;
        if check != checksum(secret) {
            return Err(InviteError::Checksum);
        }
        Ok(Self(*secret))
    }
}

fn checksum(secret: &[u8; 32]) -> [u8; CHECKSUM_BYTES] {
    let hash = Sha256::new().chain_update(INVITE_CHECKSUM).chain_update(secret).finalize();
    std::array::from_fn(|at| hash[at])
}

/// The SSB network key (`shs` capability) of the community: HKDF-SHA256 (RFC 5869) without salt.
pub fn network_key(secret: &Secret) -> [u8; 32] {
    derive(secret, NETWORK_KEY)
}

/// The IPFS swarm key (pre-shared key of libp2p's private networks) of the community, likewise.
pub fn swarm_key(secret: &Secret) -> [u8; 32] {
    derive(secret, SWARM_KEY)
}

/// What names the community in public, likewise: 64 hexadecimal digits that tell nothing of the secret.
pub fn name(secret: &Secret) -> String {
    hex(&derive(secret, NAME))
}

/// The swarm key as Kubo reads it from `swarm.key`: three lines.
pub fn swarm_key_file(secret: &Secret) -> String {
    format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", hex(&swarm_key(secret)))
}

fn derive(secret: &Secret, label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, &secret.0).expand(label, &mut key).expect("32 bytes are within HKDF's 255 hashes");
    key
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The vectors of `docs/protocol/community.md`, computed with Python's `hmac` and `hashlib`.
    #[test]
    fn keys_names_and_invites_are_those_of_the_document() {
        let document = include_str!("../../docs/protocol/community.md");
        let counting: [u8; 32] = std::array::from_fn(|at| at as u8);
        for secret in [[0; 32], counting] {
            let secret = Secret(secret);
            let (bytes, network, swarm) = (hex(&secret.0), hex(&network_key(&secret)), hex(&swarm_key(&secret)));
            let keys = format!("| `{bytes}` | `{network}` | `{swarm}` |");
            let invite = format!("| `{bytes}` | `{}` | `{}` |", name(&secret), secret.invite());
            for line in [keys, invite] {
                assert!(document.lines().any(|documented| documented == line), "not documented: {line}");
            }
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret([7; 32])), "Secret(redacted)");
    }

    #[test]
    fn communities_differ() {
        assert_ne!(Secret::generate(), Secret::generate());
        assert_ne!(name(&Secret([1; 32])), name(&Secret([2; 32])));
    }

    #[test]
    fn an_invite_that_is_none_is_refused_with_what_is_wrong() {
        let good = Secret([7; 32]).invite();
        let encoded = good.strip_prefix(INVITE_PREFIX).unwrap();
        for (text, error) in [
            (String::new(), InviteError::Prefix),
            (encoded.to_owned(), InviteError::Prefix),
            (good.to_uppercase(), InviteError::Prefix),
            (good.replace("meshstream-community", "meshstream"), InviteError::Prefix),
            (INVITE_PREFIX.to_owned(), InviteError::Length(0)),
            (good[..good.len() - 1].to_owned(), InviteError::Length(INVITE_CHARACTERS - 1)),
            (format!("{good}A"), InviteError::Length(INVITE_CHARACTERS + 1)),
            (format!("{good}AAAA"), InviteError::Length(INVITE_CHARACTERS + 4)),
            (format!("{INVITE_PREFIX} {encoded}"), InviteError::Character(1)),
            (format!("{good}="), InviteError::Character(INVITE_CHARACTERS + 1)),
            (format!("{good}\n{good}"), InviteError::Character(INVITE_CHARACTERS + 1)),
            (good.replacen("BwcH", "BwdH", 1), InviteError::Checksum),
        ] {
            assert_eq!(text.parse::<Secret>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_invite_is_read_back(bytes: [u8; 32]) {
            let secret = Secret(bytes);
            prop_assert_eq!(format!(" {}\n", secret.invite()).parse::<Secret>(), Ok(secret));
        }

        #[test]
        fn a_mistyped_character_is_found(bytes: [u8; 32], at in 0..INVITE_CHARACTERS, other in "[A-Za-z0-9_-]") {
            let invite = Secret(bytes).invite();
            let mut mistyped = invite.clone();
            let at = INVITE_PREFIX.len() + at;
            mistyped.replace_range(at..at + 1, &other);
            prop_assume!(mistyped != invite);
            prop_assert_eq!(mistyped.parse::<Secret>(), Err(InviteError::Checksum));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Secret>();
            let _ = format!("{INVITE_PREFIX}{text}").parse::<Secret>();
        }
    }
}
