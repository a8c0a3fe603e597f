//! What it costs to write the archive of a day: 5,760 segments of 15 s, in 24 hours.
//!
//! The playlists and entries are made here; storing them is `node-router`'s.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and tells sizes")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stream_model::{Cid, DiscontinuitySequence, MediaSegment, MediaSequence, WallTime};
use streamer::manifest::{Manifest, hour_manifest, nested_manifest};

const TARGET: Duration = Duration::from_secs(15);
const SEGMENTS: u64 = 5_760;
const SEGMENTS_OF_AN_HOUR: usize = 240;

fn day() -> Vec<MediaSegment> {
    let init = testkit::fakes::cid_of(b"init");
    let segment = |number: u64| MediaSegment {
        media_sequence: MediaSequence(number),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: TARGET,
        program_date_time: Some(WallTime(1_795_219_200_000 + number * 15_000)),
        independent: true,
        segment: testkit::fakes::cid_of(&number.to_be_bytes()),
        init,
    };
    (0..SEGMENTS).map(segment).collect()
}

fn write(day: &[MediaSegment]) -> Vec<Manifest> {
    let mut manifests: Vec<Manifest> =
        day.chunks(SEGMENTS_OF_AN_HOUR).map(|hour| hour_manifest(TARGET, hour)).collect();
    let folder = |hour: &[MediaSegment]| -> (MediaSequence, Cid) { (hour[0].media_sequence, hour[0].segment) };
    let folders: Vec<_> = day.chunks(SEGMENTS_OF_AN_HOUR).map(folder).collect();
    manifests.push(nested_manifest(TARGET, &folders, day));
    manifests
}

fn archive(criterion: &mut Criterion) {
    let day = day();
    let manifests = write(&day);
    let (of_day, of_hours) = manifests.split_last().unwrap();
    let entries: usize = of_hours.iter().map(|manifest| manifest.entries.len()).sum();
    println!(
        "playlists: {} bytes for the day, {} for an hour; {entries} entries of hours",
        of_day.index.len(),
        of_hours[0].index.len()
    );
    let mut group = criterion.benchmark_group("archive");
    group.throughput(Throughput::Elements(SEGMENTS));
    group.bench_function("manifests of a day", |bencher| bencher.iter(|| write(black_box(&day))));
    group.finish();
}

criterion_group!(benches, archive);
criterion_main!(benches);
