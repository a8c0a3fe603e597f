//! `meshstream setup`: the machine around a node.

mod access_point;
mod mesh;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::config::Config;
use crate::failure::Failure;
use crate::setup::apply::{Mode, Outcome, Reach, Target, say};
use crate::setup::changes::Force;
use crate::setup::machine::{Machine, Needed, missing};
use crate::setup::tree::Tree;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make this machine an access point that phones join, and a mesh point, from one small file
    AccessPoint(access_point::AccessPoint),
    /// Give Yggdrasil and cjdns their peers, and join a community
    Mesh(mesh::Mesh),
}

impl Command {
    /// The node's settings in the image that is set up, where no other file is named.
    pub(super) fn configuration(&self) -> Option<PathBuf> {
        let (Self::AccessPoint(access_point::AccessPoint { how, .. }) | Self::Mesh(mesh::Mesh { how, .. })) = self;
        let of_image = how.root.as_ref()?.join("etc/meshstream/meshstream.toml");
        // The machine's own settings are not those of the image.
        Some(if of_image.exists() { of_image } else { PathBuf::from("/dev/null") })
    }
}

/// How a setup is done.
#[derive(Debug, Args)]
struct How {
    /// Show what would be changed, as a diff, and which programs would be run; change nothing
    #[arg(long)]
    dry_run: bool,

    /// Take back what this command has done: files become what they were before
    #[arg(long)]
    undo: bool,

    /// Replace files that somebody else made or changed, too; --undo gives them back. With --undo: leave such files as they are
    #[arg(long)]
    force: bool,

    /// Set up the files of an image in this directory, and run none of its programs
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl How {
    fn target(&self) -> Result<Target, Failure> {
        let (tree, reach) = match &self.root {
            Some(root) => (Tree::below(root).map_err(Failure::Usage)?, Reach::Files),
            None => (Tree::machine(), Reach::Machine),
        };
        let mode = if self.dry_run { Mode::Show } else { Mode::Do };
        let force = if self.force { Force::Replace } else { Force::None };
        Ok(Target { tree, reach, mode, force })
    }

    /// The file that is named, else the one of the machine or image.
    fn file(&self, target: &Target, named: Option<&Path>, default: &str) -> PathBuf {
        named.map_or_else(|| target.tree.place(Path::new(default)), Path::to_owned)
    }
}

fn machine(target: &Target) -> Machine {
    match target.reach {
        Reach::Machine => Machine::this_one(&target.tree),
        Reach::Files => Machine::of_files(&target.tree),
    }
}

/// Says which packages are missing. Services would not start without them; files can be shown, and made for an image.
fn need(target: &Target, needed: &[Needed]) -> anyhow::Result<()> {
    let missing = missing(&target.tree, needed);
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    match (target.reach, target.mode) {
        (Reach::Machine, Mode::Do) => {
            bail!("nothing was changed, since programs are missing here. Run '{line}', then this again")
        }
        (Reach::Machine, Mode::Show) => say(&format!("note: programs are missing here: run '{line}' first")),
        (Reach::Files, _) => say(&format!("note: programs are missing in the image: run '{line}' in it")),
    }
}

/// Says how it went.
fn tell(target: &Target, outcome: &Outcome, changed: &str, unchanged: &str) -> anyhow::Result<()> {
    match (outcome, target.mode) {
        (Outcome::Unchanged, _) => say(unchanged),
        (Outcome::Changed, Mode::Show) => say("nothing was changed: without --dry-run it is"),
        (Outcome::Changed, Mode::Do) => say(changed),
    }
}

/// Does what the arguments ask.
pub(super) async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::AccessPoint(options) => access_point::run(config, &options),
        Command::Mesh(options) => mesh::run(config, options).await,
    }
}
