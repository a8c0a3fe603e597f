//! What this node answers when a peer calls it. Pure: the connection carries the answers out.

use std::error::Error;

use serde_json::{Value, json};
use stream_model::FeedId;

use super::session::{Call, CallKind};
use crate::blobs::giving::{self, Asked, Question};
use crate::nesting::{MAX_NESTING, nesting};
use crate::replication::history::arguments::{self, Arguments};

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One value, which also ends the call.
    Value(Value),
    /// Replication by epidemic broadcast trees begins on this substream.
    Replicate,
    /// The messages of a feed are the stream.
    History(Arguments),
    /// Whether blobs are here.
    HasBlobs(Question),
    /// The size of a blob.
    BlobSize(Question),
    /// The bytes of a blob are the stream.
    Blob(Asked),
    /// Notices of blobs are the stream.
    BlobNotices,
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
        (["createHistoryStream"], CallKind::Source) => arguments::parse(&call.args).map_or_else(error, Answer::History),
        (["blobs", "has"], CallKind::Async) => giving::parse_question(&call.args).map_or_else(error, Answer::HasBlobs),
        (["blobs", "size"], CallKind::Async) => giving::parse_question(&call.args).map_or_else(error, Answer::BlobSize),
        (["blobs", "get" | "getSlice"], CallKind::Source) => {
            giving::parse_get(&call.args).map_or_else(error, Answer::Blob)
        }
        (["blobs", "createWants"], CallKind::Source) => Answer::BlobNotices,
        // The wordings are those of npm `muxrpc`; by the second one, JavaScript peers see that a method is missing (npm
        // `ssb-ebt`, `isMuxrpcMissingError`).
        _ if is_offered(&name) => Answer::Error(format!("no {}:{}", call.kind.as_str(), name.join(","))),
        _ => Answer::Error(format!("method:{} is not in list of allowed methods", printable(&name))),
    }
}

fn error(error: impl Error) -> Answer {
    Answer::Error(error.to_string())
}

/// Whether the text of an error says that the peer does not know the method: npm `muxrpc`, and `go-ssb`.
pub fn says_unknown_method(error: &str) -> bool {
    let method = error.strip_prefix("method:");
    method.is_some_and(|rest| rest.ends_with(" is not in list of allowed methods"))
        || error.starts_with("muxrpc: no such command")
        || ["no async:", "no source:", "no sink:", "no duplex:"].iter().any(|wording| error.starts_with(wording))
}

/// The call that asks a peer what it offers.
pub fn manifest_call() -> Call {
    Call { name: vec!["manifest".to_owned()], kind: CallKind::Async, args: vec![] }
}

/// Whether a peer's manifest has `ebt.replicate`.
pub fn offers_ebt(manifest: &[u8]) -> bool {
    if nesting(manifest) > MAX_NESTING {
        return false;
    }
    let manifest: Value = serde_json::from_slice(manifest).unwrap_or_default();
    manifest["ebt"]["replicate"] == "duplex"
}

fn is_offered(name: &[&str]) -> bool {
    name.iter().try_fold(&manifest(), |level, part| level.get(part)).is_some_and(Value::is_string)
}

/// What whoever knows the network key may call: nothing that changes this node or tells more than its feeds do.
fn manifest() -> Value {
    json!({
        "whoami": "async",
        "manifest": "async",
        "createHistoryStream": "source",
        "gossip": { "ping": "duplex" },
        "conn": { "ping": "duplex" },
        "ebt": { "replicate": "duplex" },
        "blobs": {
            "has": "async",
            "size": "async",
            "get": "source",
            "getSlice": "source",
            "createWants": "source",
        },
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
            (&["blobs", "want"][..], CallKind::Async, "method:blobs,want is not in list of allowed methods"),
            (&["blobs", "add"], CallKind::Sink, "method:blobs,add is not in list of allowed methods"),
            (&["blobs", "get"], CallKind::Async, "no async:blobs,get"),
            (&["createUserStream"], CallKind::Source, "method:createUserStream is not in list of allowed methods"),
            (&["tunnel", "isRoom"], CallKind::Async, "method:tunnel,isRoom is not in list of allowed methods"),
            (&["gossip"], CallKind::Async, "method:gossip is not in list of allowed methods"),
            (&["whoami"], CallKind::Source, "no source:whoami"),
            (&["ebt", "replicate"], CallKind::Async, "no async:ebt,replicate"),
            (&[], CallKind::Async, "method: is not in list of allowed methods"),
        ] {
            assert_eq!(ask(name, kind, vec![]), Answer::Error(message.to_owned()));
        }
    }

    #[test]
    fn the_errors_that_we_send_for_unknown_methods_are_understood_as_such() {
        let unknown = ask(&["ebt", "unheardOf"], CallKind::Duplex, vec![]);
        let Answer::Error(text) = unknown else { panic!("{unknown:?}") };
        assert!(says_unknown_method(&text));
        assert!(says_unknown_method("muxrpc: no such command: ebt.replicate"));
        assert!(says_unknown_method("no source:createHistoryStream"));
        assert!(!says_unknown_method("the id is not a feed"));
    }

    #[test]
    fn a_manifest_tells_whether_a_peer_knows_ebt() {
        assert!(offers_ebt(manifest().to_string().as_bytes()));
        for without in
            ["", "[]", r#"{"ebt":{"replicate":"async"}}"#, r#"{"ebt":7}"#, r#"{"ebt":{}}"#, &"[".repeat(9_999)]
        {
            assert!(!offers_ebt(without.as_bytes()), "{without}");
        }
    }

    #[test]
    fn histories_are_streams_and_wrong_arguments_are_named() {
        let args = arguments::call(ME, stream_model::FeedSequence(3)).args;
        assert!(matches!(ask(&["createHistoryStream"], CallKind::Source, args), Answer::History(_)));
        assert_eq!(
            ask(&["createHistoryStream"], CallKind::Source, vec![json!({ "id": 7 })]),
            Answer::Error("the id is not a feed".to_owned())
        );
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
