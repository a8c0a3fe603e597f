//! Settings of daemons as people keep them: JSON with comments, or HJSON (hjson.github.io). Finds where lists and objects are, so
//! that a few lines can be added and all else stays as it is, letter by letter. Pure.

use thiserror::Error;

/// Deeper than any settings of these daemons; the reader recurses.
const MAX_DEPTH: usize = 32;

/// One step on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// A list or an object of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    /// Where its first entry would begin.
    inside: usize,
    /// The entries of a list, or the keys of an object, without quotes.
    pub(crate) entries: Vec<String>,
}

/// It is not understood, and so left alone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DocumentError {
    #[error("it has neither braces around it nor settings that are understood (byte {0})")]
    Malformed(usize),
    #[error("it is nested too deeply")]
    TooDeep,
    #[error("it has no {0}")]
    Missing(String),
}

/// The container at the end of a path.
pub(crate) fn container(text: &str, path: &[Step<'_>]) -> Result<Container, DocumentError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    for step in path {
        reader.enter(*step)?;
    }
    let inside = reader.at + 1;
    let open = reader.peek();
    if !matches!(open, Some(b'[' | b'{')) {
        let last = path.last().map(|step| step.to_string()).unwrap_or_default();
        return Err(DocumentError::Missing(format!("list or object {last}")));
    }
    let entries = reader.entries(0)?.into_iter().map(|entry| entry.name(text, open == Some(b'{'))).collect();
    Ok(Container { inside, entries })
}

/// The text of a plain value at the end of a path, without quotes.
pub(crate) fn value(text: &str, path: &[Step<'_>]) -> Result<String, DocumentError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    for step in path {
        reader.enter(*step)?;
    }
    let start = reader.at;
    reader.value(0)?;
    Ok(unquoted(&text[start..reader.at]))
}

impl Container {
    /// What is to stand at its beginning for new entries, and where.
    pub(crate) fn added(&self, entries: &[String]) -> (usize, String) {
        let end = if self.entries.is_empty() { "\n" } else { ",\n" };
        let lines = entries.iter().map(|entry| format!("    {entry}")).collect::<Vec<_>>().join(",\n");
        (self.inside, format!("\n    // {FROM}\n{lines}{end}    // {TO}\n"))
    }
}

const FROM: &str = "Added by 'meshstream setup mesh': change its file and run it again.";
const TO: &str = "End of what 'meshstream setup mesh' added.";

impl std::fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Where a key and its value are; a list's entry has no key.
struct Entry {
    key: Option<String>,
    start: usize,
    end: usize,
}

impl Entry {
    fn name(self, text: &str, of_object: bool) -> String {
        match self.key {
            Some(key) if of_object => key,
            _ => unquoted(&text[self.start..self.end]),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn malformed(&self) -> DocumentError {
        DocumentError::Malformed(self.at)
    }

    /// Stands at the value of a step, from the container's beginning.
    fn enter(&mut self, step: Step<'_>) -> Result<(), DocumentError> {
        let entries = self.entries(0)?;
        let found = match step {
            Step::Key(key) => entries.into_iter().find(|entry| entry.key.as_deref() == Some(key)),
            Step::Index(index) => entries.into_iter().nth(index),
        };
        self.at = found.ok_or_else(|| DocumentError::Missing(step.to_string()))?.start;
        Ok(())
    }

    /// Reads a whole container.
    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, DocumentError> {
        if depth > MAX_DEPTH {
            return Err(DocumentError::TooDeep);
        }
        let (close, keyed) = match self.peek() {
            Some(b'{') => (b'}', true),
            Some(b'[') => (b']', false),
            _ => return Err(self.malformed()),
        };
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.skip_space_and_commas();
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok(entries);
            }
            let key = if keyed { Some(self.key()?) } else { None };
            let start = self.at;
            self.value(depth + 1)?;
            entries.push(Entry { key, start, end: self.at });
        }
    }

    fn key(&mut self) -> Result<String, DocumentError> {
        let start = self.at;
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
            _ => {
                let end = self.rest().find(|c: char| c == ':' || c.is_whitespace() || ",{}[]".contains(c));
                self.at += end.ok_or_else(|| self.malformed())?;
            }
        }
        let key = unquoted(&self.text[start..self.at]);
        self.skip_space();
        if key.is_empty() || self.peek() != Some(b':') {
            return Err(self.malformed());
        }
        self.at += 1;
        self.skip_space();
        Ok(key)
    }

    fn value(&mut self, depth: usize) -> Result<(), DocumentError> {
        match self.peek() {
            Some(b'{' | b'[') => self.entries(depth).map(drop),
            Some(b'\'') if self.rest().starts_with("'''") => {
                let end = self.rest()[3..].find("'''").ok_or_else(|| self.malformed())?;
                self.at += end + 6;
                Ok(())
            }
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote),
            Some(b'}' | b']' | b',' | b':') | None => Err(self.malformed()),
            Some(_) => {
                self.at += plain(self.rest()).len();
                Ok(())
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<(), DocumentError> {
        let mut escaped = false;
        for (offset, byte) in self.rest().bytes().enumerate().skip(1) {
            match byte {
                b'\n' => break,
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                _ if byte == quote => {
                    self.at += offset + 1;
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(self.malformed())
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let space = rest.len() - rest.trim_start().len();
            let rest = &rest[space..];
            let comment = if rest.starts_with('#') || rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                0
            };
            self.at += space + comment;
            if comment == 0 {
                return;
            }
        }
    }

    fn skip_space_and_commas(&mut self) {
        self.skip_space();
        while self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
        }
    }
}

/// A value without quotes: a number or word of JSON, else a text that goes to the end of the line, whatever is in it.
fn plain(rest: &str) -> &str {
    let line = rest.lines().next().unwrap_or_default();
    let end = [",", "}", "]", "#", "//", "/*"].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    let word = line[..end].trim_end();
    if matches!(word, "true" | "false" | "null") || word.parse::<f64>().is_ok() { word } else { line.trim_end() }
}

fn unquoted(text: &str) -> String {
    if text.starts_with('"')
        && let Ok(text) = serde_json::from_str(text)
    {
        return text;
    }
    text.trim_matches(|c| c == '"' || c == '\'').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Step::{Index, Key};
    use super::*;

    const HJSON: &str = "{\n  # Peers: [ \"no\" ]\n  Peers:\n  [\n    tls://a.b:1?key=2#x\n    \"tcp://c:3\" // one, more\n  ]\n  /* } */ IfMTU: 65535\n  \
        Word: a } text, to the end # of the line\n  Multi:\n  '''\n  ]}\n  '''\n  Last: [ 1, true,null ]\n}\n";

    fn add(text: &str, path: &[Step<'_>], entries: &[&str]) -> String {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let (at, added) = container(text, path).unwrap().added(&entries);
        format!("{}{added}{}", &text[..at], &text[at..])
    }

    #[test]
    fn lists_are_found_among_comments_and_texts() {
        assert_eq!(container(HJSON, &[Key("Peers")]).unwrap().entries, ["tls://a.b:1?key=2#x", "tcp://c:3"]);
        assert_eq!(container(HJSON, &[Key("Last")]).unwrap().entries, ["1", "true", "null"]);
        assert_eq!(value(HJSON, &[Key("IfMTU")]).unwrap(), "65535");
        assert_eq!(value(HJSON, &[Key("Word")]).unwrap(), "a } text, to the end # of the line");
        assert_eq!(container(HJSON, &[]).unwrap().entries, ["Peers", "IfMTU", "Word", "Multi", "Last"]);
    }

    #[test]
    fn json_with_comments_is_read_by_steps() {
        let text = r#"{ // cjdns
            "interfaces": { "UDPInterface": [
                { "bind": "0.0.0.0:1", "connectTo": {} },
                { "bind": "[::]:1", "connectTo": { "[fc::1]:2": {"password":"a\"}"}, }, }
            ] } }"#;
        let path = [Key("interfaces"), Key("UDPInterface"), Index(1), Key("connectTo")];
        assert_eq!(container(text, &path).unwrap().entries, ["[fc::1]:2"]);
        assert_eq!(value(text, &[Key("interfaces"), Key("UDPInterface"), Index(1), Key("bind")]).unwrap(), "[::]:1");
    }

    #[test]
    fn what_is_added_stands_first_and_all_else_stays() {
        let text = add(HJSON, &[Key("Peers")], &["\"tls://new:1\"", "\"tls://new:2\""]);
        assert_eq!(
            container(&text, &[Key("Peers")]).unwrap().entries,
            ["tls://new:1", "tls://new:2", "tls://a.b:1?key=2#x", "tcp://c:3"]
        );
        let empty = add("{\"Peers\":[]}", &[Key("Peers")], &["\"a\""]);
        assert_eq!(container(&empty, &[Key("Peers")]).unwrap().entries, ["a"]);
        assert!(!empty.contains(','), "strict JSON has no comma at the end: {empty}");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "",
            "Peers: []",
            "{",
            "{ Peers: [ }",
            "{ \"Peers: [] }",
            "{ Peers [] }",
            "{ Peers: ''' }",
            "{ : 1 }",
            "[{]",
        ] {
            assert!(container(text, &[Key("Peers")]).is_err(), "{text}");
        }
        assert_eq!(container("{}", &[Key("Peers")]), Err(DocumentError::Missing("Peers".to_owned())));
        assert!(matches!(container("{ Peers: 5 }", &[Key("Peers")]), Err(DocumentError::Missing(_))));
        assert_eq!(container(&"[".repeat(1000), &[]), Err(DocumentError::TooDeep));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,#/*'\"\\\\ \na-z0-9é]{0,60}") {
            let _ = container(&text, &[Key("a"), Index(0)]);
            let _ = value(&text, &[Key("a")]);
        }
    }
}
