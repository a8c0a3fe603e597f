//! Leaves the book in a folder, to be read there: `make book`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return trouble("name the folder where the book is to be");
    };
    for file in book::files() {
        if let Err(error) = write(&folder.join(file.path), &file.plain()) {
            return trouble(&format!("cannot write {} in {}: {error}", file.path, folder.display()));
        }
    }
    ExitCode::SUCCESS
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
