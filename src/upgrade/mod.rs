//! Releases of this program that come over the mesh: kept by the running node, installed by root.
//!
//! The two sides share nothing but what both verify. [`keeper`] runs in the node, as its user: it takes signed statements out of the feeds,
//! fetches their packages and keeps them for other nodes. [`procedure`] runs as root when the owner says so: it believes nothing that the node
//! says, but verifies the signatures by the keys of root's own configuration ([`roots_file`]) and the very bytes that it installs, and goes back
//! where the new program does not serve (`docs/decisions/0039-upgrades-over-the-mesh.md`).

mod keeper;
#[cfg(test)]
mod keeper_tests;
mod kept;
mod machine;
mod package;
mod procedure;
#[cfg(test)]
mod procedure_tests;
mod record;
pub(crate) mod roots_file;
pub(crate) mod schemas;

pub(crate) use keeper::{Ports, ReleaseKeeper};
pub(crate) use machine::{Debian, Machine, Publishing};
pub(crate) use package::{Fields, architecture, installed};
pub(crate) use procedure::{Former, Outcome, Procedure};
pub(crate) use record::Folder;
