//! A real JavaScript server of Secure Scuttlebutt, through `tests/js/ssb-peer/peer.js`.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::{JsonChild, repository};
use crate::netns::Namespace;

/// A server with ssb-db2, which announces itself on its LAN and replicates whom it is told to follow.
#[derive(Debug)]
pub struct SsbPeer {
    driver: JsonChild,
    feed: String,
    next: u64,
    _home: TempDir,
}

impl SsbPeer {
    /// Starts it in a namespace, at an address there, with the network key of its community, base64.
    ///
    /// # Errors
    /// Where it is not installed.
    pub async fn start(namespace: &Namespace, address: Ipv4Addr, network_key: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let folder = repository().join("tests/js");
        let mut command = namespace.command("node");
        command
            .arg(folder.join("ssb-peer/peer.js"))
            .arg(home.path())
            .arg(network_key)
            .arg(json!({ "host": address, "lan": true }).to_string());
        let mut driver = JsonChild::spawn("the JavaScript peer", command, &folder.join("node_modules/ssb-lan"))?;
        let started = |line: &Value| (line["event"] == "ready").then(|| line["feed"].as_str().map(str::to_owned));
        let feed = driver.find("its start", started).await?.context("no feed")?;
        Ok(Self { driver, feed, next: 0, _home: home })
    }

    /// Its identity.
    pub fn feed(&self) -> &str {
        &self.feed
    }

    /// Waits until a node is connected.
    ///
    /// # Errors
    /// Where none comes.
    pub async fn connected(&mut self, feed: &str) -> Result<()> {
        let connected = |line: &Value| (line["event"] == "connected" && line["feed"] == feed).then_some(());
        self.driver.find("a connection", connected).await
    }

    /// Dials `net:HOST:PORT~shs:KEY`.
    ///
    /// # Errors
    /// Where it cannot.
    pub async fn connect(&mut self, address: &str) -> Result<()> {
        self.ask("connect", json!({ "address": address })).await.map(drop)
    }

    /// Replicates a feed from now on.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn follow(&mut self, feed: &str) -> Result<()> {
        self.ask("follow", json!({ "feed": feed })).await.map(drop)
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn publish(&mut self, content: Value) -> Result<()> {
        self.ask("publish", json!({ "content": content })).await.map(drop)
    }

    /// Waits for a message of a feed with this `type`, and returns its content.
    ///
    /// # Errors
    /// Where none comes.
    pub async fn message(&mut self, feed: &str, kind: &str) -> Result<Value> {
        let wanted = |line: &Value| {
            let fits = line["event"] == "message" && line["feed"] == feed && line["content"]["type"] == kind;
            fits.then(|| line["content"].clone())
        };
        self.driver.find(kind, wanted).await
    }

    async fn ask(&mut self, what: &str, mut request: Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        request["id"] = json!(id);
        request["do"] = json!(what);
        self.driver.send(&request.to_string()).await?;
        let answer = self.driver.find(what, |line| (line["id"] == id).then(|| line.clone())).await?;
        match answer["error"].as_str() {
            Some(error) => bail!("{what}: {error}"),
            None => Ok(answer["result"].clone()),
        }
    }
}
