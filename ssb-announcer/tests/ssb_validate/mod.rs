//! npm `ssb-validate`, which says of messages whether they are valid.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use ssb_announcer::feed::Message;

/// The folder of the JavaScript packages.
pub(crate) fn packages() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/js");
    assert!(folder.join("node_modules").exists(), "{} is not installed: run 'make test-deps'", folder.display());
    folder
}

/// What JavaScript says of each message: `None` where it is valid.
pub(crate) fn judged_by_javascript(messages: &[Message]) -> Vec<Option<String>> {
    let mut process = Command::new("node")
        .arg(packages().join("ssb-validate/validate.js"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let lines: String = messages
        .iter()
        .map(|message| format!("{{\"key\":\"{}\",\"value\":{}}}\n", message.key, message.value_json))
        .collect();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = process.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), messages.len());
    answers.iter().map(|answer| answer["error"].as_str().map(str::to_owned)).collect()
}
