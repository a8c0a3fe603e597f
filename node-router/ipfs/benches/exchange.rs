//! How long does a file take from one node to another on this machine: with our exchange, with rust-ipfs's own Bitswap,
//! and between two Kubos? Each in turn in one run, over the same DAGs as far as their defaults allow.
//!
//! From the moment when the second node, connected, is told of the CID until it has stored all of the file.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use cid::Cid;
use futures::TryStreamExt as _;
use node_router_ipfs::{Config, EmbeddedNode, Multiaddr, UploadLimits};
use rand::RngCore as _;
use rust_ipfs::builder::DefaultIpfsBuilder;
use rust_ipfs::unixfs::ll::file::adder::FileAdder;
use rust_ipfs::{Block, Ipfs};
use testkit::kubo::Kubo;

/// Sizes of files, bytes, and how often each is sent by each pair.
const FILES: [(usize, usize); 2] = [(5_000_000, 9), (100_000_000, 5)];
/// The codec of leaves.
const RAW: u64 = 0x55;
/// A guard against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<()> {
    let home = tempfile::tempdir()?;
    let (mut ours, mut rust, mut kubos) =
        (Ours::start(home.path()).await?, Rust::start(home.path()).await?, Kubos::start(home.path()).await?);
    for (size, rounds) in FILES {
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            let mut file = vec![0; size];
            rand::thread_rng().fill_bytes(&mut file);
            let file = Bytes::from(file);
            times[0].push(tokio::time::timeout(GUARD, ours.send(&file)).await??);
            times[1].push(tokio::time::timeout(GUARD, rust.send(&file)).await??);
            times[2].push(tokio::time::timeout(GUARD, kubos.send(&file)).await??);
        }
        let medians = times.map(|mut times| {
            times.sort();
            times[times.len() / 2].as_secs_f64()
        });
        for (name, median) in ["our exchange", "rust-ipfs's own Bitswap", "Kubo"].into_iter().zip(medians) {
            row(
                &format!("{} MB between two nodes: {name} (median of {rounds})", size / 1_000_000),
                &format!("{:.0} ms, {:.2} of ours", median * 1e3, median / medians[0]),
            );
        }
    }
    Ok(())
}

/// Two embedded nodes.
struct Ours {
    nodes: [EmbeddedNode; 2],
}

impl Ours {
    async fn start(home: &Path) -> Result<Self> {
        let start = |name: &str| {
            EmbeddedNode::start(Config {
                repo: home.join(name).join("ipfs"),
                key_file: home.join(name).join("libp2p.key"),
                listen: vec![loopback()],
                upload: UploadLimits::default(),
                devices: Vec::new(),
                swarm_key: None,
            })
        };
        let nodes = [start("a").await?, start("b").await?];
        nodes[1].dial(nodes[0].peer_id(), nodes[0].listening()).await?;
        Ok(Self { nodes })
    }

    async fn send(&mut self, file: &Bytes) -> Result<Duration> {
        let [from, to] = &self.nodes;
        let (root, blocks) = dag(file);
        for (cid, data) in blocks {
            from.put(cid, data).await?;
        }
        let since = Instant::now();
        let session = to.exchange().session(&[from.peer_id()]);
        let mut wanted = vec![root];
        let mut stored = Vec::new();
        while !wanted.is_empty() {
            let mut coming = session.wants(std::mem::take(&mut wanted));
            while let Some(block) = coming.try_next().await? {
                if block.cid.codec() != RAW {
                    Block::new_unchecked(block.cid, block.data.clone()).references(&mut wanted)?;
                }
                let to = to.clone();
                stored.push(tokio::spawn(async move { to.put(block.cid, block.data).await }));
            }
        }
        for put in stored {
            put.await??;
        }
        Ok(since.elapsed())
    }
}

/// The DAG that rust-ipfs makes of a file: its root and its blocks.
fn dag(file: &[u8]) -> (Cid, Vec<(Cid, Bytes)>) {
    let mut adder = FileAdder::builder().with_cid_version(cid::Version::V1).build();
    let mut blocks = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let (ready, consumed) = adder.push(rest);
        blocks.extend(ready.map(|(cid, data)| (cid, Bytes::from(data))));
        rest = &rest[consumed..];
    }
    blocks.extend(adder.finish().map(|(cid, data)| (cid, Bytes::from(data))));
    let root = blocks.last().expect("a file has a root").0;
    (root, blocks)
}

/// Two nodes of rust-ipfs as it is.
struct Rust {
    nodes: [Ipfs; 2],
}

impl Rust {
    async fn start(home: &Path) -> Result<Self> {
        let start = |name: &str| {
            DefaultIpfsBuilder::new()
                .with_bitswap()
                .with_identify(Default::default())
                .with_ping(Default::default())
                .enable_tcp()
                .set_path(home.join(name))
                .add_listening_addr(loopback())
                .start()
        };
        let nodes = [start("rust-a").await?, start("rust-b").await?];
        let peer = nodes[0].keypair().public().to_peer_id();
        let address = nodes[0].listening_addresses().await?.into_iter().next().context("it does not listen")?;
        nodes[1].connect(address.with_p2p(peer).ok().context("no address")?).await?;
        Ok(Self { nodes })
    }

    async fn send(&mut self, file: &Bytes) -> Result<Duration> {
        let [from, to] = &self.nodes;
        let added = from.add_unixfs(file.clone()).await?;
        let since = Instant::now();
        let came: Vec<Bytes> = to.cat_unixfs(added).try_collect().await?;
        let time = since.elapsed();
        ensure!(came.iter().map(Bytes::len).sum::<usize>() == file.len(), "it is not all there");
        Ok(time)
    }
}

/// Two Kubos, in processes of their own.
struct Kubos {
    nodes: [Kubo; 2],
    file: std::path::PathBuf,
    sent: usize,
}

impl Kubos {
    async fn start(home: &Path) -> Result<Self> {
        let mut nodes = [Kubo::start(None).await?, Kubo::start(None).await?];
        let address = nodes[0].multiaddr().to_owned();
        nodes[1].connect(&address).await?;
        Ok(Self { nodes, file: home.join("file"), sent: 0 })
    }

    async fn send(&mut self, file: &Bytes) -> Result<Duration> {
        std::fs::write(&self.file, file)?;
        let cid = self.nodes[0].add(&self.file).await?;
        self.sent += 1;
        let into = self.file.with_extension(self.sent.to_string());
        let since = Instant::now();
        self.nodes[1].get(&cid, &into).await?;
        let time = since.elapsed();
        ensure!(std::fs::metadata(&into)?.len() == file.len() as u64, "it is not all there");
        std::fs::remove_file(into)?;
        Ok(time)
    }
}

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr")
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}
