//! Leaves the book in a folder, to be read there: `make book`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return trouble("name the folder where the book is to be");
    };
    for file in book::files() {
        if let Err(error) = write(&folder.join(file.path), &without_node(file)) {
            return trouble(&format!("cannot write {} in {}: {error}", file.path, folder.display()));
        }
    }
    ExitCode::SUCCESS
}

/// A file without what only a node can do: searching, and leading to its pages.
fn without_node(file: &book::File) -> Vec<u8> {
    let plain = file.plain();
    let Ok(text) = std::str::from_utf8(&plain) else { return plain };
    match (text.find("<!-- node -->"), text.find("<!-- /node -->")) {
        (Some(start), Some(end)) if file.path.ends_with(".html") => {
            [&text[..start], &text[end..]].concat().into_bytes()
        }
        _ => plain,
    }
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content)
}

#[expect(clippy::print_stderr, reason = "a program says what is wrong")]
fn trouble(what: &str) -> ExitCode {
    eprintln!("book: {what}");
    ExitCode::FAILURE
}
