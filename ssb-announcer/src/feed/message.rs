//! A message, its canonical encodings, and signing (SSB protocol guide, "Message format").
//!
//! The signed encoding is what JavaScript's `JSON.stringify(value, null, 2)` gives; its key is the SHA-256 of that
//! text's UTF-16 units, each cut to its low byte. The wire and the store hold the same value without spaces.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SIGNATURE_LENGTH;
use sha2::{Digest as _, Sha256};
use ssb_legacy_msg_data::json;
use ssb_legacy_msg_data::value::Value;
use stream_model::{FeedId, FeedSequence, MessageKey, WallTime};

use super::Rejected;
use super::guard::{self, MAX_UTF16_UNITS};
use crate::identity::Identity;

/// A validated message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Hash of the signed encoding.
    pub key: MessageKey,
    /// Who signed it.
    pub author: FeedId,
    /// Its number in the feed, from 1.
    pub sequence: FeedSequence,
    /// The `type` of its content where that is one of this program's own or one of [`SOCIAL_KINDS`]; `None` for all
    /// other content.
    pub kind: Option<Arc<str>>,
    /// The whole value as compact JSON, as it is sent.
    pub value_json: Arc<str>,
}

/// Content types that are this program's own begin with this.
const KIND_PREFIX: &str = "meshstream-";

/// The content types of other SSB programs that this one reads.
pub const SOCIAL_KINDS: [&str; 4] = ["post", "about", "contact", "vote"];

impl Message {
    /// The message with its key, as `createHistoryStream` sends it: `{"key":…,"value":…,"timestamp":…}`. The
    /// timestamp is the time of receipt in SSB; nothing here depends on it.
    pub fn to_kvt_json(&self) -> String {
        format!(r#"{{"key":"{}","value":{},"timestamp":0}}"#, self.key, self.value_json)
    }
}

/// Reads the value of a message as it came over the wire, and encodes it anew. Neither its signature nor its place in
/// the feed is checked.
pub(super) fn parse(raw: &[u8]) -> Result<Message, Rejected> {
    let text = guard::check(raw)?;
    let value: Value =
        json::from_slice(text.as_bytes()).map_err(|error| malformed(format!("not SSB's JSON: {error}")))?;
    let Value::Object(fields) = &value else { return Err(malformed("not an object")) };
    check_order(fields.iter().map(|(name, _)| name.as_str()))?;
    let author = string_of(fields.get("author"))
        .and_then(|text| text.parse::<FeedId>().ok())
        .ok_or_else(|| malformed("author is not a feed"))?;
    let sequence = integer_of(fields.get("sequence")).ok_or_else(|| malformed("sequence is not a positive integer"))?;
    if !string_of(fields.get("signature")).is_some_and(is_signature) {
        return Err(malformed("signature is not an ed25519 signature"));
    }
    let kind = match fields.get("content") {
        Some(Value::Object(content)) => string_of(content.get("type")).filter(|kind| is_kept_kind(kind)).map(Arc::from),
        _ => None,
    };
    let signed = encode(&value, Spacing::Signed)?;
    if guard::utf16_units(&signed) > MAX_UTF16_UNITS {
        return Err(Rejected::TooLarge);
    }
    Ok(Message { key: key_of(&signed), author, sequence, kind, value_json: encode(&value, Spacing::Compact)?.into() })
}

fn is_kept_kind(kind: &str) -> bool {
    kind.starts_with(KIND_PREFIX) || SOCIAL_KINDS.contains(&kind)
}

/// Content cannot be made into a message of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignError {
    /// The message would be too large.
    #[error("message is larger than 8192 characters")]
    TooLarge,
    /// The content has no encoding. Typed content always has one.
    #[error("content has no canonical encoding")]
    Encoding,
}

/// Signs content as the message after `previous`.
pub(super) fn sign(
    identity: &Identity,
    previous: Option<(MessageKey, FeedSequence)>,
    timestamp: WallTime,
    content_json: &str,
) -> Result<Message, SignError> {
    let (previous, sequence) = match previous {
        Some((key, sequence)) => (format!(r#""{key}""#), sequence.next()),
        None => ("null".to_owned(), FeedSequence(1)),
    };
    let author = identity.id();
    let unsigned = format!(
        r#"{{"previous":{previous},"sequence":{sequence},"author":"{author}","timestamp":{},"hash":"sha256","content":{content_json}"#,
        timestamp.0
    );
    let unsigned_value: Value =
        json::from_slice(format!("{unsigned}}}").as_bytes()).map_err(|_| SignError::Encoding)?;
    let to_sign = json::to_string(&unsigned_value, false).map_err(|_| SignError::Encoding)?;
    let signature = STANDARD.encode(identity.sign(to_sign.as_bytes()));
    let signed = format!(r#"{unsigned},"signature":"{signature}.sig.ed25519"}}"#);
    parse(signed.as_bytes()).map_err(|rejected| match rejected {
        Rejected::TooLarge => SignError::TooLarge,
        _ => SignError::Encoding,
    })
}

enum Spacing {
    Signed,
    Compact,
}

fn encode(value: &Value, spacing: Spacing) -> Result<String, Rejected> {
    json::to_string(value, matches!(spacing, Spacing::Compact)).map_err(|_| malformed("it has no canonical encoding"))
}

fn key_of(signed: &str) -> MessageKey {
    MessageKey(Sha256::digest(ssb_validate::utils::node_buffer_binary_serializer(signed)).into())
}

/// The order of fields is part of what is signed; two orders occur (SSB protocol guide, "Message format").
fn check_order<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Rejected> {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        ["previous", "author", "sequence", "timestamp", "hash", "content", "signature"]
        | ["previous", "sequence", "author", "timestamp", "hash", "content", "signature"] => Ok(()),
        _ => Err(malformed("its fields are not those of a message, in their order")),
    }
}

/// Whether it has the form of a signature, and nothing else: it is part of what the key is a hash of. Were anything around
/// it let through, as `ssb-verify-signatures` does, whoever relays a message could give it other keys and fork the feed. The group has fewer than 2^253 elements, so that the second half of each
/// signature leaves its three highest bits unset (RFC 8032 §5.1.7); what verifies signatures panics on others.
fn is_signature(text: &str) -> bool {
    read_signature(text).is_some_and(|bytes| bytes[SIGNATURE_LENGTH - 1] & 0b1110_0000 == 0)
}

fn read_signature(text: &str) -> Option<[u8; SIGNATURE_LENGTH]> {
    STANDARD.decode(text.strip_suffix(".sig.ed25519")?).ok()?.try_into().ok()
}

/// The signature of a message that [`parse`] has read: its last field.
pub(super) fn signature_of(message: &Message) -> Option<[u8; SIGNATURE_LENGTH]> {
    let (_, signature) = message.value_json.rsplit_once(r#","signature":""#)?;
    read_signature(signature.strip_suffix(r#""}"#)?)
}

fn string_of(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The largest integer that JavaScript counts exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

fn integer_of(value: Option<&Value>) -> Option<FeedSequence> {
    let Some(Value::Float(number)) = value else { return None };
    let number = f64::from(*number);
    let whole = number.fract() == 0.0 && (1.0..=MAX_SAFE_INTEGER).contains(&number);
    // In this range the conversion is exact.
    whole.then_some(FeedSequence(number as u64))
}

fn malformed(problem: impl Into<String>) -> Rejected {
    Rejected::Malformed(problem.into())
}
