//! The content of `meshstream-release` messages (`docs/protocol/announcements.md`).

use serde::{Deserialize, Serialize};

/// Type of a message that announces a release.
pub const RELEASE: &str = "meshstream-release";

/// Longest statement that is taken, as the protocol has it.
const MAX_STATEMENT_BYTES: usize = 4096;

#[derive(Deserialize)]
struct Message {
    content: Read,
}

#[derive(Deserialize)]
struct Read {
    statement: String,
}

#[derive(Serialize)]
struct Written<'a> {
    r#type: &'static str,
    statement: &'a str,
}

/// The statement in the value of a validated message; `None` where there is none that could be one.
pub(super) fn parse(value_json: &str) -> Option<String> {
    let Message { content } = serde_json::from_str(value_json).ok()?;
    fits(&content.statement).then_some(content.statement)
}

/// The content that announces a statement; `None` where it is too long.
pub(super) fn to_json(statement: &str) -> Option<String> {
    let written = Written { r#type: RELEASE, statement };
    fits(statement).then(|| serde_json::to_string(&written).expect("strings are JSON"))
}

fn fits(statement: &str) -> bool {
    (1..=MAX_STATEMENT_BYTES).contains(&statement.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let content = to_json("meshstream release v1\nmore\n").unwrap();
        assert_eq!(content, r#"{"type":"meshstream-release","statement":"meshstream release v1\nmore\n"}"#);
        let message = format!(r#"{{"author":"@x","content":{content}}}"#);
        assert_eq!(parse(&message).as_deref(), Some("meshstream release v1\nmore\n"));
    }

    #[test]
    fn what_cannot_be_a_statement_is_left_out() {
        assert_eq!(to_json(""), None);
        assert_eq!(to_json(&"x".repeat(MAX_STATEMENT_BYTES + 1)), None);
        for content in [r#"{"statement":5}"#, r#"{"statement":""}"#, "{}", "5", r#""encrypted.box""#] {
            assert_eq!(parse(&format!(r#"{{"content":{content}}}"#)), None, "{content}");
        }
    }
}
