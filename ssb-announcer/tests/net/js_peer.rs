//! A real JavaScript peer as a process, driven by lines of JSON.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use stream_model::{FeedId, SsbPeer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::node::{Node, PATIENCE, network};

/// A process with the JavaScript peer; ended with it.
pub(crate) struct JavaScriptPeer {
    pub(crate) feed: FeedId,
    port: u16,
    host: IpAddr,
    requests: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Events that were read while waiting for others.
    seen: Vec<Value>,
    last_id: u64,
    process: Child,
    directory: tempfile::TempDir,
}

impl JavaScriptPeer {
    pub(crate) async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// Starts one with options of `peer.js`.
    pub(crate) async fn start_with(options: Value) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), options).await
    }

    async fn start_in(directory: tempfile::TempDir, options: Value) -> Self {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/js");
        assert!(folder.join("node_modules").exists(), "{} is not installed: run 'make test-deps'", folder.display());
        let mut process = Command::new("node")
            .arg(folder.join("ssb-peer/peer.js"))
            .arg(directory.path())
            .arg(network().to_base64())
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let host = options["host"].as_str().unwrap_or("::1").parse().unwrap();
        let mut peer = Self {
            feed: FeedId([0; 32]),
            port: 0,
            host,
            requests,
            lines,
            seen: Vec::new(),
            last_id: 0,
            process,
            directory,
        };
        let ready = peer.event(|event| event["event"] == "ready").await;
        peer.feed = ready["feed"].as_str().unwrap().parse().unwrap();
        peer.port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
        peer
    }

    /// Kills it, and starts it again with what it has stored. It writes its own log some time after it has sent it out;
    /// were it killed before, it would fork its feed.
    pub(crate) async fn restart(mut self, options: Value) -> Self {
        self.ask("flush", json!({})).await.unwrap();
        self.process.kill().await.unwrap();
        Self::start_in(self.directory, options).await
    }

    /// The first line, seen or to come, that fits.
    pub(crate) async fn event(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.seen.iter().position(&fits) {
            return self.seen.remove(at);
        }
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the JavaScript peer ended");
                // Libraries print warnings among the events.
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                if fits(&event) {
                    return event;
                }
                self.seen.push(event);
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(event) => event,
            Err(_) => {
                let last: Vec<String> = self.seen.iter().rev().take(8).rev().map(Value::to_string).collect();
                panic!("no such event; the last of {}:\n{}", self.seen.len(), last.join("\n"))
            }
        }
    }

    pub(crate) async fn ask(&mut self, what: &str, mut options: Value) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        options["id"] = json!(id);
        options["do"] = json!(what);
        self.requests.write_all(format!("{options}\n").as_bytes()).await.unwrap();
        let answer = self.event(|event| event["id"] == id).await;
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Calls a method of a node that is connected.
    pub(crate) async fn call(&mut self, node: &Node, name: Value, options: Value) -> Result<Value, String> {
        let mut request = json!({ "feed": node.id(), "name": name });
        request.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        self.ask("call", request).await
    }

    pub(crate) async fn publish(&mut self, content: Value) -> u64 {
        let published = self.ask("publish", json!({ "content": content })).await.unwrap();
        published["sequence"].as_u64().unwrap()
    }

    pub(crate) async fn follow(&mut self, feed: FeedId) -> u64 {
        self.publish(json!({ "type": "contact", "contact": feed, "following": true })).await
    }

    pub(crate) async fn connect(&mut self, node: &Node) {
        self.connect_at(node, node.gossip.local_address()).await;
    }

    /// Dials a node at an address that leads to it.
    pub(crate) async fn connect_at(&mut self, node: &Node, address: SocketAddr) {
        let key = node.id().to_string().replace(['@'], "").replace(".ed25519", "");
        let address = format!("net:{}:{}~shs:{key}", address.ip(), address.port());
        self.ask("connect", json!({ "address": address })).await.unwrap();
    }

    pub(crate) async fn receives(&mut self, feed: FeedId, sequence: u64) -> Value {
        self.event(|e| e["event"] == "message" && e["feed"] == json!(feed) && e["sequence"] == sequence).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    pub(crate) fn as_peer(&self) -> SsbPeer {
        SsbPeer { feed: self.feed, addresses: vec![self.address()] }
    }
}
