//! What a person is shown of changes: a unified diff, in which secrets do not stand. Pure.

use std::path::Path;

use similar::TextDiff;

use super::changes::Change;
use super::tree::State;

/// Lines around a change, as `diff -u` shows them.
const CONTEXT: usize = 3;

/// Keys of the files that are written here whose values are nobody's business: who asks for help shows the diff.
const SECRETS: [&str; 6] = ["wpa_passphrase", "sae_password", "privatekey", "password", "passphrase", "seed"];

/// One file's change, as text.
pub(crate) fn render(change: &Change) -> String {
    let Change { path, from, to } = change;
    let (before, after) = (shown(from), shown(to));
    let name = |state: &State, side: &str| match state {
        State::Absent => "/dev/null".to_owned(),
        _ => format!("{side}{}", path.display()),
    };
    let diff = TextDiff::from_lines(&before, &after);
    let text = diff.unified_diff().context_radius(CONTEXT).header(&name(from, "a"), &name(to, "b")).to_string();
    if text.is_empty() { differing_secrets(path) } else { text }
}

fn differing_secrets(path: &Path) -> String {
    format!("{}: changes only in what is not shown\n", path.display())
}

fn shown(state: &State) -> String {
    match state {
        State::Absent => String::new(),
        State::File { bytes, .. } => without_secrets(&String::from_utf8_lossy(bytes)),
        State::Link(target) => format!("link to {}\n", target.display()),
    }
}

fn without_secrets(text: &str) -> String {
    text.split_inclusive('\n').map(without_secret).collect()
}

/// `key=value`, `key: value` and `"key": "value"`, of which a line has one or several.
fn without_secret(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    if line.trim_start().starts_with(['#', '/']) {
        return line.to_owned();
    }
    let value = SECRETS.iter().filter_map(|key| {
        let end = lower.find(key)? + key.len();
        let rest = &line[end..];
        let skipped = rest.len() - rest.trim_start_matches(['"', '\'', ' ', '\t']).len();
        rest[skipped..].starts_with(['=', ':']).then_some(end + skipped + 1)
    });
    match value.min() {
        Some(at) => format!("{}…{}", &line[..at], if line.ends_with('\n') { "\n" } else { "" }),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Access;

    fn file(text: &str) -> State {
        State::File { bytes: text.as_bytes().to_vec(), access: Access { mode: 0o644, owner: None } }
    }

    fn diff(from: State, to: State) -> String {
        render(&Change { path: "/etc/x".into(), from, to })
    }

    #[test]
    fn a_change_is_a_unified_diff() {
        assert_eq!(diff(file("a\nb\n"), file("a\nc\n")), "--- a/etc/x\n+++ b/etc/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert!(diff(State::Absent, file("a\n")).starts_with("--- /dev/null\n+++ b/etc/x\n"));
        assert!(diff(file("a\n"), State::Absent).contains("+++ /dev/null\n"));
        assert!(diff(State::Absent, State::Link("../u".into())).ends_with("+link to ../u\n"));
    }

    #[test]
    fn secrets_are_not_shown() {
        for line in [
            "wpa_passphrase=treasure\n",
            "  PrivateKey: treasure\n",
            "\"privateKey\": \"treasure\",\n",
            "\"1.2.3.4:5\": {\"password\":\"treasure\"},\n",
        ] {
            let text = diff(State::Absent, file(line));
            assert!(!text.contains("treasure") && text.contains('…'), "{text}");
        }
        assert!(diff(file("password=a\n"), file("password=b\n")).contains("not shown"));
        assert!(diff(State::Absent, file("# the password: ask\n")).contains("ask"));
    }
}
