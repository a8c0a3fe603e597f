//! What a machine is to have: files, links, and services to start anew. Values alone; [`super::changes`] compares them with what
//! there is, [`super::apply`] brings them about.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::Checker;

/// All that a setup wants of a machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) items: Vec<Item>,
    /// Started anew, in this order, where anything has changed.
    pub(crate) services: Vec<String>,
    /// What a person has to know or do, a line each.
    pub(crate) notes: Vec<String>,
}

/// Something at a path.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) path: PathBuf,
    pub(crate) content: Content,
    /// The program that can say whether it is well-formed.
    pub(crate) checker: Option<Checker>,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A file of this program's own. One of the same name that somebody else made is not touched.
    Own { text: String, mode: u32 },
    /// A file that every machine has, such as `/etc/hostname`: what is there is replaced, and comes back with undo.
    Setting { text: String },
    /// A symbolic link.
    Link { target: PathBuf },
    /// A file of somebody else's, or of a daemon's own making, to which something is added.
    Edited { text: String, edits: Vec<Edit>, origin: Origin },
}

/// Where a file that is added to came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was there.
    There,
    /// It is made now, by the daemon whose it is.
    Made,
}

/// What was written into a file of somebody else's, and what stood in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edit {
    pub(crate) ours: String,
    pub(crate) before: String,
}

impl Edit {
    /// A text without the edits; `None` where somebody changed what was written.
    pub(crate) fn take_out(edits: &[Self], text: &str) -> Option<String> {
        let mut text = text.to_owned();
        for edit in edits.iter().rev() {
            if text.matches(&edit.ours).count() != 1 {
                return None;
            }
            text = text.replacen(&edit.ours, &edit.before, 1);
        }
        Some(text)
    }
}

/// A program to run, once the files are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) words: Vec<String>,
    pub(crate) on_failure: OnFailure,
}

/// Whether the setup needs what a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Stop,
    GoOn,
}

impl Command {
    /// One that has to succeed.
    pub(crate) fn needed(words: &[&str]) -> Self {
        Self::new(words, OnFailure::Stop)
    }

    /// One that is tried.
    pub(crate) fn tried(words: &[&str]) -> Self {
        Self::new(words, OnFailure::GoOn)
    }

    fn new(words: &[&str], on_failure: OnFailure) -> Self {
        Self { words: words.iter().map(|word| (*word).to_owned()).collect(), on_failure }
    }
}

impl Plan {
    /// Adds a file of this program's own.
    pub(crate) fn own(&mut self, path: impl Into<PathBuf>, text: String, checker: Option<Checker>) {
        self.items.push(Item { path: path.into(), content: Content::Own { text, mode: 0o644 }, checker });
    }

    /// Adds a file of this program's own that only root reads.
    pub(crate) fn secret(&mut self, path: impl Into<PathBuf>, text: String, checker: Option<Checker>) {
        self.items.push(Item { path: path.into(), content: Content::Own { text, mode: 0o600 }, checker });
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) {
        let content = Content::Link { target: target.into() };
        self.items.push(Item { path: path.into(), content, checker: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_taken_out_where_it_is_as_it_was_written() {
        let edits = [Edit { ours: "two\n".to_owned(), before: "zwei\n".to_owned() }];
        assert_eq!(Edit::take_out(&edits, "one\ntwo\nnew\n").as_deref(), Some("one\nzwei\nnew\n"));
        assert_eq!(Edit::take_out(&edits, "one\ntwo \n"), None);
        assert_eq!(Edit::take_out(&edits, "two\ntwo\n"), None);
        assert_eq!(Edit::take_out(&[], "x").as_deref(), Some("x"));
    }
}
