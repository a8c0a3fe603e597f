//! How fast media is cut into segments (in bytes of media a second), and how long a playlist takes to write.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stream_model::{DiscontinuitySequence, MediaSequence, WallTime};
use streamer::manifest::{MediaPlaylist, PlaylistEntry, PlaylistKind, parse_media_playlist};
use streamer::media::{MediaEvent, Sample, TrackKind};
use streamer::segmenter::{Config, Output, Segmenter};

/// High profile, 1280×720; the data of samples does not matter to the segmenter.
const VIDEO_CONFIG: &[u8] = &[
    1, 100, 0, 31, 0xff, 0xe1, 0, 28, 103, 100, 0, 31, 172, 217, 128, 80, 5, 187, 1, 106, 2, 2, 2, 128, 0, 0, 3, 0,
    128, 0, 0, 30, 7, 140, 24, 205, 1, 0, 5, 104, 233, 123, 44, 139,
];
/// AAC-LC, 44.1 kHz, stereo.
const AUDIO_CONFIG: &[u8] = &[0x12, 0x10];
const SECONDS: u32 = 30;
const RATE: u32 = 25;
const GOP: u32 = 2 * RATE;

/// Half a minute with a keyframe, five times as large as the rest, every 2 s, and 128 kbit/s of audio.
fn publication(bits_per_second: usize) -> (Vec<MediaEvent>, u64) {
    let group = bits_per_second / 8 * 2;
    let picture = Bytes::from(vec![0x55; group / (GOP as usize + 4)]);
    let keyframe = Bytes::from(vec![0x55; 5 * picture.len()]);
    let frame = Bytes::from(vec![0x55; 371]);
    let video = (0..SECONDS * RATE).map(|index| {
        let is_keyframe = index % GOP == 0;
        let data = if is_keyframe { keyframe.clone() } else { picture.clone() };
        sample(TrackKind::Video, index * 1000 / RATE, is_keyframe, data)
    });
    let audio = (0..SECONDS * 44_100 / 1024)
        .map(|index| sample(TrackKind::Audio, (u64::from(index) * 1_024_000 / 44_100) as u32, true, frame.clone()));
    let mut samples: Vec<_> = video.chain(audio).collect();
    samples.sort_by_key(|sample| sample.timestamp);
    let bytes = samples.iter().map(|sample| sample.data.len() as u64).sum();
    let configs = [
        MediaEvent::VideoConfig(Bytes::from_static(VIDEO_CONFIG)),
        MediaEvent::AudioConfig(Bytes::from_static(AUDIO_CONFIG)),
    ];
    (configs.into_iter().chain(samples.into_iter().map(MediaEvent::Sample)).collect(), bytes)
}

fn sample(track: TrackKind, timestamp: u32, keyframe: bool, data: Bytes) -> Sample {
    Sample { track, timestamp, composition_offset: 0, keyframe, data }
}

fn segments(events: Vec<MediaEvent>) -> usize {
    let mut segmenter = Segmenter::new(Config::default());
    let mut segments = 0;
    let mut drain = |segmenter: &mut Segmenter| {
        while let Some(output) = segmenter.poll_output() {
            segments += usize::from(matches!(black_box(output), Output::Segment(_)));
        }
    };
    for event in events {
        segmenter.handle(event);
        drain(&mut segmenter);
    }
    segmenter.finish();
    drain(&mut segmenter);
    segments
}

fn segmenter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segmenter");
    for megabits in [3, 25] {
        let (events, bytes) = publication(megabits * 1_000_000);
        assert!(segments(events.clone()) >= 2);
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(format!("{megabits} Mbit/s"), |bencher| {
            bencher.iter_batched(|| events.clone(), segments, BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn playlists(criterion: &mut Criterion) {
    let entry = |sequence: u64| PlaylistEntry {
        media_sequence: MediaSequence(sequence),
        discontinuity_sequence: DiscontinuitySequence(sequence / 100),
        duration: Duration::from_secs(14),
        program_date_time: Some(WallTime(1_795_269_600_000 + sequence * 14_000)),
        independent: true,
        gap: false,
    };
    let mut group = criterion.benchmark_group("playlist");
    // A live window, and a whole day.
    for (name, count) in [("6 segments", 6), ("6171 segments", 6171)] {
        let playlist =
            MediaPlaylist::new(PlaylistKind::Event, Duration::from_secs(15), (0..count).map(entry).collect(), false);
        let text = playlist.render();
        group.bench_function(format!("write {name}"), |bencher| bencher.iter(|| black_box(&playlist).render()));
        group.bench_function(format!("read {name}"), |bencher| bencher.iter(|| parse_media_playlist(black_box(&text))));
    }
    group.finish();
}

criterion_group!(benches, segmenter, playlists);
criterion_main!(benches);
