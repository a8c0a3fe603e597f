//! How long does it take until a segment of 5 MB is durable in the store: hashed, synced, committed?

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use node_router::{Config, NodeRouter, UploadLimits};
use stream_model::{BroadcastId, Claim, MediaSequence, MessageKey};

const PARTS: usize = 15;
const PART: usize = 5_000_000 / PARTS;

fn segment(seed: u64) -> Vec<Bytes> {
    let part = |n: usize| {
        let mut bytes = vec![n as u8; PART];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Bytes::from(bytes)
    };
    (0..PARTS).map(part).collect()
}

fn add_segment(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("there is a temporary directory");
    let config = Config {
        data_dir: folder.path().to_owned(),
        ipfs_listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        ipfs_devices: Vec::new(),
        quota: 10 << 30,
        max_files: 1 << 20,
        reserve: 0,
        upload: UploadLimits::default(),
        swarm_key: None,
    };
    let router = runtime.block_on(NodeRouter::start(config)).expect("the router starts");
    let store = router.store();
    let mut sequence = 0;
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Bytes((PARTS * PART) as u64)).sample_size(10);
    group.bench_function("add a segment of 5 MB, durable", |bencher| {
        bencher.iter_batched(
            || {
                sequence += 1;
                (segment(sequence), Claim::Segment(BroadcastId(MessageKey([1; 32])), MediaSequence(sequence)))
            },
            |(parts, claim)| runtime.block_on(store.add_file(black_box(parts), claim)).expect("it is stored"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    runtime.block_on(router.shutdown());
}

criterion_group!(benches, add_segment);
criterion_main!(benches);
