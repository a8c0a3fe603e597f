//! Identifiers. Each has one textual form, the one its own network uses, and is checked when it is parsed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not `@`, 44 characters of base64, `.ed25519`.
    #[error("not a feed id: expected @<44 characters of base64>.ed25519")]
    Feed,
    /// Not `%`, 44 characters of base64, `.sha256`.
    #[error("not a message key: expected %<44 characters of base64>.sha256")]
    Message,
    /// Neither `&`, 44 characters of base64, `.sha256`, nor 43 characters of unpadded base64url.
    #[error("not a blob: expected 43 characters of base64url or &<44 characters of base64>.sha256")]
    Blob,
    /// Neither a message key nor 43 characters of unpadded base64url.
    #[error("not a broadcast: expected 43 characters of base64url or %<44 characters of base64>.sha256")]
    Broadcast,
    /// Neither a message key nor 43 characters of unpadded base64url.
    #[error("not a scheduled broadcast: expected 43 characters of base64url or %<44 characters of base64>.sha256")]
    Schedule,
    /// Not a base58 multihash of a public key.
    #[error("not a libp2p peer id: expected a base58 multihash such as 12D3Koo…")]
    Peer,
    /// Not a usable stream name.
    #[error("not a stream name: 1 to 64 letters, digits, '-', '_' or '.', beginning with a letter or a digit")]
    StreamName,
}

macro_rules! string_forms {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// An SSB feed: the ed25519 public key of its author, written `@….ed25519` (SSB protocol guide, "Keys and
/// identities").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedId(pub [u8; 32]);

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}.ed25519", STANDARD.encode(self.0))
    }
}

impl FromStr for FeedId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        decode_sigil(text, "@", ".ed25519").map(Self).ok_or(IdError::Feed)
    }
}

string_forms!(FeedId);

/// An SSB message: the SHA-256 of its signed encoding, written `%….sha256` (SSB protocol guide, "Message ID").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageKey(pub [u8; 32]);

impl MessageKey {
    /// The form used in URLs: 43 characters of unpadded base64url.
    pub fn slug(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}.sha256", STANDARD.encode(self.0))
    }
}

impl FromStr for MessageKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        decode_sigil(text, "%", ".sha256").map(Self).ok_or(IdError::Message)
    }
}

string_forms!(MessageKey);

/// An identifier that is the key of the message which made it: written as that, in URLs as its slug.
macro_rules! made_by_message {
    ($type:ident, $error:ident) => {
        impl $type {
            /// The form used in URLs: 43 characters of unpadded base64url.
            pub fn slug(&self) -> String {
                self.0.slug()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.starts_with('%') {
                    return text.parse().map(Self).map_err(|_| IdError::$error);
                }
                let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| IdError::$error)?;
                let key = bytes.try_into().map_err(|_| IdError::$error)?;
                Ok(Self(MessageKey(key)))
            }
        }

        string_forms!($type);
    };
}

/// A broadcast: the key of the `meshstream-broadcast` message that announced it.
///
/// Written as the message key; in URLs as its *slug*, the 32 bytes in unpadded base64url. Both are parsed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BroadcastId(pub MessageKey);

made_by_message!(BroadcastId, Broadcast);

/// A broadcast that is planned: the key of the `meshstream-schedule` message that announced it. Written and parsed as a
/// [`BroadcastId`] is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScheduleId(pub MessageKey);

made_by_message!(ScheduleId, Schedule);

/// An SSB blob: the SHA-256 of its bytes, written `&….sha256` (SSB protocol guide, "Blobs"); in URLs as its *slug*, the 32
/// bytes in unpadded base64url. Both are parsed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The form used in URLs: 43 characters of unpadded base64url.
    pub fn slug(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "&{}.sha256", STANDARD.encode(self.0))
    }
}

impl FromStr for BlobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with('&') {
            return decode_sigil(text, "&", ".sha256").map(Self).ok_or(IdError::Blob);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| IdError::Blob)?;
        bytes.try_into().map(Self).map_err(|_| IdError::Blob)
    }
}

string_forms!(BlobId);

/// A libp2p peer: the multihash of its public key, written in base58btc (libp2p specs, "Peer IDs").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(Vec<u8>);

impl PeerId {
    /// Multihash code of an inlined public key, and of SHA-256: the two that libp2p uses.
    const CODES: [u8; 2] = [0x00, 0x12];

    /// Checks that the bytes are an identity or SHA-256 multihash of the length they declare.
    ///
    /// # Errors
    /// [`IdError::Peer`] where they are not.
    pub fn from_multihash(bytes: Vec<u8>) -> Result<Self, IdError> {
        match bytes.as_slice() {
            [code, length, digest @ ..]
                if Self::CODES.contains(code) && digest.len() == usize::from(*length) && (32..=64).contains(length) =>
            {
                Ok(Self(bytes))
            }
            _ => Err(IdError::Peer),
        }
    }

    /// The multihash.
    pub fn as_multihash(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(&self.0).into_string())
    }
}

impl FromStr for PeerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > 100 {
            return Err(IdError::Peer);
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| IdError::Peer)?;
        Self::from_multihash(bytes)
    }
}

string_forms!(PeerId);

/// The name a publisher gives its stream in `rtmp://NODE/live/NAME`, for which stream keys are made.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(String);

impl StreamName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if first && rest && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(IdError::StreamName) }
    }
}

string_forms!(StreamName);

fn decode_sigil(text: &str, sigil: &str, suffix: &str) -> Option<[u8; 32]> {
    let body = text.strip_prefix(sigil)?.strip_suffix(suffix)?;
    STANDARD.decode(body).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_read_back_what_they_write(bytes: [u8; 32]) {
            let feed = FeedId(bytes);
            prop_assert_eq!(feed.to_string().parse::<FeedId>(), Ok(feed));
            let broadcast = BroadcastId(MessageKey(bytes));
            prop_assert_eq!(broadcast.to_string().parse::<BroadcastId>(), Ok(broadcast));
            prop_assert_eq!(broadcast.slug().parse::<BroadcastId>(), Ok(broadcast));
            let blob = BlobId(bytes);
            prop_assert_eq!(blob.to_string().parse::<BlobId>(), Ok(blob));
            prop_assert_eq!(blob.slug().parse::<BlobId>(), Ok(blob));
            let mut multihash = vec![0x12, 32];
            multihash.extend(bytes);
            let peer = PeerId::from_multihash(multihash).unwrap();
            prop_assert_eq!(peer.to_string().parse::<PeerId>(), Ok(peer));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,120}") {
            let _ = text.parse::<FeedId>();
            let _ = text.parse::<MessageKey>();
            let _ = text.parse::<BroadcastId>();
            let _ = text.parse::<BlobId>();
            let _ = text.parse::<PeerId>();
            let _ = text.parse::<StreamName>();
        }
    }

    #[test]
    fn a_real_peer_id_is_read() {
        let text = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
        assert_eq!(text.parse::<PeerId>().unwrap().to_string(), text);
    }

    #[test]
    fn a_stream_name_is_plain() {
        for good in ["demo", "Main-Hall_2", "0.1"] {
            assert!(good.parse::<StreamName>().is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad}");
        }
    }
}
