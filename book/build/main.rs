//! Makes the book with mdBook while this crate is compiled, and writes a table that embeds it.
//!
//! Comes in: `docs/`, what `docs/SUMMARY.md` names of the rest of the repository, and the theme. Goes out: in cargo's output
//! directory the book as a folder, `files.rs`, and `sections.gz`, what is searched.

#![expect(clippy::print_stdout, reason = "cargo is told by it")]

mod contents;
mod page;
mod sections;
mod source;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use sha2::{Digest as _, Sha256};

use crate::source::Source;

fn main() {
    if let Err(error) = build() {
        println!("cargo::error=the documents do not become a book: {error:#}");
    }
}

fn build() -> Result<()> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").context("cargo names this crate's folder")?);
    let out = PathBuf::from(std::env::var("OUT_DIR").context("cargo names an output directory")?);
    for path in ["build", "theme", "book.toml"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let repository = here.parent().context("this crate lies in the repository")?;
    let source = Source::read(repository)?;
    for path in source.read_from() {
        println!("cargo::rerun-if-changed={}", repository.join(path).display());
    }
    let (staged, made, embedded) = (out.join("source"), out.join("mdbook"), out.join("book"));
    for folder in [&staged, &made, &embedded] {
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    source.stage(&staged)?;
    let book = make(&here, &staged, &made)?;

    let mut files = Vec::new();
    for path in source.attachments() {
        files.push((path.to_owned(), read(&staged.join(path))?));
    }
    let frame = repository.join("player-web/web/src/frame.css");
    println!("cargo::rerun-if-changed={}", frame.display());
    files.push(("book.css".to_owned(), [read(&frame)?, read(&here.join("theme/book.css"))?].concat()));
    let mut sections = String::new();
    for path in contents::pages(&book.book) {
        let text = String::from_utf8(read(&made.join(&path))?).with_context(|| format!("{path} is no text"))?;
        if path != contents::WHOLE {
            sections::write(&mut sections, &path, &text);
        }
        files.push((path.clone(), page::finish(&text, &contents::list(&book.book, &path, &text))?.into_bytes()));
    }
    files.sort();
    write(&out.join("sections.gz"), &gzip(sections.as_bytes())?)?;
    embed(&files, &embedded, &out.join("files.rs"))
}

/// Has mdBook make the pages.
fn make(here: &Path, staged: &Path, made: &Path) -> Result<MDBook> {
    let mut config = Config::from_disk(here.join("book.toml"))?;
    config.book.src = staged.to_owned();
    config.build.build_dir = made.to_owned();
    let book = MDBook::load_with_config(here, config)?;
    book.build()?;
    Ok(book)
}

/// Writes the files and the table of them, which is in the order of their paths.
fn embed(files: &[(String, Vec<u8>)], folder: &Path, table: &Path) -> Result<()> {
    let mut rows = String::from("static FILES: &[File] = &[\n");
    for (path, content) in files {
        let file = folder.join(format!("{path}.gz"));
        write(&file, &gzip(content)?)?;
        let tag: String = Sha256::digest(content).iter().take(6).fold(String::new(), |mut tag, byte| {
            let _ = write!(tag, "{byte:02x}");
            tag
        });
        let media_type = media_type(path);
        let _ = writeln!(
            rows,
            "    File {{ path: {path:?}, media_type: {media_type:?}, tag: {tag:?}, gzip: include_bytes!({file:?}) }},"
        );
    }
    rows.push_str("];\n");
    write(table, rows.as_bytes())
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg") => "image/jpeg",
        Some("json") => "application/json",
        // Examples of configurations and scripts, to be read before they are used.
        _ => "text/plain; charset=utf-8",
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file, and the folders that it needs.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
