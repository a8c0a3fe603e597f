//! A real Kubo reads what a router publishes, and another router reads it from the Kubo.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::Bytes;
use cid::Cid;
use futures::TryStreamExt;
use node_router::{Config, NodeRouter, UploadLimits};
use node_router_ipfs::EmbeddedNode;
use serde_json::{Value, json};
use stream_model::{
    BroadcastId, Claim, DirectoryEntry, FetchRequest, MediaSequence, MessageKey, PeerId, StoredContent,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::{GUARD, guarded};

/// Kubo in a process of its own; it ends with its standard input.
struct Kubo {
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    peer: PeerId,
    addresses: Vec<String>,
    process: Child,
}

impl Kubo {
    async fn start(repo: &Path, swarm_key: Option<[u8; 32]>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = root.join(".tools/kubo/bin/python");
        assert!(python.exists(), "no Kubo in .tools/kubo: run `make test-deps`");
        let mut command = Command::new(python);
        command.arg(root.join("tests/kubo/kubo_node.py")).arg(repo).arg("/ip4/127.0.0.1/tcp/0");
        command.args(swarm_key.map(|key| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let hello: Value = serde_json::from_str(&answers.next_line().await.unwrap().expect("Kubo starts")).unwrap();
        let peer = hello["peer"].as_str().unwrap().parse().unwrap();
        let addresses = hello["addresses"].as_array().unwrap().iter();
        let addresses = addresses.map(|address| address.as_str().unwrap().to_owned()).collect();
        Self { requests: process.stdin.take().unwrap(), answers, peer, addresses, process }
    }

    async fn call(&mut self, command: &str, arguments: &[&str]) -> Value {
        let request = json!({"id": 1, "command": command, "arguments": arguments});
        self.requests.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let line = self.answers.next_line().await.unwrap().expect("Kubo answers");
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["error"], Value::Null, "{command} {arguments:?}");
        answer["result"].take()
    }

    async fn stop(mut self) {
        drop(self.requests);
        self.process.wait().await.unwrap();
    }
}

/// A publisher and a viewer that are not connected to each other, and a directory for everything.
struct World {
    publisher: NodeRouter,
    viewer: NodeRouter,
    home: tempfile::TempDir,
    swarm_key: Option<[u8; 32]>,
}

impl World {
    async fn new(swarm_key: Option<[u8; 32]>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let start = |name: &str| {
            NodeRouter::start(Config {
                data_dir: home.path().join(name),
                ipfs_listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
                ipfs_devices: Vec::new(),
                quota: 1 << 30,
                max_files: 1 << 20,
                reserve: 0,
                upload: UploadLimits::default(),
                swarm_key,
            })
        };
        let (publisher, viewer) = (start("publisher").await.unwrap(), start("viewer").await.unwrap());
        Self { publisher, viewer, home, swarm_key }
    }

    /// Kubo, connected to both; the same one each time.
    async fn kubo(&self) -> Kubo {
        let mut kubo = Kubo::start(&self.home.path().join("kubo"), self.swarm_key).await;
        for router in [&self.publisher, &self.viewer] {
            let address = format!("{}/p2p/{}", router.listening()[0], router.peer());
            kubo.call("connect", &[&address]).await;
        }
        kubo
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A live manifest with two segments and what they need, different for each seed.
    async fn publish(&self, seed: u8) -> Manifest {
        let broadcast = BroadcastId(MessageKey([seed; 32]));
        let at = |n: u64| MediaSequence(n);
        let store = self.publisher.store();
        let playlist = format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{seed}\n").into_bytes();
        let files = vec![
            ("index.m3u8", vec![Bytes::from(playlist)], Claim::Init(broadcast, at(9))),
            ("init-0.mp4", vec![Bytes::from(vec![seed; 900])], Claim::Init(broadcast, at(0))),
            ("7.m4s", segment(seed), Claim::Segment(broadcast, at(7))),
            ("8.m4s", segment(seed ^ 0x80), Claim::Segment(broadcast, at(8))),
        ];
        let (mut entries, mut contents) = (Vec::new(), Vec::new());
        for (name, parts, claim) in files {
            let data = parts.concat();
            let cid = store.add_file(parts, claim).await.unwrap().cid;
            entries.push(DirectoryEntry { name: name.into(), cid });
            contents.push((name, cid, data));
        }
        let directory = store.add_directory(entries, Claim::LiveManifest(broadcast, at(8))).await.unwrap();
        Manifest { directory, contents }
    }

    /// Fetches a manifest from Kubo alone, and reads a file of it.
    async fn fetch(&self, manifest: &Manifest, from: &Kubo, seed: u8) {
        let request = FetchRequest {
            root: manifest.directory.cid,
            claim: Claim::LiveManifest(BroadcastId(MessageKey([seed; 32])), MediaSequence(8)),
            providers: vec![from.peer.clone()],
            timeout: GUARD,
            max_bytes: 64 << 20,
        };
        let stored = self.viewer.fetcher().fetch(request).await.unwrap();
        assert_eq!(stored, manifest.directory);
        for (name, cid, data) in &manifest.contents {
            let chunks: Vec<Bytes> =
                self.viewer.reader().read(cid, 0..u64::MAX).await.unwrap().try_collect().await.unwrap();
            assert!(chunks.concat() == *data, "{name} has the same bytes");
        }
    }

    async fn shutdown(self) {
        self.publisher.shutdown().await;
        self.viewer.shutdown().await;
    }
}

struct Manifest {
    directory: StoredContent,
    contents: Vec<(&'static str, Cid, Vec<u8>)>,
}

/// Parts of different sizes: leaves of different sizes, one part of several leaves, small ones that share a leaf.
fn segment(seed: u8) -> Vec<Bytes> {
    let sizes = [300_000, 450_000, 1_500_000, 1_000, 2_000, 64_000, 333_333];
    sizes.iter().enumerate().map(|(n, size)| (0..*size).map(|at| (at as u8) ^ seed ^ n as u8).collect()).collect()
}

async fn content_passes_both_ways(world: &World, kubo: &mut Kubo, seed: u8) {
    let manifest = world.publish(seed).await;
    let out = world.path(&format!("manifest-{seed}"));
    kubo.call("get", &[&manifest.directory.cid.to_string(), out.to_str().unwrap()]).await;
    let names: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), manifest.contents.len(), "{names:?}");
    for (name, _, data) in &manifest.contents {
        assert!(std::fs::read(out.join(name)).unwrap() == *data, "{name} has the same bytes");
    }

    // One file alone, by its CID, of content that Kubo has not got yet.
    let other = world.publish(seed + 1).await;
    let (_, cid, data) = &other.contents[2];
    let out = world.path(&format!("segment-{seed}"));
    kubo.call("get", &[&cid.to_string(), out.to_str().unwrap()]).await;
    assert!(std::fs::read(out).unwrap() == *data);

    world.fetch(&manifest, kubo, seed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubo_reads_a_manifest_and_passes_it_on_also_after_it_restarted() {
    guarded(async {
        let world = World::new(None).await;
        for seed in [10, 20] {
            let mut kubo = world.kubo().await;
            content_passes_both_ways(&world, &mut kubo, seed).await;
            kubo.stop().await;
        }
        world.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubo_with_the_communitys_swarm_key_reads_a_manifest_and_passes_it_on() {
    guarded(async {
        let world = World::new(Some([7; 32])).await;
        let mut kubo = world.kubo().await;
        content_passes_both_ways(&world, &mut kubo, 30).await;
        kubo.stop().await;
        world.shutdown().await;
    })
    .await;
}

/// Kubo adds files under CIDv0, whose leaves are no raw blocks.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_kubo_added_is_fetched_by_its_cid() {
    guarded(async {
        let home = tempfile::tempdir().unwrap();
        let node = EmbeddedNode::start(node_router_ipfs::Config {
            repo: home.path().join("ipfs"),
            key_file: home.path().join("libp2p.key"),
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            upload: UploadLimits::default(),
            devices: Vec::new(),
            swarm_key: None,
        });
        let node = node.await.unwrap();
        let mut kubo = Kubo::start(&home.path().join("kubo"), None).await;
        let peer = kubo.peer.to_string().parse().unwrap();
        node.dial(peer, kubo.addresses.iter().map(|address| address.parse().unwrap()).collect()).await.unwrap();
        for round in 0..3u8 {
            let file = home.path().join(format!("file-{round}"));
            let data = vec![b'a' + round; 200_000];
            std::fs::write(&file, &data).unwrap();
            let cid = kubo.call("add", &[file.to_str().unwrap()]).await;
            let cid: Cid = cid.as_str().unwrap().parse().unwrap();
            assert_eq!(cid.version(), cid::Version::V0);
            let block = node.exchange().session(&[peer]).want(cid).await.unwrap();
            assert!(block.data.windows(data.len()).any(|window| window == data), "the leaf holds the file");
        }
        kubo.stop().await;
        node.shutdown().await;
    })
    .await;
}
