//! Notes: how a peer says which feeds it has, how far, and whether it wants more of them. Pure.
//!
//! A note is a number: -1 where a feed is not replicated, else the feed sequence shifted left by one, its lowest bit
//! set where the peer does *not* want to receive the feed (npm `epidemic-broadcast-trees`, `v3.js`).

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stream_model::{FeedId, FeedSequence};

use crate::nesting::{MAX_NESTING, nesting};

/// The largest feed sequence that a note may hold: JavaScript's largest exact integer, shifted.
const MAX_SEQUENCE: u64 = (1 << 52) - 1;

/// What a peer says of one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// It does not replicate the feed.
    NotReplicated,
    /// It replicates the feed.
    Replicated {
        /// The newest message it has; 0 where it has none.
        sequence: FeedSequence,
        /// Whether it wants the messages that follow.
        receive: bool,
    },
}

impl Note {
    fn to_number(self) -> i64 {
        match self {
            Self::NotReplicated => -1,
            Self::Replicated { sequence, receive } => {
                let sequence = i64::try_from(sequence.0.min(MAX_SEQUENCE)).unwrap_or(0);
                sequence << 1 | i64::from(!receive)
            }
        }
    }

    fn from_number(number: i64) -> Option<Self> {
        match u64::try_from(number) {
            Err(_) => Some(Self::NotReplicated),
            Ok(number) if number >> 1 > MAX_SEQUENCE => None,
            Ok(number) => Some(Self::Replicated { sequence: FeedSequence(number >> 1), receive: number & 1 == 0 }),
        }
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.to_number())
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        Self::from_number(number).ok_or_else(|| serde::de::Error::custom("feed sequence out of range"))
    }
}

/// Notes about several feeds.
pub type Notes = BTreeMap<FeedId, Note>;

/// What a peer sends on the substream of replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Notes.
    Notes(Notes),
    /// A message, of whose fields only these have been looked at.
    Message {
        /// Who is said to have written it.
        author: FeedId,
        /// Its number.
        sequence: FeedSequence,
    },
}

/// Why something on the substream of replication is neither notes nor a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Its JSON is nested deeper than any message may be.
    #[error("the peer sent JSON nested more than {MAX_NESTING} deep")]
    TooDeep,
    /// It is not JSON, or has other fields.
    #[error("the peer sent something that is neither notes nor a message")]
    Malformed,
}

/// Reads the body of a packet.
///
/// # Errors
/// [`Unreadable`] where it is neither notes nor a message.
pub fn read(body: &Bytes) -> Result<Received, Unreadable> {
    if nesting(body) > MAX_NESTING {
        return Err(Unreadable::TooDeep);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let received = json.deserialize_map(ReceivedVisitor).map_err(|_| Unreadable::Malformed)?;
    json.end().map_err(|_| Unreadable::Malformed)?;
    Ok(received)
}

/// The body of a packet with notes.
pub fn write(notes: &Notes) -> Bytes {
    serde_json::to_vec(notes).expect("a map from text to numbers has a JSON form").into()
}

/// Feed identifiers begin with `@`, fields of messages do not: one pass tells them apart and reads either.
struct ReceivedVisitor;

impl<'de> Visitor<'de> for ReceivedVisitor {
    type Value = Received;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("notes or a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Received, A::Error> {
        let mut notes = Notes::new();
        let (mut author, mut sequence) = (None, None);
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            match key.as_ref() {
                "author" => author = Some(map.next_value::<FeedId>()?),
                "sequence" => sequence = Some(map.next_value::<u64>()?),
                feed if feed.starts_with('@') => match feed.parse() {
                    Ok(feed) => {
                        notes.insert(feed, map.next_value()?);
                    }
                    // Feeds of other formats are none of ours (npm `ssb-ebt`, `cleanClock`).
                    Err(_) => {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    }
                },
                _ => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        match (author, sequence) {
            (Some(author), Some(sequence)) if notes.is_empty() => {
                Ok(Received::Message { author, sequence: FeedSequence(sequence) })
            }
            (None, None) => Ok(Received::Notes(notes)),
            _ => Err(serde::de::Error::custom("neither notes nor a message")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(n: u8) -> FeedId {
        FeedId([n; 32])
    }

    #[test]
    fn notes_are_numbers_as_javascript_writes_them() {
        for (note, number) in [
            (Note::NotReplicated, "-1"),
            (Note::Replicated { sequence: FeedSequence(0), receive: true }, "0"),
            (Note::Replicated { sequence: FeedSequence(0), receive: false }, "1"),
            (Note::Replicated { sequence: FeedSequence(5), receive: true }, "10"),
        ] {
            assert_eq!(serde_json::to_string(&note).unwrap(), number);
            assert_eq!(serde_json::from_str::<Note>(number).unwrap(), note);
        }
    }

    #[test]
    fn messages_and_notes_are_told_apart() {
        let message = format!(r#"{{"previous":null,"sequence":1,"author":"{}","content":{{"@a":1}}}}"#, feed(1));
        assert_eq!(read(&message.into()), Ok(Received::Message { author: feed(1), sequence: FeedSequence(1) }));
        assert_eq!(read(&"{}".into()), Ok(Received::Notes(Notes::new())));
        let notes = format!(r#"{{"{}":7,"@other.format":[1]}}"#, feed(2));
        let expected = Notes::from([(feed(2), Note::Replicated { sequence: FeedSequence(3), receive: false })]);
        assert_eq!(read(&notes.into()), Ok(Received::Notes(expected)));
    }

    #[test]
    fn what_is_neither_is_refused() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        assert_eq!(read(&deep.into()), Err(Unreadable::TooDeep));
        let author_alone = format!(r#"{{"author":"{}"}}"#, feed(1));
        let fraction = format!(r#"{{"{}":1.5}}"#, feed(1));
        let huge = format!(r#"{{"{}":9223372036854775807}}"#, feed(1));
        for bad in ["", "[]", "1", "{", "{}{}", &author_alone, &fraction, &huge] {
            assert_eq!(read(&Bytes::copy_from_slice(bad.as_bytes())), Err(Unreadable::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn notes_read_back(entries in proptest::collection::btree_map(any::<[u8; 32]>(), (-1i64..1 << 53).prop_map(Note::from_number), 0..20)) {
            let notes: Notes = entries.into_iter().map(|(feed, note)| (FeedId(feed), note.unwrap())).collect();
            prop_assert_eq!(read(&write(&notes)), Ok(Received::Notes(notes)));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = read(&bytes.into());
        }
    }
}
