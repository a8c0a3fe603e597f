//! A real Kubo node, through `tests/kubo/kubo_node.py`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::child::{JsonChild, repository};

/// A Kubo that listens on loopback and knows nobody.
#[derive(Debug)]
pub struct Kubo {
    driver: JsonChild,
    multiaddr: String,
    next: u64,
    _home: TempDir,
}

impl Kubo {
    /// Starts it with a fresh repository, and in a private network with the 64 hexadecimal digits of a swarm key.
    ///
    /// # Errors
    /// Where it is not installed.
    pub async fn start(swarm_key: Option<&str>) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let python = repository().join(".tools/kubo/bin/python");
        let mut command = Command::new(&python);
        command
            .arg(repository().join("tests/kubo/kubo_node.py"))
            .arg(home.path().join("repo"))
            .arg("/ip4/127.0.0.1/tcp/0")
            .args(swarm_key);
        let mut driver = JsonChild::spawn("Kubo", command, &python)?;
        let multiaddr = driver
            .until("its start", |line| {
                Some(format!("{}/p2p/{}", line["addresses"][0].as_str()?, line["peer"].as_str()?))
            })
            .await?;
        Ok(Self { driver, multiaddr, next: 0, _home: home })
    }

    /// Where it listens, with its identity, as other IPFS nodes dial it.
    pub fn multiaddr(&self) -> &str {
        &self.multiaddr
    }

    /// Adds a file and returns its CID.
    ///
    /// # Errors
    /// Where it cannot.
    pub async fn add(&mut self, file: &Path) -> Result<String> {
        let cid = self.ask("add", &[file.to_str().unwrap_or_default()]).await?;
        Ok(cid.as_str().context("no CID")?.to_owned())
    }

    /// Connects to another node's multiaddr, which ends in `/p2p/PEER`.
    ///
    /// # Errors
    /// Where it cannot.
    pub async fn connect(&mut self, multiaddr: &str) -> Result<()> {
        self.ask("connect", &[multiaddr]).await.map(drop)
    }

    /// Fetches a CID, or a path below it, into a file or a folder.
    ///
    /// # Errors
    /// Where it cannot.
    pub async fn get(&mut self, path: &str, into: &Path) -> Result<()> {
        let into = into.to_str().unwrap_or_default();
        self.ask("get", &[path, into]).await.map(drop)
    }

    /// Puts the blocks of a CAR file into its block store.
    ///
    /// # Errors
    /// Where the file is none, or a block of it is not the one that its CID names.
    pub async fn import(&mut self, car: &Path) -> Result<u64> {
        let blocks = self.ask("import", &[car.to_str().unwrap_or_default()]).await?;
        blocks.as_u64().context("Kubo tells no number of blocks")
    }

    async fn ask(&mut self, command: &str, arguments: &[&str]) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        let request = json!({ "id": id, "command": command, "arguments": arguments });
        self.driver.send(&request.to_string()).await?;
        let answer = self.driver.until(command, |line| (line["id"] == id).then(|| line.clone())).await?;
        match answer["error"].as_str() {
            Some(error) => bail!("{command} {arguments:?}: {error}"),
            None => Ok(answer["result"].clone()),
        }
    }
}
