//! Keys that sign releases: Ed25519 (RFC 8032), as text.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// What a public key begins with.
const PUBLIC: &str = "ed25519:";
/// What a secret key begins with, so that nobody takes one for the other.
const SECRET: &str = "ed25519-secret:";

/// The first line of a file with a secret key.
const NOTE: &str = "# Signs releases of Meshstream. Whoever has this file can install any program on the nodes that trust the key: keep it off them.";

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Another text.
    #[error("not a public key of releases: it is written {PUBLIC} and 44 characters")]
    Public,
    /// Another file.
    #[error("not a file of 'meshstream upgrade key new'")]
    Secret,
    /// A secret key where a public one belongs.
    #[error("this is the secret key: nodes get the public one, which 'meshstream upgrade key show FILE' prints")]
    SecretGiven,
    /// A point of small order, for which anybody can sign.
    #[error("not a public key of releases: anybody could sign for it")]
    Weak,
}

/// Whose signature it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Whether the key has signed the bytes. Strict: no signature can be changed into another one that holds.
    pub(crate) fn verify(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        let key = VerifyingKey::from_bytes(&self.0).ok().filter(|key| !key.is_weak());
        key.is_some_and(|key| key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with(SECRET) {
            return Err(KeyError::SecretGiven);
        }
        let bytes = text.strip_prefix(PUBLIC).and_then(read).ok_or(KeyError::Public)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Public)?;
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(bytes)) }
    }
}

/// Base64 with padding, as it is written here and not otherwise.
fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// The bytes of a signature as text.
pub(crate) fn signature_text(signature: &[u8; 64]) -> String {
    STANDARD.encode(signature)
}

/// A signature of a text.
pub(crate) fn read_signature(text: &str) -> Option<[u8; 64]> {
    read(text)
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What signs releases. Never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads the file that [`SecretKey::to_file`] makes.
    ///
    /// # Errors
    /// [`KeyError::Secret`].
    pub fn from_file(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let line = lines.next().filter(|_| lines.next().is_none());
        let seed = line.and_then(|line| line.strip_prefix(SECRET)).and_then(read).ok_or(KeyError::Secret)?;
        Ok(Self::from_seed(&seed))
    }

    /// What belongs into a file that nobody else reads.
    pub fn to_file(&self) -> String {
        format!("{NOTE}\n# {}\n{SECRET}{}\n", self.public(), STANDARD.encode(self.0.to_bytes()))
    }

    /// What nodes are told to trust.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written_and_never_shown() {
        let secret = SecretKey::from_seed(&[7; 32]);
        let text = secret.public().to_string();
        assert_eq!(text.parse::<PublicKey>().unwrap(), secret.public());
        let file = secret.to_file();
        assert_eq!(SecretKey::from_file(&file).unwrap().public(), secret.public());
        let seed = STANDARD.encode([7; 32]);
        assert!(file.contains(&seed) && !format!("{secret:?}").contains(&seed));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let secret = SecretKey::from_seed(&[7; 32]);
        let line = secret.to_file().lines().last().unwrap().to_owned();
        assert_eq!(line.parse::<PublicKey>(), Err(KeyError::SecretGiven));
        let weak = format!(
            "{PUBLIC}{}",
            STANDARD.encode({
                let mut one = [0; 32];
                one[0] = 1;
                one
            })
        );
        assert_eq!(weak.parse::<PublicKey>(), Err(KeyError::Weak));
        for text in ["", "ed25519:", "ed25519:AAAA", &secret.public().to_string()[1..], "@x.ed25519"] {
            assert_eq!(text.parse::<PublicKey>(), Err(KeyError::Public), "{text}");
        }
        for text in ["", "# nothing", &secret.public().to_string(), &format!("{line}\n{line}"), &line[..line.len() - 1]]
        {
            assert!(SecretKey::from_file(text).is_err(), "{text}");
        }
    }
}
