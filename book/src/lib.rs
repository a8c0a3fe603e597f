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

impl File {
    /// Its content, uncompressed.
    #[must_use]
    pub fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut plain).expect("it was compressed when this was built");
        plain
    }
}
