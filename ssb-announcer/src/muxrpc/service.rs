//! What this node answers when a peer calls it. Pure: the connection carries the answers out.

use serde_json::{Value, json};
use stream_model::FeedId;

use super::session::{Call, CallKind};

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One value, which also ends the call.
    Value(Value),
    /// Replication by epidemic broadcast trees begins on this substream.
    Replicate,
    /// Each value received is answered with our time, in milliseconds.
    Ping,
    /// An error with this text.
    Error(String),
}

/// The call with which the dialling peer begins replication (npm `ssb-ebt`).
pub fn replicate_call() -> Call {
    Call {
        name: vec!["ebt".to_owned(), "replicate".to_owned()],
        kind: CallKind::Duplex,
        args: vec![json!({ "version": 3, "format": "classic" })],
    }
}

/// Decides what to answer. `identity` is this node's.
pub fn answer(call: &Call, identity: FeedId) -> Answer {
    let name: Vec<&str> = call.name.iter().map(String::as_str).collect();
    match (name.as_slice(), call.kind) {
        (["whoami"], CallKind::Async) => Answer::Value(json!({ "id": identity })),
        (["manifest"], CallKind::Async) => Answer::Value(manifest()),
        (["gossip" | "conn", "ping"], CallKind::Duplex) => Answer::Ping,
        (["ebt", "replicate"], CallKind::Duplex) if is_supported(call.args.first()) => Answer::Replicate,
        (["ebt", "replicate"], CallKind::Duplex) => {
            Answer::Error("expected ebt.replicate({version: 3, format: \"classic\"})".to_owned())
        }
        // The wording lets JavaScript peers see that a method is missing (npm `ssb-ebt`, `isMuxrpcMissingError`).
        _ => Answer::Error(format!("method:{} is not in list of allowed methods", printable(&name))),
    }
}

fn manifest() -> Value {
    json!({
        "whoami": "async",
        "manifest": "async",
        "gossip": { "ping": "duplex" },
        "conn": { "ping": "duplex" },
        "ebt": { "replicate": "duplex" },
    })
}

fn is_supported(options: Option<&Value>) -> bool {
    let Some(Value::Object(options)) = options else { return false };
    let format = options.get("format").and_then(Value::as_str).unwrap_or("classic");
    options.get("version").and_then(Value::as_u64) == Some(3) && format == "classic"
}

/// A peer's text, short and without control characters, for sending back.
fn printable(name: &[&str]) -> String {
    name.join(",").chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: FeedId = FeedId([1; 32]);

    fn ask(name: &[&str], kind: CallKind, args: Vec<Value>) -> Answer {
        answer(&Call { name: name.iter().map(|part| (*part).to_owned()).collect(), kind, args }, ME)
    }

    #[test]
    fn whoami_names_this_node() {
        assert_eq!(ask(&["whoami"], CallKind::Async, vec![]), Answer::Value(json!({ "id": ME.to_string() })));
    }

    #[test]
    fn methods_that_are_not_offered_are_refused_as_javascript_expects() {
        for (name, kind, message) in [
            (
                &["blobs", "createWants"][..],
                CallKind::Source,
                "method:blobs,createWants is not in list of allowed methods",
            ),
            (
                &["createHistoryStream"],
                CallKind::Source,
                "method:createHistoryStream is not in list of allowed methods",
            ),
            (&["tunnel", "isRoom"], CallKind::Async, "method:tunnel,isRoom is not in list of allowed methods"),
            (&["whoami"], CallKind::Source, "method:whoami is not in list of allowed methods"),
            (&[], CallKind::Async, "method: is not in list of allowed methods"),
        ] {
            assert_eq!(ask(name, kind, vec![]), Answer::Error(message.to_owned()));
        }
    }

    #[test]
    fn our_own_call_for_replication_is_one_we_accept() {
        assert_eq!(answer(&replicate_call(), ME), Answer::Replicate);
    }

    #[test]
    fn other_versions_and_formats_of_replication_are_refused() {
        for args in [vec![], vec![json!({ "version": 2 })], vec![json!({ "version": 3, "format": "bendybutt-v1" })]] {
            assert!(matches!(ask(&["ebt", "replicate"], CallKind::Duplex, args), Answer::Error(_)));
        }
    }
}
