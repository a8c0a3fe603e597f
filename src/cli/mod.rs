//! The command line: what can be asked.

mod admin;
mod archive;
mod backup;
mod broadcast;
mod camera;
mod community;
mod content;
mod doctor;
#[cfg(test)]
mod documents;
mod feed;
mod firewall;
mod first_boot;
mod hide;
mod keep;
mod key;
mod portal;
mod post;
mod reference;
pub(crate) mod rendition;
mod schedule;
mod settings;
mod setup;
mod show;
mod ssb;
mod storage;
mod transfer;
mod upgrade;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::cameras::WORKER;
use crate::config::Layers;
use crate::config::layers::SYSTEM_FILE;
use crate::failure::Failure;
use crate::{demo, node};

/// Live video over a wireless mesh with no Internet.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); /etc/meshstream/meshstream.toml where it exists
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Directory for everything that the node keeps
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node
    Run,
    /// Run a publisher node, a viewer node and a test broadcast on this machine
    Demo(demo::Options),
    /// Publish a camera, a stream of somebody else's or a test pattern
    Camera(Box<camera::Camera>),
    /// An encoder's process, for renditions
    #[command(name = rendition::WORKER, hide = true)]
    RenditionWorker,
    /// An encoder's process, for a camera
    #[command(name = WORKER, hide = true)]
    CameraWorker(camera::Worker),
    /// Manage stream keys, which let publishers in
    #[command(subcommand)]
    Key(key::Command),
    /// Let a browser into the admin pages, or all of them out
    #[command(subcommand)]
    Admin(admin::Command),
    /// Plan broadcasts, and tell other nodes
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Name and end broadcasts of this node
    #[command(subcommand)]
    Broadcast(broadcast::Command),
    /// Keep, carry, republish and withdraw what is over
    #[command(subcommand)]
    Archive(archive::Command),
    /// Make, join, show and leave a private community of nodes
    #[command(subcommand)]
    Community(community::Command),
    /// Follow, unfollow and block feeds
    #[command(subcommand)]
    Feed(feed::Command),
    /// Back up, move and recover this node's SSB identity and feed
    #[command(subcommand)]
    Ssb(ssb::Command),
    /// Do not show a broadcast, a post or a comment on this node
    Hide(hide::What),
    /// Show again what was hidden
    Unhide(hide::What),
    /// List what is hidden on this node
    Hidden(Output),
    /// Write a post as this node, which every node keeps
    Post(post::Post),
    /// Carry stored content as CAR files
    #[command(subcommand)]
    Content(content::Command),
    /// Check what is stored
    #[command(subcommand)]
    Storage(storage::Command),
    /// Set keys of the configuration that the node keeps itself
    #[command(subcommand)]
    Settings(settings::Command),
    /// Show the last lines of the running node's log
    Logs(settings::Logs),
    /// Show this node, its peers, links and storage
    Status(StatusOutput),
    /// Print a file for nftables that keeps the node's ports to the devices of the settings
    Firewall(firewall::Firewall),
    /// Print settings for dnsmasq and nftables, so that phones on an access point open the node's page and stay
    Portal(portal::Portal),
    /// Make this machine an access point, and join it to a mesh
    #[command(subcommand)]
    Setup(setup::Command),
    /// Make a machine of an image what its owner filled in
    #[command(subcommand, hide = true)]
    FirstBoot(first_boot::Command),
    /// Show the broadcasts known here
    Streams(Output),
    /// Write who this node is and what its owner has set to one file: identity, keys and configuration
    Backup(backup::Write),
    /// Make a node without an identity the one of a backup
    Restore(backup::Restore),
    /// Sign releases of this program, publish them on the mesh, and install those that come over it
    #[command(subcommand)]
    Upgrade(upgrade::Command),
    /// Look what is wrong with this machine and its node, and say how to mend it
    Doctor(Output),
    /// Print completions for a shell
    Completions(reference::Completions),
    /// Write manual pages, for packages
    #[command(hide = true)]
    Manual(reference::Manual),
    /// Print what can be set in the configuration, for documents and editors
    #[command(hide = true)]
    Reference(reference::Reference),
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Args)]
struct Output {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// How the node is shown.
#[derive(Debug, Clone, Copy, Args)]
struct StatusOutput {
    #[command(flatten)]
    output: Output,

    /// Print the address of the node's pages as a QR code, which phones scan
    #[arg(long, conflicts_with = "json")]
    qr: bool,
}

/// Does what the arguments ask.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Command::CameraWorker(worker) = arguments.command {
        return camera::work(worker).map_err(Failure::from);
    }
    match &arguments.command {
        Command::RenditionWorker => return rendition::work().map_err(Failure::from),
        Command::Completions(options) => return reference::completions(options).map_err(Failure::from),
        Command::Manual(options) => return reference::manual(options).map_err(Failure::from),
        Command::Reference(options) => return reference::configuration(options).map_err(Failure::from),
        _ => {}
    }
    let of_image = match &arguments.command {
        Command::Setup(command) => command.configuration(),
        _ => None,
    };
    let file = arguments.config.or(of_image);
    let layers =
        Layers::read(file.as_deref(), std::env::vars(), arguments.data_dir.as_deref()).map_err(Failure::Usage)?;
    let config = layers.config().clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let result = match arguments.command {
        Command::Run => runtime.block_on(node::run(layers)),
        Command::Demo(options) => {
            runtime.block_on(demo::run(options, arguments.data_dir.as_deref())).map_err(Failure::from)
        }
        Command::Camera(camera) => runtime.block_on(camera::run(&config, *camera)).map_err(Failure::from),
        // They need neither settings nor a runtime.
        Command::CameraWorker(_)
        | Command::RenditionWorker
        | Command::Completions(_)
        | Command::Manual(_)
        | Command::Reference(_) => Ok(()),
        Command::Backup(options) => {
            let configuration = file.as_deref().unwrap_or(Path::new(SYSTEM_FILE));
            runtime.block_on(backup::write(&config, configuration, options)).map_err(Failure::from)
        }
        Command::Restore(options) => runtime.block_on(backup::restore(&config, options)).map_err(Failure::from),
        Command::Upgrade(command) => {
            let configuration = file.as_deref().unwrap_or(Path::new(SYSTEM_FILE));
            runtime
                .block_on(upgrade::run(&config, configuration, arguments.data_dir.as_deref(), command))
                .map_err(Failure::from)
        }
        Command::Doctor(output) => runtime.block_on(doctor::run(&config, output)),
        Command::Key(command) => runtime.block_on(key::run(&config, command)).map_err(Failure::from),
        Command::Admin(command) => runtime.block_on(admin::run(&config, command)).map_err(Failure::from),
        Command::Schedule(command) => runtime.block_on(schedule::run(&config, command)).map_err(Failure::from),
        Command::Broadcast(command) => runtime.block_on(broadcast::run(&config, command)).map_err(Failure::from),
        Command::Hide(what) => runtime.block_on(hide::hide(&config, what)).map_err(Failure::from),
        Command::Unhide(what) => runtime.block_on(hide::unhide(&config, what)).map_err(Failure::from),
        Command::Hidden(output) => runtime.block_on(hide::list(&config, output)).map_err(Failure::from),
        Command::Settings(command) => runtime.block_on(settings::run(layers, command)).map_err(Failure::from),
        Command::Logs(logs) => runtime.block_on(settings::logs(&layers, logs)).map_err(Failure::from),
        Command::Archive(command) => runtime.block_on(archive::run(&config, command)).map_err(Failure::from),
        Command::Community(command) => runtime.block_on(community::run(&config, command)),
        Command::Feed(command) => runtime.block_on(feed::run(&config, command)).map_err(Failure::from),
        Command::Ssb(command) => runtime.block_on(ssb::run(&config, command)).map_err(Failure::from),
        Command::Post(post) => runtime.block_on(post::run(&config, post)).map_err(Failure::from),
        Command::Content(command) => runtime.block_on(content::run(&config, command)).map_err(Failure::from),
        Command::Storage(command) => runtime.block_on(storage::run(&config, command)).map_err(Failure::from),
        Command::Status(output) => runtime.block_on(show::status(&config, output)).map_err(Failure::from),
        Command::Firewall(options) => firewall::run(&config, &options).map_err(Failure::Usage),
        Command::Portal(options) => portal::run(&config, &options).map_err(Failure::from),
        Command::Setup(command) => runtime.block_on(setup::run(&config, command)),
        Command::FirstBoot(command) => first_boot::run(&config, &command).map_err(Failure::from),
        Command::Streams(output) => runtime.block_on(show::streams(&config, output)).map_err(Failure::from),
    };
    runtime.shutdown_timeout(node::JOIN_TIMEOUT);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_that_begins_with_a_hyphen_is_no_option() {
        for slug in ["-J0KVu3Dw6l2TgVBbtBd0g2L4pFQ8mOq5qSx1yZ3abc", "--98XU3IDpYMT7FsAOniR81hYDljCZOrTUvlh_uyots"] {
            takes(slug);
        }
        assert!(Arguments::try_parse_from(["meshstream", "archive", "mirror", "demo", "--unknown"]).is_err());
    }

    fn takes(slug: &str) {
        for words in [
            &["archive", "mirror", slug][..],
            &["archive", "mirror", slug, "--no-wait"],
            &["archive", "withdraw", "--remove", &slug[..8]],
            &["archive", "republish", slug, "--json"],
            &["broadcast", "set", slug, "--title", "Hall"],
            &["broadcast", "end", slug],
            &["hide", slug],
            &["schedule", "cancel", slug],
            &["post", "hello", "--broadcast", slug],
        ] {
            let parsed = Arguments::try_parse_from(["meshstream"].iter().chain(words));
            assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
        }
    }
}
