//! Who this node is on Secure Scuttlebutt: an ed25519 key pair.
//!
//! [`Identity::load_or_create`] reads or writes the file `identity/secret` in the form of JavaScript's `ssb-keys`,
//! so that other SSB tools can use the same identity. The secret leaves this module only through signatures and
//! [`Identity::signing_key`], which the secret handshake needs; it is never printed.

mod place;
mod secret_file;

use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use rand::rngs::OsRng;
use stream_model::{FeedId, NODE_RECORD_CONTEXT, NodeSigner};

use crate::feed::RecoverReason;

pub use place::{Machine, Place, Standing};
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

    /// Reads the identity in a secret file.
    ///
    /// # Errors
    /// [`IdentityError`] where there is none, or none that can be used.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        secret_file::load(path)?.ok_or_else(|| IdentityError::Missing(path.to_owned()))
    }

    /// Writes the identity to a new secret file with mode 0600, for a backup or another program.
    ///
    /// # Errors
    /// [`IdentityError`] where the file is there already or cannot be written.
    pub fn export(&self, path: &Path) -> Result<(), IdentityError> {
        secret_file::write_new(path, self)
    }

    /// Makes this the identity of the node whose secret file is `secret`, and marks it as one whose feed is to be looked
    /// for before anything is appended. Returns whether it was not that before.
    ///
    /// # Errors
    /// [`IdentityError::Occupied`] where the node has another identity; nothing is changed then.
    pub fn import(&self, secret: &Path, place: &Place) -> Result<bool, IdentityError> {
        match secret_file::load(secret)? {
            Some(identity) if identity.id() == self.id() => Ok(false),
            Some(other) => Err(IdentityError::Occupied(other.id())),
            None => {
                // In this order: an identity without the mark could append after a crash between the two.
                place.require_recovery(RecoverReason::Imported)?;
                secret_file::install(secret, self)?;
                Ok(true)
            }
        }
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

impl NodeSigner for Identity {
    fn sign_node_record(&self, statement: &str) -> [u8; 64] {
        self.sign(&[NODE_RECORD_CONTEXT, statement.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_identity_is_imported_elsewhere_and_never_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (ours, other) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
        ours.export(&at("backup")).unwrap();
        assert!(matches!(other.export(&at("backup")), Err(IdentityError::Io { .. })), "a backup is not overwritten");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(at("backup")).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);

        let secret = at("node/identity/secret");
        let place = Place::beside(&secret, Machine::of(["here"]));
        let read = Identity::load(&at("backup")).unwrap();
        assert!(read.import(&secret, &place).unwrap());
        assert_eq!(Identity::load(&secret).unwrap().id(), ours.id());
        assert_eq!(place.standing().unwrap(), Standing::Recover(RecoverReason::Imported));

        place.settle().unwrap();
        assert!(!read.import(&secret, &place).unwrap(), "it is there already");
        assert_eq!(place.standing().unwrap(), Standing::Home, "and stays as it was");
        assert!(matches!(other.import(&secret, &place), Err(IdentityError::Occupied(id)) if id == ours.id()));
        assert_eq!(Identity::load(&secret).unwrap().id(), ours.id());
        assert!(matches!(Identity::load(&at("nothing")), Err(IdentityError::Missing(_))));
    }

    #[test]
    fn printing_an_identity_does_not_show_its_secret() {
        let identity = Identity::from_seed(&[7; 32]);
        let printed = format!("{identity:?}");
        assert!(printed.contains(&identity.id().to_string()));
        assert!(printed.contains("redacted"));
        assert!(!printed.contains("7, 7"));
    }
}
