//! npm `ssb-validation-dataset`, judged by the checks of this module: each message after the one that its `state` names,
//! and signed with its `hmacKey`, where it has one. The store, which knows neither, meets the same messages in
//! `tests/feed_javascript.rs`.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ssb_verify_signatures::verify_message_value;
use stream_model::FeedSequence;

use super::{Message, check_chain, parse, verify_signatures};

/// The vectors, and of each the text of its message, whose fields are in an order that parsing would lose.
fn vectors() -> Vec<(Value, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/js");
    assert!(folder.join("node_modules").exists(), "{} is not installed: run 'make test-deps'", folder.display());
    let script = "for (const vector of require('ssb-validation-dataset'))\
                  console.log(JSON.stringify(vector) + '\\n' + JSON.stringify(vector.message))";
    let output = Command::new("node").args(["-e", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks(2).map(|pair| (serde_json::from_str(pair[0]).unwrap(), pair[1].to_owned())).collect()
}

/// The message that a state stands for: only its key, author and number matter to the one that follows.
fn previous(state: &Value, next: &Message) -> Message {
    let sequence = FeedSequence(state["sequence"].as_u64().unwrap());
    let value = format!(
        r#"{{"previous":null,"author":"{}","sequence":{sequence},"timestamp":1,"hash":"sha256","content":{{"type":"test"}},"signature":"{}==.sig.ed25519"}}"#,
        next.author,
        "A".repeat(86)
    );
    Message { key: state["id"].as_str().unwrap().parse().unwrap(), sequence, value_json: value.into(), ..next.clone() }
}

/// The message where it is valid.
fn judge(vector: &Value, text: &str) -> Result<Message, String> {
    let message = parse(text.as_bytes()).map_err(|rejected| rejected.to_string())?;
    match &vector["hmacKey"] {
        Value::Null => verify_signatures(&[&message]).remove(0).map_err(|rejected| rejected.to_string())?,
        Value::String(key) => {
            let key = STANDARD.decode(key).map_err(|error| error.to_string())?;
            let key: [u8; 32] = key.try_into().map_err(|_| "the key has not 32 bytes")?;
            verify_message_value(message.value_json.as_bytes(), Some(&key)).map_err(|error| error.to_string())?;
        }
        _ => return Err("the key is no text".to_owned()),
    }
    let previous = match &vector["state"] {
        Value::Null => None,
        state => Some(previous(state, &message)),
    };
    match check_chain(&[&message], previous.as_ref()).1 {
        Some(rejected) => Err(rejected.to_string()),
        None => Ok(message),
    }
}

#[test]
fn all_126_vectors_are_judged_as_by_javascript() {
    let (mut accepted, mut refused) = (0, 0);
    for (vector, text) in vectors() {
        match (judge(&vector, &text), &vector["valid"]) {
            (Ok(message), Value::Bool(true)) => {
                assert_eq!(message.key.to_string(), vector["id"], "{text}");
                accepted += 1;
            }
            (Err(_), Value::Bool(false)) => refused += 1,
            (judged, _) => panic!("{judged:?}, JavaScript says {}: {text}", vector["error"]),
        }
    }
    assert_eq!((accepted, refused), (27, 99));
}
