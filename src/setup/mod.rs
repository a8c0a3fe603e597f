//! Sets up the machine around a node: its access point and mesh point, and the daemons of overlay networks.
//!
//! Comes in: one small file of a person's, and what is known of the machine. Goes out: a [`plan::Plan`], a pure value; then files,
//! links and services, by [`apply`] alone. A file that a person made or changed is never touched
//! (`docs/decisions/0036-setup.md`).

pub(crate) mod access_point;
pub(crate) mod apply;
pub(crate) mod changes;
mod check;
mod commands;
mod diff;
pub(crate) mod machine;
pub(crate) mod mesh;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod settings_file;
pub(crate) mod tree;
