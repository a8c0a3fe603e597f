//! Who this node is on Secure Scuttlebutt: an ed25519 key pair.
//!
//! [`Identity::load_or_create`] reads or writes the file `identity/secret` in the form of JavaScript's `ssb-keys`,
//! so that other SSB tools can use the same identity. The secret leaves this module only through signatures and
//! [`Identity::signing_key`], which the secret handshake needs; it is never printed.

mod secret_file;

use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use rand::rngs::OsRng;
use stream_model::FeedId;

pub use secret_file::IdentityError;

/// An ed25519 key pair that signs a feed.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// A fresh key pair from the system's random numbers, kept in memory only.
    pub fn generate() -> Self {
        Self { key: SigningKey::generate(&mut OsRng) }
    }

    /// The key pair of a 32-byte ed25519 seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(seed) }
    }

    /// Reads the identity in a secret file, or makes one and writes it. The file gets mode 0600 and its directory
    /// 0700; what was readable by others is mended with a warning. Once it returns, the file is durable.
    ///
    /// # Errors
    /// [`IdentityError`] where the file cannot be read, written, or is not an ed25519 secret.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        secret_file::load_or_create(path)
    }

    /// The feed that this key pair signs.
    pub fn id(&self) -> FeedId {
        FeedId(self.key.verifying_key().to_bytes())
    }

    /// Signs bytes (RFC 8032, Ed25519).
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// The key itself, for the key agreement of the secret handshake.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id()).field("secret", &"redacted").finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_an_identity_does_not_show_its_secret() {
        let identity = Identity::from_seed(&[7; 32]);
        let printed = format!("{identity:?}");
        assert!(printed.contains(&identity.id().to_string()));
        assert!(printed.contains("redacted"));
        assert!(!printed.contains("7, 7"));
    }
}
