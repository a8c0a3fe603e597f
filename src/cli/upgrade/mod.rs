//! `meshstream upgrade`: releases of this program, from the key of those who make them to the node that installs them.

mod install;
mod list;
mod make;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;

use super::Output;
use super::show::print_json;
use crate::config::Config;
use crate::upgrade::schemas;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make and show the keys that releases are signed with
    #[command(subcommand)]
    Key(Key),
    /// Sign the packages of a release, or add a signature to a release that others have signed
    Sign(make::Sign),
    /// Put a signed release and its packages on the mesh, from this node on
    Publish(make::Publish),
    /// Show which releases are known here, who has signed them, and what is installed
    #[command(visible_alias = "status")]
    List(Output),
    /// Install a release that is here, as root; goes back by itself where the node does not serve afterwards
    Install(install::Install),
    /// Go back to the version before the last upgrade, as root
    Rollback,
    /// The schema versions of the node's databases
    #[command(hide = true)]
    Schemas,
}

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a key and print its public part, which nodes are told to trust
    New {
        /// The file with the secret; keep it off the nodes
        file: PathBuf,
    },
    /// Print the public part of a key
    Show {
        /// The file with the secret
        file: PathBuf,
    },
}

/// Does what the arguments ask. `data_dir` is the one that they name.
pub(super) async fn run(
    config: &Config,
    configuration: &Path,
    data_dir: Option<&Path>,
    command: Command,
) -> anyhow::Result<()> {
    match command {
        Command::Key(command) => make::key(&command),
        Command::Sign(options) => {
            tokio::task::spawn_blocking(move || make::sign(&options)).await.context("cannot sign")?
        }
        Command::Publish(options) => make::publish(config, options).await,
        Command::List(output) => list::run(config, output).await,
        Command::Install(options) => install::run(configuration, data_dir, options).await,
        Command::Rollback => install::rollback(configuration, data_dir).await,
        Command::Schemas => print_json(&schemas::read(&config.node.data_dir)?),
    }
}
