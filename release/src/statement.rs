//! The signed text that says which packages a release has.
//!
//! Lines: what it is, the package's name, its version, one line for each architecture, one for each signature. There is exactly one way to write
//! each statement; a text that is written otherwise is refused. What is signed are the bytes before the first signature, which begin with what
//! the text is, so that a signature stands for nothing else.

use std::fmt::Write as _;

use cid::Cid;
use sha2::{Digest as _, Sha256};

use crate::PACKAGE_NAME;
use crate::key::{PublicKey, SecretKey, read_signature, signature_text};
use crate::version::Version;

/// The first line.
const HEAD: &str = "meshstream release v1";
/// Longest statement: in a message of 8192 characters there is room for it, each line feed written as two.
pub const MAX_STATEMENT_BYTES: usize = 4096;
/// Most architectures of a release: Debian itself has nine.
pub const MAX_PACKAGES: usize = 8;
/// Most signatures of a release.
pub const MAX_SIGNATURES: usize = 8;
/// Largest package: today's have 15 MB.
pub const MAX_PACKAGE_BYTES: u64 = 256 << 20;

/// A package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// As dpkg names it: `amd64`, `arm64`, `armhf`.
    pub architecture: String,
    /// Of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Root of the file in IPFS.
    pub cid: Cid,
}

/// Why a text is no statement, or packages make none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Longer than [`MAX_STATEMENT_BYTES`].
    #[error("longer than {MAX_STATEMENT_BYTES} bytes")]
    TooLong,
    /// Not of this kind, or of a later one.
    #[error("not a release statement that this program knows")]
    Head,
    /// Not about [`PACKAGE_NAME`].
    #[error("a release of another package than {PACKAGE_NAME}")]
    Name,
    /// The version cannot be read.
    #[error("a release without a version that can be read")]
    Version,
    /// A line that does not belong there, or is not written as it should be.
    #[error("line {0} is not as it should be")]
    Line(usize),
    /// No package, too many, two of one architecture, or not in order.
    #[error("a release has 1 to {MAX_PACKAGES} packages, each of another architecture, in the order of their names")]
    Packages,
    /// Larger than [`MAX_PACKAGE_BYTES`].
    #[error("the package for {architecture} has {bytes} bytes: at most {MAX_PACKAGE_BYTES} are taken")]
    TooLarge {
        /// Whose package it is.
        architecture: String,
        /// What it says.
        bytes: u64,
    },
    /// Too many signatures, two of one key, or not in order.
    #[error("a release has at most {MAX_SIGNATURES} signatures, each of another key, in the order of the keys")]
    Signatures,
}

/// Which packages a release has, and who says so. The signatures are as they were written: [`Statement::signers`] tells which hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    version: Version,
    packages: Vec<Package>,
    signatures: Vec<(PublicKey, [u8; 64])>,
}

impl Statement {
    /// What is to be signed.
    ///
    /// # Errors
    /// [`StatementError::Packages`] and [`StatementError::TooLarge`].
    pub fn new(version: Version, mut packages: Vec<Package>) -> Result<Self, StatementError> {
        packages.sort_by(|a, b| a.architecture.cmp(&b.architecture));
        check(&packages)?;
        Ok(Self { version, packages, signatures: Vec::new() })
    }

    /// Reads what [`Statement::to_text`] writes, and nothing else.
    ///
    /// # Errors
    /// [`StatementError`]; signatures are not verified.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        if text.len() > MAX_STATEMENT_BYTES {
            return Err(StatementError::TooLong);
        }
        let mut lines = text.split_terminator('\n').enumerate().peekable();
        let mut value =
            |key: &str| lines.next_if(|(_, line)| line.starts_with(key)).map(|(at, line)| (at + 1, &line[key.len()..]));
        if value(HEAD).is_none_or(|(_, rest)| !rest.is_empty()) {
            return Err(StatementError::Head);
        }
        if value("name ").is_none_or(|(_, name)| name != PACKAGE_NAME) {
            return Err(StatementError::Name);
        }
        let version = value("version ").and_then(|(_, version)| version.parse().ok()).ok_or(StatementError::Version)?;
        let (mut packages, mut signatures) = (Vec::new(), Vec::new());
        while let Some((at, package)) = value("package ") {
            packages.push(read_package(package).ok_or(StatementError::Line(at))?);
            if packages.len() > MAX_PACKAGES {
                return Err(StatementError::Packages);
            }
        }
        check(&packages)?;
        while let Some((at, signature)) = value("signature ") {
            let (key, signature) = signature.split_once(' ').ok_or(StatementError::Line(at))?;
            let (key, signature) = (key.parse::<PublicKey>().ok(), read_signature(signature));
            signatures.push(key.zip(signature).ok_or(StatementError::Line(at))?);
        }
        if let Some((at, _)) = lines.next() {
            return Err(StatementError::Line(at + 1));
        }
        if signatures.len() > MAX_SIGNATURES || !signatures.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(StatementError::Signatures);
        }
        let statement = Self { version, packages, signatures };
        // The one way to write it: what is signed, compared and passed on is the same everywhere.
        let written = statement.to_text();
        match written.split_inclusive('\n').zip(text.split_inclusive('\n')).position(|(ours, theirs)| ours != theirs) {
            None if written.len() == text.len() => Ok(statement),
            at => Err(StatementError::Line(at.unwrap_or_default() + 1)),
        }
    }

    /// The statement as it travels: lines, each with a line feed.
    pub fn to_text(&self) -> String {
        let mut text = self.signed_text();
        for (key, signature) in &self.signatures {
            // Writing to a string does not fail.
            let _ = writeln!(text, "signature {key} {}", signature_text(signature));
        }
        text
    }

    /// What is signed.
    fn signed_text(&self) -> String {
        let mut text = format!("{HEAD}\nname {PACKAGE_NAME}\nversion {}\n", self.version);
        for Package { architecture, bytes, sha256, cid } in &self.packages {
            let _ = writeln!(text, "package {architecture} {bytes} {} {cid}", hex(sha256));
        }
        text
    }

    /// Adds a signature; one of the same key is replaced by the same.
    ///
    /// # Errors
    /// [`StatementError::Signatures`] where there are too many.
    pub fn sign(&mut self, key: &SecretKey) -> Result<(), StatementError> {
        let signature = key.sign(self.signed_text().as_bytes());
        self.take(key.public(), signature);
        if self.signatures.len() > MAX_SIGNATURES { Err(StatementError::Signatures) } else { Ok(()) }
    }

    fn take(&mut self, key: PublicKey, signature: [u8; 64]) {
        match self.signatures.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => self.signatures[at].1 = signature,
            Err(at) => self.signatures.insert(at, (key, signature)),
        }
    }

    /// Takes the signatures that hold of a statement of the same release, as far as there is room; tells whether any was new.
    pub fn take_signatures(&mut self, other: &Self) -> bool {
        if !self.is_same_release(other) {
            return false;
        }
        let ours = self.signers();
        let mut changed = false;
        for key in other.signers() {
            let signature = other.signatures.iter().find(|(of, _)| *of == key);
            let Some((_, signature)) = signature.filter(|_| !ours.contains(&key)) else { continue };
            if self.signatures.len() < MAX_SIGNATURES {
                self.take(key, *signature);
                changed = true;
            }
        }
        changed
    }

    /// Whether both state the same, whoever has signed it.
    pub fn is_same_release(&self, other: &Self) -> bool {
        self.signed_text() == other.signed_text()
    }

    /// Whose signatures hold, in order.
    pub fn signers(&self) -> Vec<PublicKey> {
        let text = self.signed_text();
        let holds = |(key, signature): &&(PublicKey, [u8; 64])| key.verify(text.as_bytes(), signature);
        self.signatures.iter().filter(holds).map(|(key, _)| *key).collect()
    }

    /// Who is said to have signed it.
    pub fn named_signers(&self) -> impl Iterator<Item = PublicKey> {
        self.signatures.iter().map(|(key, _)| *key)
    }

    /// Of the packages.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The packages, in the order of their architectures.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The package for an architecture.
    pub fn package(&self, architecture: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.architecture == architecture)
    }
}

impl Package {
    /// Reads a file's bytes, piece by piece, and tells whether they are this package's.
    pub fn check(&self) -> PackageCheck<'_> {
        PackageCheck { package: self, bytes: 0, digest: Sha256::new() }
    }
}

/// The bytes of a file that may be a package.
#[derive(Debug, Clone)]
pub struct PackageCheck<'a> {
    package: &'a Package,
    bytes: u64,
    digest: Sha256,
}

impl PackageCheck<'_> {
    /// Takes what comes next.
    pub fn update(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.digest.update(piece);
    }

    /// Whether it is the package, now that nothing comes any more.
    pub fn finish(self) -> bool {
        self.bytes == self.package.bytes && self.digest.finalize().as_slice() == self.package.sha256
    }
}

fn check(packages: &[Package]) -> Result<(), StatementError> {
    let in_order = packages.is_sorted_by(|a, b| a.architecture < b.architecture);
    if !(1..=MAX_PACKAGES).contains(&packages.len())
        || !in_order
        || !packages.iter().all(|one| is_architecture(&one.architecture))
    {
        return Err(StatementError::Packages);
    }
    match packages.iter().find(|package| package.bytes > MAX_PACKAGE_BYTES) {
        Some(Package { architecture, bytes, .. }) => {
            Err(StatementError::TooLarge { architecture: architecture.clone(), bytes: *bytes })
        }
        None => Ok(()),
    }
}

/// Debian Policy §11.1; it becomes part of a file's name.
fn is_architecture(text: &str) -> bool {
    (2..=20).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn read_package(text: &str) -> Option<Package> {
    let mut words = text.split(' ');
    let (architecture, bytes, sha256, cid) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let (bytes, sha256, cid) = (bytes.parse().ok()?, from_hex(sha256)?, cid.parse().ok()?);
    Some(Package { architecture: architecture.to_owned(), bytes, sha256, cid })
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
