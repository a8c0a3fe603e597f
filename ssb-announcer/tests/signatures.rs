//! Signatures that only whoever knows more than an honest key can make: this node and JavaScript say the same of them.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod ssb_validate;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha512};
use ssb_announcer::feed::{FeedStore, Message, Rejected};
use ssb_announcer::identity::Identity;
use ssb_legacy_msg_data::json;
use ssb_legacy_msg_data::value::Value;
use stream_model::{FeedId, FeedSequence, MessageKey};

use crate::ssb_validate::judged_by_javascript;

/// A key of which the secret may be nothing at all.
#[derive(Debug, Clone, Copy)]
struct Author {
    key: [u8; 32],
    secret: Scalar,
}

impl Author {
    /// A key that is off by a point of small order.
    fn off_by(secret: Scalar, torsion: EdwardsPoint) -> Self {
        Self { key: (EdwardsPoint::mul_base(&secret) + torsion).compress().to_bytes(), secret }
    }

    /// A first message of this author with this `R`, and whether it solves the equation of Ed25519 (RFC 8032 §5.1.7,
    /// without the cofactor).
    fn sign(&self, timestamp: u32, nonce: Scalar, torsion: EdwardsPoint) -> (Message, bool) {
        let author = FeedId(self.key);
        let unsigned = format!(
            r#"{{"previous":null,"sequence":1,"author":"{author}","timestamp":{timestamp},"hash":"sha256","content":{{"type":"post","text":"hi"}}"#
        );
        let value: Value = json::from_slice(format!("{unsigned}}}").as_bytes()).unwrap();
        let to_sign = json::to_string(&value, false).unwrap();
        let r = EdwardsPoint::mul_base(&nonce) + torsion;
        let encoded = r.compress().to_bytes();
        let hash = Sha512::new().chain_update(encoded).chain_update(self.key).chain_update(to_sign);
        let h = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let s = nonce + h * self.secret;
        let signature = STANDARD.encode([encoded, s.to_bytes()].concat());
        let value_json = format!(r#"{unsigned},"signature":"{signature}.sig.ed25519"}}"#).into();
        let solves = EdwardsPoint::mul_base(&s) - h * CompressedEdwardsY(self.key).decompress().unwrap() == r;
        (Message { key: MessageKey([0; 32]), author, sequence: FeedSequence(1), kind: None, value_json }, solves)
    }

    /// One that solves the equation, if any does: what is hashed is varied until it does, as an author can.
    fn message(&self, nonce: Scalar, torsion: EdwardsPoint) -> Option<Message> {
        (0..1_000).map(|n| self.sign(n, nonce, torsion)).find_map(|(message, solves)| solves.then_some(message))
    }
}

/// All encodings of the eight points of small order: y below the prime or not, and x = 0 with either sign.
fn keys_of_small_order() -> Vec<[u8; 32]> {
    let mut keys: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    let prime_and = |more: u8| {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (0xed + more, 0x7f);
        y
    };
    keys.extend([prime_and(0), prime_and(1)]);
    let other_signs: Vec<[u8; 32]> = keys
        .iter()
        .map(|key| {
            let mut key = *key;
            key[31] ^= 0x80;
            key
        })
        .collect();
    keys.extend(other_signs);
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.iter().all(|key| CompressedEdwardsY(*key).decompress().unwrap().is_small_order()));
    assert_eq!(keys.len(), 14);
    keys
}

/// What this node says of a message, alone and among others.
async fn judged_here(message: &Message) -> Result<(), Rejected> {
    let alone = offer(message, 1).await;
    assert_eq!(offer(message, 9).await, alone, "alone and in a batch");
    alone
}

async fn offer(message: &Message, times: usize) -> Result<(), Rejected> {
    let store = FeedStore::in_memory(Identity::from_seed(&[2; 32]).id(), vec![]).unwrap();
    store.want_peer(message.author);
    let values = vec![message.value_json.as_bytes().to_vec().into(); times];
    store.append_remote(values).await.unwrap().swap_remove(0).map(|_| ())
}

async fn both_refuse(messages: &[Message]) {
    for (message, error) in messages.iter().zip(judged_by_javascript(messages)) {
        assert!(error.is_some_and(|error| error.contains("invalid signature")), "JavaScript: {}", message.value_json);
        let bad = Err(Rejected::BadSignature { author: message.author, sequence: message.sequence });
        assert_eq!(judged_here(message).await, bad, "{}", message.value_json);
    }
}

#[tokio::test]
async fn keys_of_small_order_whose_messages_anybody_can_sign_are_no_authors() {
    let mut messages = Vec::new();
    for key in keys_of_small_order() {
        let author = Author { key, secret: Scalar::ZERO };
        messages.extend(EIGHT_TORSION.iter().filter_map(|torsion| author.message(Scalar::from(7u8), *torsion)));
    }
    // Four encodings of the point of order 1, two of that of order 2, four of order 4 and of order 8; with order n, each R of n
    // is that of some message.
    assert_eq!(messages.len(), 4 + 2 * 2 + 4 * 4 + 4 * 8);
    both_refuse(&messages).await;
}

#[tokio::test]
async fn signatures_whose_r_is_of_small_order_are_refused() {
    let mut messages = Vec::new();
    for torsion in EIGHT_TORSION {
        let author = Author::off_by(Scalar::from(12_345u32), torsion);
        messages.extend(EIGHT_TORSION.iter().filter_map(|r| author.message(Scalar::ZERO, *r)));
    }
    assert_eq!(messages.len(), 1 + 2 + 2 * 4 + 4 * 8);
    both_refuse(&messages).await;
}

/// Verification of a batch with random factors lets these through where the factor is a multiple of the point's order.
#[tokio::test]
async fn signatures_whose_r_is_off_by_a_point_of_small_order_are_refused() {
    let author = Author::off_by(Scalar::from(12_345u32), EIGHT_TORSION[0]);
    let off = EIGHT_TORSION[1..].iter().map(|torsion| author.sign(1, Scalar::from(7u8), *torsion));
    let messages: Vec<Message> = off.inspect(|(_, solves)| assert!(!solves)).map(|(message, _)| message).collect();
    for _ in 0..16 {
        for message in &messages {
            assert!(matches!(judged_here(message).await, Err(Rejected::BadSignature { .. })), "{}", message.value_json);
        }
    }
    both_refuse(&messages).await;
}

#[tokio::test]
async fn what_is_odd_and_taken_by_javascript_is_taken_here() {
    let messages: Vec<Message> = EIGHT_TORSION
        .iter()
        .map(|torsion| {
            let author = Author::off_by(Scalar::from(12_345u32), *torsion);
            author.message(Scalar::from(7u8), EIGHT_TORSION[0]).unwrap()
        })
        .collect();
    for (message, error) in messages.iter().zip(judged_by_javascript(&messages)) {
        assert!(error.unwrap().starts_with("its key is"), "JavaScript: {}", message.value_json);
        assert_eq!(judged_here(message).await, Ok(()), "{}", message.value_json);
    }
}
