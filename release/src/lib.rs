//! Releases of the program as their signers state them, and which of them a node takes.
//!
//! Pure: text in, typed values and verdicts out; no disk, no network, no clock. A [`Statement`] names packages by their bytes and is signed by
//! [`SecretKey`]s of maintainers; [`Trust`] says whose signatures count; [`Shelf`] which statements a node keeps, and [`choose`] which of them
//! is installed. What is read may come from anyone: every length and count is bounded, and no input panics
//! (`docs/protocol/releases.md`).

mod choice;
mod exercise;
mod key;
mod shelf;
mod statement;
mod trust;
mod version;

pub use choice::{Candidate, NoChoice, Wish, choose};
pub use exercise::exercise;
pub use key::{KeyError, PublicKey, SecretKey};
pub use shelf::{Change, Kept, Refused, Shelf};
pub use statement::{
    MAX_PACKAGE_BYTES, MAX_PACKAGES, MAX_SIGNATURES, MAX_STATEMENT_BYTES, Package, Statement, StatementError,
};
pub use trust::{MAX_TRUSTED, NotTrusted, Trust, TrustError};
pub use version::{MAX_VERSION_BYTES, Version, VersionError};

/// The package that statements are about; a statement of another one is refused.
pub const PACKAGE_NAME: &str = "meshstream";
