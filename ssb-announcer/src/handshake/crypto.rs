//! The few primitives that the handshake and the box stream are made of, under the protocol guide's names.

use crypto_secretbox::aead::{AeadInPlace, KeyInit};
use crypto_secretbox::{Key, Nonce, Tag, XSalsa20Poly1305};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};

use super::HandshakeError;

/// Length of a secret box's authentication tag.
pub(crate) const TAG: usize = 16;

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// NaCl's `crypto_auth`: HMAC-SHA-512 cut to its first 32 bytes.
pub(super) fn authenticator(key: &[u8; 32], message: &[u8; 32]) -> [u8; 32] {
    let mut mac = <Hmac<Sha512> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    let full = mac.finalize().into_bytes();
    let mut cut = [0; 32];
    cut.copy_from_slice(&full[..32]);
    cut
}

pub(super) fn equal(left: &[u8; 32], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Diffie-Hellman; refuses a result that does not depend on our secret.
pub(super) fn shared_secret(secret: &StaticSecret, public: &[u8; 32]) -> Result<[u8; 32], HandshakeError> {
    let shared = secret.diffie_hellman(&PublicKey::from(*public));
    if shared.was_contributory() { Ok(shared.to_bytes()) } else { Err(HandshakeError::WeakKey) }
}

/// Encrypts in place and returns the tag.
pub(crate) fn seal(key: &[u8; 32], nonce: &[u8; 24], body: &mut [u8]) -> [u8; TAG] {
    XSalsa20Poly1305::new(Key::from_slice(key))
        .encrypt_in_place_detached(Nonce::from_slice(nonce), b"", body)
        .expect("a secret box holds far more than a body of the box stream")
        .into()
}

/// Decrypts in place; `false` (and an unusable body) where the tag is not genuine.
#[must_use]
pub(crate) fn open(key: &[u8; 32], nonce: &[u8; 24], tag: &[u8; TAG], body: &mut [u8]) -> bool {
    XSalsa20Poly1305::new(Key::from_slice(key))
        .decrypt_in_place_detached(Nonce::from_slice(nonce), b"", body, Tag::from_slice(tag))
        .is_ok()
}
