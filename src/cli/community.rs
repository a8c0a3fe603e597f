//! `meshstream community`: which community this node is in, in its files. A running node goes on in the one that it
//! was started in.

use std::io::{self, Read as _};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use node_router::community::{Secret, swarm_key_file};
use serde_json::json;

use super::{Output, show};
use crate::community::{Community, remove, store};
use crate::config::Config;
use crate::control::{Client, Connection};
use crate::data_dir::{DataDir, give_to_owner};
use crate::failure::Failure;
use crate::output::{self, print};

/// Stands for an invite that is read from standard input.
const STANDARD_INPUT: &str = "-";

/// What is read of standard input: far more than an invite has.
const MAX_INPUT: u64 = 4_096;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a private community and print the invite that lets other nodes in
    New {
        /// Forget the private community that this node is in
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Join a private community
    Join {
        /// What 'community new' printed; '-' reads it from standard input, since others on this machine see arguments
        invite: String,
        /// Forget the private community that this node is in
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Print the community's keys for Kubo and SSB tools; they are as secret as the invite
    Show {
        /// Print the invite instead, for further nodes
        #[arg(long)]
        invite: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Go back to the open community
    Leave {
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::New { replace, output } => {
            let secret = Secret::generate();
            let (change, invite) = (enter(config, &secret, replace).await?, secret.invite());
            change.print(output, &Community::Private(secret), Some(invite))?;
        }
        Command::Join { invite, replace, output } => {
            let secret = read_invite(invite).map_err(Failure::Usage)?;
            enter(config, &secret, replace).await?.print(output, &Community::Private(secret), None)?;
        }
        Command::Show { invite, output } => show_keys(&Community::load(&config.node.data_dir)?, invite, output)?,
        Command::Leave { output } => leave(config, output).await?,
    }
    Ok(())
}

/// Joins as part of a setup: whoever is in the community already stays in it. Says when that takes effect.
///
/// # Errors
/// As [`run`].
pub(super) async fn join(config: &Config, secret: &Secret) -> anyhow::Result<&'static str> {
    Ok(enter(config, secret, false).await?.when())
}

pub(super) fn read_invite(argument: String) -> anyhow::Result<Secret> {
    let mut text = argument;
    if text == STANDARD_INPUT {
        text.clear();
        io::stdin().take(MAX_INPUT).read_to_string(&mut text).context("cannot read an invite from standard input")?;
    }
    Ok(text.parse()?)
}

/// What the change of a community has met.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// A node runs, and has not noticed.
    running: bool,
    /// The data directory may hold what is of another private community.
    replaced: bool,
}

/// A place for changes: none is made while another program makes some.
struct Files {
    running: bool,
    _lock: Option<DataDir>,
}

impl Files {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        let data_dir = &config.node.data_dir;
        match Client::connect(data_dir).await? {
            // It holds the lock, and reads the file at its start only.
            Connection::Running(_) => Ok(Self { running: true, _lock: None }),
            Connection::NotRunning => Ok(Self { running: false, _lock: Some(DataDir::lock_as_is(data_dir)?) }),
        }
    }
}

async fn enter(config: &Config, secret: &Secret, replace: bool) -> anyhow::Result<Change> {
    let files = Files::open(config).await?;
    let before = Community::load(&config.node.data_dir);
    let same = before.as_ref().is_ok_and(|before| *before == Community::Private(secret.clone()));
    if !same {
        store(&config.node.data_dir, secret, replace)?;
        give_to_owner(&config.node.data_dir)?;
    }
    let replaced = !same && !matches!(before, Ok(Community::Open));
    Ok(Change { running: files.running, replaced })
}

impl Change {
    /// Tells of it, and the invite where it is new.
    fn print(self, output: Output, community: &Community, invite: Option<String>) -> anyhow::Result<()> {
        let name = community.name();
        if output.json {
            let mut document = json!({ "community": name, "restart": self.running });
            if let Some(invite) = invite {
                document["invite"] = invite.into();
            }
            return show::print_json(&document);
        }
        print(|out| {
            writeln!(out, "This node is of {}, {}.", output::community(&name), self.when())?;
            if let Some(invite) = invite {
                writeln!(out)?;
                writeln!(out, "  {invite}")?;
                writeln!(out)?;
                writeln!(
                    out,
                    "lets other nodes in: 'meshstream community join -' reads it. Give it to those alone who may see"
                )?;
                writeln!(out, "all that is said in this community: it cannot be taken back.")?;
            }
            if self.replaced {
                writeln!(out, "{STORED}")?;
            }
            Ok(())
        })
    }

    fn when(self) -> &'static str {
        if self.running { "once the node that runs here is restarted" } else { "from its next start on" }
    }
}

/// What a change of community cannot change.
const STORED: &str = "What it said and stored in the private community it leaves may reach the nodes that it meets now: where \
    that must not be, start with another --data-dir.";

async fn leave(config: &Config, output: Output) -> anyhow::Result<()> {
    let files = Files::open(config).await?;
    let replaced = remove(&config.node.data_dir)?;
    Change { running: files.running, replaced }.print(output, &Community::Open, None)
}

fn show_keys(community: &Community, invite: bool, output: Output) -> anyhow::Result<()> {
    let shs = community.network_key().to_base64();
    let secret = match community {
        Community::Open => None,
        Community::Private(secret) => Some(secret),
    };
    let invite_text = if invite {
        let secret =
            secret.ok_or_else(|| anyhow!("the open community needs no invite: nodes find it by themselves"))?;
        Some(secret.invite())
    } else {
        None
    };
    if output.json {
        let mut document = json!({
            "community": community.name(),
            "ssb": { "caps": { "shs": shs } },
            "ipfs": { "swarm_key": secret.map(swarm_key_file) },
        });
        if let Some(invite) = invite_text {
            document["invite"] = invite.into();
        }
        return show::print_json(&document);
    }
    print(|out| {
        if let Some(invite) = invite_text {
            return writeln!(out, "{invite}");
        }
        writeln!(out, "The keys of {}.", output::community(&community.name()))?;
        writeln!(out)?;
        writeln!(out, "SSB programs, caps.shs:")?;
        writeln!(out, "{shs}")?;
        writeln!(out)?;
        match secret {
            None => writeln!(out, "Kubo needs no swarm.key."),
            Some(secret) => {
                writeln!(out, "Kubo, the file swarm.key in its repository:")?;
                write!(out, "{}", swarm_key_file(secret))
            }
        }
    })
}
