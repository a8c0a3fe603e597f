//! Signature and hash chain of messages of others, by the crates `ssb-verify-signatures` and `ssb-validate`.
//!
//! They see only what [`message::parse`] let through. Should one panic all the same, the message is refused and
//! the process goes on.

#[cfg(test)]
mod dataset;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use metrics::counter;
use rayon::prelude::*;
use ssb_validate::error::Error as ChainError;
use ssb_validate::message::{par_validate_message_hash_chain_of_feed, validate_message_hash_chain};
use ssb_verify_signatures::verify_message_value;
use stream_model::FeedId;
use tracing::error;

use super::message::{self, Message};
use super::rejection::Rejected;

/// Below this many messages the thread pool costs more than it saves.
const PARALLEL_FROM: usize = 8;

/// What is said of a message that made validation panic.
pub(super) const PANICKED: &str = "it makes validation fail";

/// Runs foreign validation code on data of a peer.
fn survive<T>(validate: impl FnOnce() -> Result<T, Rejected>) -> Result<T, Rejected> {
    catch_unwind(AssertUnwindSafe(validate)).unwrap_or_else(|_| {
        counter!("meshstream_ssb_validation_panics_total").increment(1);
        error!("validation of a message panicked");
        Err(Rejected::Malformed(PANICKED.into()))
    })
}

/// Reads one message off the wire.
pub(crate) fn parse(raw: &[u8]) -> Result<Message, Rejected> {
    survive(|| message::parse(raw))
}

/// Checks the signatures of many messages: one answer for each, the same as it gets alone. Verification of a whole batch
/// with random factors would be faster, but lets some through by chance that everybody else refuses.
pub(super) fn verify_signatures(messages: &[&Message]) -> Vec<Result<(), Rejected>> {
    if messages.len() >= PARALLEL_FROM {
        messages.par_iter().map(|message| verify_signature(message)).collect()
    } else {
        messages.iter().map(|message| verify_signature(message)).collect()
    }
}

/// Whether this is a message of `author`, in whatever place of its feed.
pub(crate) fn is_signed_by(author: FeedId, raw: &[u8]) -> bool {
    parse(raw).is_ok_and(|message| message.author == author && verify_signature(&message).is_ok())
}

fn verify_signature(message: &Message) -> Result<(), Rejected> {
    let bad = || Rejected::BadSignature { author: message.author, sequence: message.sequence };
    if is_degenerate(message) {
        return Err(bad());
    }
    survive(|| verify_message_value(message.value_json.as_bytes(), None).map_err(|_| bad()))
}

/// Whether the author's key or the signature's R is of small order, or the key not encoded as RFC 8032 §5.1.3 wants it.
/// Anybody can sign anything for such a key. libsodium, and so JavaScript, refuses all of this;
/// the equation that `ssb-verify-signatures` solves does not.
fn is_degenerate(message: &Message) -> bool {
    let key = &message.author.0;
    let r = message::signature_of(message).and_then(|signature| signature.first_chunk::<32>().copied());
    !is_canonical(key) || is_of_small_order(key) || r.is_none_or(|r| is_of_small_order(&r))
}

/// The encoding of a point without the sign of its x.
fn y_of(point: &[u8; 32]) -> [u8; 32] {
    let mut y = *point;
    y[31] &= 0x7f;
    y
}

/// Whether y is below the prime 2^255 - 19.
fn is_canonical(point: &[u8; 32]) -> bool {
    let y = y_of(point);
    y[0] < 0xed || y[1..31].iter().any(|byte| *byte != 0xff) || y[31] != 0x7f
}

/// Of points whose y is below the prime.
fn is_of_small_order(point: &[u8; 32]) -> bool {
    static SMALL: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| y_of(&point.compress().0)));
    SMALL.contains(&y_of(point))
}

/// Checks that `run`, whose messages follow each other in one feed, continues the feed whose last message is
/// `previous`. Returns how many of them do, and why the next one does not.
pub(super) fn check_chain(run: &[&Message], previous: Option<&Message>) -> (usize, Option<Rejected>) {
    let previous = previous.map(Message::to_kvt_json);
    let run_kvt: Vec<String> = run.iter().map(|message| message.to_kvt_json()).collect();
    if run.len() >= PARALLEL_FROM {
        let all = survive(|| {
            par_validate_message_hash_chain_of_feed(&run_kvt, previous.as_deref())
                .map_err(|_| Rejected::Malformed(String::new()))
        });
        if all.is_ok() {
            return (run.len(), None);
        }
    }
    let mut previous = previous.as_deref();
    for (index, (message, kvt)) in run.iter().zip(&run_kvt).enumerate() {
        let checked =
            survive(|| validate_message_hash_chain(kvt, previous).map_err(|error| chain_rejection(&error, message)));
        if let Err(rejected) = checked {
            return (index, Some(rejected));
        }
        previous = Some(kvt);
    }
    (run.len(), None)
}

fn chain_rejection(error: &ChainError, message: &Message) -> Rejected {
    match error {
        ChainError::ForkedFeed { .. } => Rejected::Forked { author: message.author, sequence: message.sequence },
        ChainError::InvalidMessageValueLength { .. } => Rejected::TooLarge,
        other => Rejected::Malformed(other.to_string()),
    }
}
