//! How fast is content written to a CAR file, and stored from one: verified, synced, committed?

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures::stream::{self, StreamExt as _};
use node_router::{Config, NodeRouter, UploadLimits};
use stream_model::{BroadcastId, CarVersion, Claim, DirectoryEntry, MediaSequence, MessageKey};
use tokio::runtime::Runtime;

const SEGMENTS: u64 = 12;
const PARTS: usize = 15;
const PART: usize = 5_000_000 / PARTS;
/// As a body of a request comes.
const PIECE: usize = 256 << 10;

fn start(runtime: &Runtime, folder: &std::path::Path) -> NodeRouter {
    let config = Config {
        data_dir: folder.to_owned(),
        ipfs_listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        ipfs_devices: Vec::new(),
        quota: 10 << 30,
        max_files: 1 << 20,
        reserve: 0,
        upload: UploadLimits::default(),
        swarm_key: None,
    };
    runtime.block_on(NodeRouter::start(config)).expect("the router starts")
}

async fn publish(router: &NodeRouter) -> stream_model::Cid {
    let broadcast = BroadcastId(MessageKey([1; 32]));
    let store = router.store();
    let mut entries = Vec::new();
    for sequence in 0..SEGMENTS {
        let part = |n: usize| {
            let mut bytes = vec![n as u8; PART];
            bytes[..8].copy_from_slice(&sequence.to_be_bytes());
            Bytes::from(bytes)
        };
        let claim = Claim::Segment(broadcast, MediaSequence(sequence));
        let cid = store.add_file((0..PARTS).map(part).collect(), claim).await.expect("it is stored").cid;
        entries.push(DirectoryEntry { name: format!("{sequence}.m4s"), cid });
    }
    let claim = Claim::LiveManifest(broadcast, MediaSequence(0));
    store.add_directory(entries, claim).await.expect("it is stored").cid
}

async fn export(router: &NodeRouter, root: stream_model::Cid, version: CarVersion) -> Vec<u8> {
    let mut car = router.carrier().export(root, version).await.expect("it is held");
    let mut file = Vec::with_capacity(usize::try_from(car.total_bytes).expect("it fits into memory"));
    while let Some(piece) = car.bytes.next().await {
        file.extend_from_slice(&piece.expect("it is whole"));
    }
    file
}

async fn import(router: &NodeRouter, file: &Bytes) {
    let pieces = (0..file.len()).step_by(PIECE).map(|at| Ok(file.slice(at..file.len().min(at + PIECE))));
    let imported = router.carrier().import(stream::iter(pieces).boxed(), &Claim::Carried, &|_| ()).await;
    black_box(imported.expect("it is stored"));
}

fn carry(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (publisher, other) = (start(&runtime, here.path()), start(&runtime, there.path()));
    let root = runtime.block_on(publish(&publisher));
    let file = Bytes::from(runtime.block_on(export(&publisher, root, CarVersion::V1)));
    let mut group = criterion.benchmark_group("carry");
    group.throughput(Throughput::Bytes(file.len() as u64)).sample_size(10);
    for (name, version) in [("export 60 MB, CARv1", CarVersion::V1), ("export 60 MB, CARv2", CarVersion::V2)] {
        group.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(export(&publisher, root, version))));
    }
    group.bench_function("import 60 MB, durable", |bencher| {
        bencher.iter_batched(
            || runtime.block_on(other.store().release(Claim::Carried(root))).expect("it is released"),
            |()| runtime.block_on(import(&other, &file)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("import 60 MB that are here", |bencher| {
        bencher.iter(|| runtime.block_on(import(&other, &file)));
    });
    group.finish();
    runtime.block_on(publisher.shutdown());
    runtime.block_on(other.shutdown());
}

criterion_group!(benches, carry);
criterion_main!(benches);
