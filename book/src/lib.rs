//! The documents as a book: what `docs/` has, made into pages by mdBook when this crate is compiled, and embedded.
//!
//! The node serves it at `/docs/`; links within it are relative, so it can be read from a folder as well.

use std::io::Read as _;

use flate2::read::GzDecoder;

/// A file of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Where it is in the book, such as `operations/install.html`.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Another one whenever its content is: hexadecimal digits.
    pub tag: &'static str,
    /// Its content with gzip (RFC 1952).
    pub gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// All files, in the order of their paths.
#[must_use]
pub fn files() -> &'static [File] {
    FILES
}

/// The file at a path of the book, if there is one.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    FILES.binary_search_by_key(&path, |file| file.path).ok().map(|found| &FILES[found])
}

/// A part of a page that begins at a heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// Of the page.
    pub path: &'a str,
    /// Of the heading; empty at the top of a page.
    pub anchor: &'a str,
    /// The page's title.
    pub title: &'a str,
    /// The heading, which at the top of a page is its title.
    pub heading: &'a str,
    /// All up to the next heading, in one line.
    pub text: &'a str,
}

/// The text of all pages, to be searched; uncompressed for each caller, so that it takes no memory in between.
#[derive(Debug)]
pub struct Sections(String);

impl Sections {
    /// Uncompresses them: about half a megabyte.
    #[must_use]
    pub fn read() -> Self {
        let text = uncompressed(include_bytes!(concat!(env!("OUT_DIR"), "/sections.gz")));
        Self(String::from_utf8(text).expect("it was text when this was built"))
    }

    /// All, in the order of the book.
    pub fn iter(&self) -> impl Iterator<Item = Section<'_>> {
        self.0.lines().filter_map(|line| {
            let mut fields = line.split('\t');
            let (path, anchor, title) = (fields.next()?, fields.next()?, fields.next()?);
            Some(Section { path, anchor, title, heading: fields.next()?, text: fields.next()? })
        })
    }
}

fn uncompressed(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut plain).expect("it was compressed when this was built");
    plain
}

impl File {
    /// Its content, uncompressed.
    #[must_use]
    pub fn plain(&self) -> Vec<u8> {
        uncompressed(self.gzip)
    }
}
