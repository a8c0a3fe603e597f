//! `meshstream ssb`: this node's SSB identity and its feed, in the files of a node that does not run.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;
use ssb_announcer::discovery;
use ssb_announcer::handshake::NetworkKey;
use ssb_announcer::identity::{Identity, IdentityError, Machine, Place};
use ssb_announcer::recovery::{self, Answer, Found, Offers, Patience, Recovered};
use stream_model::NodeReport;
use tokio_util::sync::CancellationToken;

use super::{Output, show};
use crate::community::Community;
use crate::config::Config;
use crate::control::{Client, Connection};
use crate::data_dir::{DataDir, feed_database, secret_file};
use crate::host_lock::HostLock;
use crate::node;
use crate::output::print;
use crate::parts;

/// How long nothing may happen before the search ends: longer than nodes on a LAN pause between telling of themselves.
const QUIET: Duration = Duration::from_secs(8);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the address of the running node, for ssb.peers of another node or for another SSB program
    Invite,
    /// Write this node's identity to a file, for a backup or another SSB program; whoever has the file is this node
    Export {
        /// A new file; it gets mode 0600
        file: PathBuf,
    },
    /// Make the identity in a file that of this node, which has none yet; 'ssb recover' is to follow
    Import {
        /// A secret file of JavaScript's ssb-keys, or of 'ssb export'
        file: PathBuf,
    },
    /// Get this node's own feed back from its peers: after an import, a move to another machine, or a fork
    ///
    /// The node must not run. Peers are found as the node finds them: ssb.peers, mesh.peers, the mesh and the LAN. The
    /// longest chain of messages that they hold becomes the node's. From the first message that contradicts it on, what
    /// this node has is moved to a file in the data directory.
    Recover {
        /// Ask no longer than this
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
        wait: Duration,
        /// Go on although no peer has anything of the feed: no other copy of this node has ever run
        #[arg(long)]
        alone: bool,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let secret = secret_file(&config.node.data_dir);
    match command {
        Command::Invite => invite(config).await,
        Command::Export { file } => export(&secret, &file),
        Command::Import { file } => import(config, &secret, &file).await,
        Command::Recover { wait, alone, output } => recover(config, &secret, wait, alone, output).await,
    }
}

async fn invite(config: &Config) -> anyhow::Result<()> {
    let report: NodeReport = Client::require(&config.node.data_dir).await?.get("/api/v1/node").await?;
    let listen = report.listen.ssb.iter().find_map(|address| address.parse().ok());
    let addresses = listen.and_then(|listen| discovery::reachable(listen, report.node.feed));
    let addresses =
        addresses.context("nobody can reach this node: ssb.listen is a loopback address, or no network is up")?;
    print(|out| writeln!(out, "{addresses}"))
}

fn export(secret: &Path, file: &Path) -> anyhow::Result<()> {
    let identity = Identity::load(secret).context(
        "nothing to export: 'meshstream run' makes an identity, and --data-dir names the directory of another node",
    )?;
    match identity.export(file) {
        Err(IdentityError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists already and is left as it is: name a new file", file.display())
        }
        exported => exported?,
    }
    print(|out| {
        writeln!(out, "The identity {} is in {}.", identity.id(), file.display())?;
        writeln!(
            out,
            "Whoever has that file can write as this node: keep it secret. Used by two nodes at once it forks"
        )?;
        writeln!(out, "the feed for good: stop this node before another starts with it.")
    })
}

async fn import(config: &Config, secret: &Path, file: &Path) -> anyhow::Result<()> {
    let _lock = lock(config).await?;
    let identity = Identity::load(file)?;
    let (id, new) = (identity.id(), identity.import(secret, &Place::beside(secret, Machine::this()))?);
    print(|out| {
        if !new {
            return writeln!(out, "This node is {id} already.");
        }
        writeln!(out, "This node is {id} now.")?;
        writeln!(out, "Nothing is announced before its feed was looked for: run 'meshstream ssb recover' next.")
    })
}

/// The data directory, which no node uses.
async fn lock(config: &Config) -> anyhow::Result<DataDir> {
    if let Connection::Running(_) = Client::connect(&config.node.data_dir).await? {
        bail!("a node runs with the data directory {}: stop it first", config.node.data_dir.display());
    }
    DataDir::lock(&config.node.data_dir)
}

async fn recover(config: &Config, secret: &Path, wait: Duration, alone: bool, output: Output) -> anyhow::Result<()> {
    let data_dir = lock(config).await?;
    let identity =
        Identity::load(secret).context("nothing to recover: 'meshstream ssb import FILE' takes an identity")?;
    let _host_lock = HostLock::take(identity.id())?;
    let place = Place::beside(secret, Machine::this());
    let found = look(config, &data_dir, &identity, Patience { quiet: QUIET.min(wait), at_most: wait }, output).await?;
    if found.length().0 == 0 && !alone {
        bail!(
            "{} of {} peers answered, and none has anything of this node's feed: connect it to nodes that know it and try \
             again; if no other copy of this node has ever announced anything, add --alone",
            found.answered,
            found.asked
        );
    }
    let recovered = recovery::apply(&feed_database(data_dir.path()), identity.id(), &place, &found).await?;
    if found.length().0 == 0 {
        place.settle()?;
    }
    if output.json { print_json(&found, &recovered) } else { print_recovered(&found, &recovered) }
}

/// Asks everybody whom the node would find.
async fn look(
    config: &Config,
    data_dir: &DataDir,
    identity: &Identity,
    patience: Patience,
    output: Output,
) -> anyhow::Result<Found> {
    let (offers, found) = recovery::offers();
    parts::ssb_peers(config)?.iter().for_each(|peer| offers.offer_configured(peer));
    let community = Community::load(data_dir.path())?;
    let network = community.network_key();
    let router = node::find_peers(config, &community, data_dir, identity.id(), Arc::new(offers.clone())).await?;
    let stop = CancellationToken::new();
    let lan = parts::lan_discovery(config, &community)
        .map(|lan| hear(lan, identity.clone(), network.clone(), offers, stop.clone()));
    let looked = recovery::look(network, identity.clone(), found, patience, |answer| {
        if !output.json {
            // What cannot be printed is no reason to stop looking.
            let _not_printed = print_answer(answer);
        }
    });
    let looked = looked.await;
    stop.cancel();
    if let Some(lan) = lan {
        let _panicked = lan.await;
    }
    router.shutdown().await;
    Ok(looked?)
}

fn hear(
    lan: ssb_announcer::discovery::Config,
    identity: Identity,
    network: NetworkKey,
    offers: Offers,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = recovery::hear(lan, identity, network, offers, stop).await {
            tracing::warn!(%error, "cannot look for peers on the LAN");
        }
    })
}

fn print_answer(answer: &Answer) -> anyhow::Result<()> {
    print(|out| match &answer.error {
        None => writeln!(out, "{} has {} messages of this node's feed.", answer.peer, answer.gave),
        Some(error) => writeln!(out, "{} gave {} messages, then: {error}", answer.peer, answer.gave),
    })
}

fn print_recovered(found: &Found, recovered: &Recovered) -> anyhow::Result<()> {
    print(|out| {
        let (asked, answered, agreeing) = (found.asked, found.answered, found.agreeing());
        writeln!(out, "Asked {asked} peers, {answered} answered: {agreeing} agree on {} messages.", found.length())?;
        if found.differing() > 0 {
            writeln!(
                out,
                "{} have another branch: the feed is forked among them, and the longest branch was taken.",
                found.differing()
            )?;
        }
        writeln!(out, "Recovered {} messages; the feed has {} now.", recovered.taken, recovered.after)?;
        if let Some((path, count)) = &recovered.aside {
            writeln!(
                out,
                "{count} messages of this node contradict what its peers have. They are in {}.",
                path.display()
            )?;
        }
        writeln!(out, "'meshstream run' announces again. Make sure that no other node runs with this identity.")
    })
}

fn print_json(found: &Found, recovered: &Recovered) -> anyhow::Result<()> {
    show::print_json(&json!({
        "asked": found.asked,
        "answered": found.answered,
        "agreeing": found.agreeing(),
        "differing": found.differing(),
        "before": recovered.before,
        "recovered": recovered.taken,
        "messages": recovered.after,
        "set_aside": recovered.aside.as_ref().map(|(path, count)| json!({ "file": path, "messages": count })),
    }))
}
