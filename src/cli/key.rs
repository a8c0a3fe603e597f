//! `meshstream key`: stream keys, through the running node or, where none runs, in its files.

use std::net::SocketAddr;

use clap::Subcommand;
use stream_model::{NewStreamKey, NodeReport, StreamKeyEntry, StreamKeys as _, StreamName};
use streamer::keys::KeyStore;

use super::Output;
use super::show::{print_json, when};
use crate::config::Config;
use crate::control::{Client, Connection};
use crate::data_dir::{DataDir, streamer_database};
use crate::output::print;

/// Stands for a port that the system gives at each start.
const ANY_PORT: &str = "PORT";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key for a stream name; it is shown this once
    Add {
        /// The name in rtmp://NODE:1935/live/NAME?key=KEY
        name: StreamName,
        /// Keep nothing of what is published with it once it is over, whatever archive.keep says
        #[arg(long)]
        no_archive: bool,
        #[command(flatten)]
        output: Output,
    },
    /// List the stream names that have a key
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Remove a stream name's key and disconnect who publishes with it
    Revoke {
        /// The stream name
        name: StreamName,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let keys = Keys::open(config).await?;
    match command {
        Command::Add { name, no_archive, output } => {
            let key = keys.add(name, no_archive.then_some(false)).await?;
            if output.json { print_json(&key) } else { print_key(&keys.rtmp_port(config).await?, &key) }
        }
        Command::List { output } => {
            let entries = keys.list().await?;
            if output.json { print_json(&entries) } else { print_list(&entries) }
        }
        Command::Revoke { name, output } => {
            keys.revoke(name.clone()).await?;
            if output.json { print_json(&serde_json::json!({ "revoked": name })) } else { print_revoked(&name) }
        }
    }
}

/// The running node, or the files of one that does not run.
enum Keys {
    Node(Client),
    Files(KeyStore, #[expect(dead_code, reason = "holds the lock")] DataDir),
}

impl Keys {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        match Client::connect(&config.node.data_dir).await? {
            Connection::Running(client) => Ok(Self::Node(client)),
            Connection::NotRunning => {
                let data_dir = DataDir::lock(&config.node.data_dir)?;
                Ok(Self::Files(KeyStore::open(&streamer_database(data_dir.path()))?, data_dir))
            }
        }
    }

    async fn add(&self, name: StreamName, archive: Option<bool>) -> anyhow::Result<NewStreamKey> {
        match self {
            Self::Node(client) => {
                let wanted = serde_json::json!({ "name": name, "archive": archive });
                client.post("/control/keys", &wanted).await
            }
            Self::Files(store, _) => {
                let key = store.add(name.clone()).await?;
                store.set_archive(name, archive).await?;
                Ok(key)
            }
        }
    }

    /// Where to publish: the port of the running node, or the configured one.
    async fn rtmp_port(&self, config: &Config) -> anyhow::Result<String> {
        let configured = config.ingest.listen.port();
        let port = match self {
            Self::Files(..) => configured,
            Self::Node(client) => {
                let report: NodeReport = client.get("/api/v1/node").await?;
                let listen = report.listen.rtmp.first().and_then(|address| address.parse::<SocketAddr>().ok());
                listen.map_or(configured, |listen| listen.port())
            }
        };
        Ok(if port == 0 { ANY_PORT.to_owned() } else { port.to_string() })
    }

    async fn list(&self) -> anyhow::Result<Vec<StreamKeyEntry>> {
        match self {
            Self::Node(client) => client.get("/control/keys").await,
            Self::Files(store, _) => Ok(store.list().await?),
        }
    }

    async fn revoke(&self, name: StreamName) -> anyhow::Result<()> {
        match self {
            Self::Node(client) => client.delete(&format!("/control/keys/{name}")).await,
            Self::Files(store, _) => Ok(store.revoke(name).await?),
        }
    }
}

fn print_key(port: &str, key: &NewStreamKey) -> anyhow::Result<()> {
    let (name, key) = (&key.name, key.key.expose());
    let said_at_start = if port == ANY_PORT { ", PORT the one that 'meshstream run' prints" } else { "" };
    print(|out| {
        writeln!(out, "The key for {name}, shown only now:")?;
        writeln!(out)?;
        writeln!(out, "  {key}")?;
        writeln!(out)?;
        writeln!(out, "OBS:    server rtmp://NODE:{port}/live, stream key {name}?key={key}")?;
        writeln!(out, "ffmpeg: -f flv 'rtmp://NODE:{port}/live/{name}?key={key}'")?;
        writeln!(out)?;
        writeln!(
            out,
            "NODE is this node's address{}. 'meshstream key revoke {name}' takes the key back.",
            said_at_start
        )
    })
}

fn print_list(entries: &[StreamKeyEntry]) -> anyhow::Result<()> {
    print(|out| {
        if entries.is_empty() {
            writeln!(out, "No stream keys yet. Make one with 'meshstream key add NAME'.")?;
        }
        entries.iter().try_for_each(|entry| {
            let kept = if entry.archive == Some(false) { "\tnot archived" } else { "" };
            writeln!(out, "{}\tmade {}{kept}", entry.name, when(entry.created_at))
        })
    })
}

fn print_revoked(name: &StreamName) -> anyhow::Result<()> {
    print(|out| {
        writeln!(out, "The key for {name} no longer lets anyone in. 'meshstream key add {name}' makes a new one.")
    })
}
