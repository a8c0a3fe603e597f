//! The content of `contact` messages, as other SSB programs read and write it (npm `ssb-friends`, `contacts.js`).

use serde::Deserialize;
use serde_json::Value;
use stream_model::{FeedId, Relation};

/// Type of a message by which an author follows or blocks somebody.
pub(super) const CONTACT: &str = "contact";

/// What a `contact` message says of its author and somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// Whom it is about.
    pub target: FeedId,
    /// What its author is to that one.
    pub relation: Relation,
}

#[derive(Deserialize)]
struct Message {
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    contact: FeedId,
    #[serde(default)]
    following: Value,
    #[serde(default)]
    blocking: Value,
    /// What early programs wrote for a block.
    #[serde(default)]
    flagged: Value,
}

impl Contact {
    /// Reads the value of a validated message; `None` where its content is not that of a contact.
    pub fn parse(value_json: &str) -> Option<Self> {
        let Message { content } = serde_json::from_str(value_json).ok()?;
        let relation = if is_truthy(&content.blocking) || is_truthy(&content.flagged) {
            Relation::Blocking
        } else if content.following == Value::Bool(true) {
            Relation::Following
        } else {
            Relation::Neutral
        };
        Some(Self { target: content.contact, relation })
    }

    /// The content of the message that says it. Both properties are always given, so that programs that keep them apart
    /// see the same.
    pub fn to_json(self) -> String {
        let Self { target, relation } = self;
        let (following, blocking) = (relation == Relation::Following, relation == Relation::Blocking);
        format!(r#"{{"type":"{CONTACT}","contact":"{target}","following":{following},"blocking":{blocking}}}"#)
    }
}

/// As JavaScript sees it: `flagged` is an object with a reason.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: FeedId = FeedId([7; 32]);

    fn parse(fields: &str) -> Option<Relation> {
        let contact = Contact::parse(&format!(r#"{{"content":{{"type":"contact","contact":"{TARGET}"{fields}}}}}"#))?;
        assert_eq!(contact.target, TARGET);
        Some(contact.relation)
    }

    #[test]
    fn contacts_mean_what_they_mean_to_ssb_friends() {
        for (fields, relation) in [
            ("", Relation::Neutral),
            (r#","following":true"#, Relation::Following),
            (r#","following":1"#, Relation::Neutral),
            (r#","following":false"#, Relation::Neutral),
            (r#","following":null,"blocking":true"#, Relation::Blocking),
            (r#","following":true,"blocking":true"#, Relation::Blocking),
            (r#","following":true,"flagged":{"reason":"spam"}"#, Relation::Blocking),
            (r#","following":true,"flagged":false,"more":[]"#, Relation::Following),
            (r#","blocking":false"#, Relation::Neutral),
        ] {
            assert_eq!(parse(fields), Some(relation), "{fields}");
        }
        assert_eq!(parse(r#","contact":"@x""#), None);
        assert_eq!(Contact::parse(r#"{"content":"cipher.box"}"#), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for relation in [Relation::Following, Relation::Blocking, Relation::Neutral] {
            let contact = Contact { target: TARGET, relation };
            assert_eq!(Contact::parse(&format!(r#"{{"content":{}}}"#, contact.to_json())), Some(contact));
        }
    }
}
