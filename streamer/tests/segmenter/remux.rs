//! Segments of real media as one file, past ffprobe, ffmpeg and media-doctor.

use bytes::Bytes;
use streamer::media::TrackKind;
use streamer::remux::{RemuxError, Remuxer};
use streamer::segmenter::Segment;

use crate::probe::{Packet, Result, assert_flawless, frames_after, packets, said_duration, segment};
use crate::source::{PICTURE, TONE, picture, picture_and_tone, publish, samples, shifted};

/// Whether the number of segments is known before.
#[derive(Clone, Copy, PartialEq)]
enum Index {
    Known,
    Unknown,
}

/// The segments as a file, given in pieces of so many bytes.
fn remux(segments: &[&Segment], index: Index, step: usize) -> Vec<u8> {
    let duration = segments.iter().map(|segment| segment.duration).sum();
    let mut remuxer =
        Remuxer::new(&segments[0].init, duration, (index == Index::Known).then_some(segments.len())).unwrap();
    let expected = remuxer.written() + segments.iter().map(|segment| segment.len() as u64).sum::<u64>();
    let mut file = Vec::new();
    for segment in segments {
        remuxer.begin_segment(segment.discontinuity);
        let bytes: Vec<u8> = segment.parts.iter().flat_map(|part| part.bytes.clone()).collect();
        for piece in bytes.chunks(step) {
            remuxer.push(Bytes::copy_from_slice(piece)).unwrap();
            while let Some(bytes) = remuxer.poll_output() {
                file.extend_from_slice(&bytes);
            }
        }
        remuxer.end_segment(Some(segment.len() as u64)).unwrap();
    }
    assert_eq!(file.len() as u64, expected);
    remuxer.finish().unwrap();
    while let Some(bytes) = remuxer.poll_output() {
        file.extend_from_slice(&bytes);
    }
    assert_eq!(file.len() as u64, remuxer.written());
    if let Some(reserved) = remuxer.reserved() {
        assert_eq!(file.len() as u64, expected + reserved);
    }
    file
}

fn all(result: &Result) -> Vec<&Segment> {
    result.segments.iter().collect()
}

/// Decode times rise, and no step is longer than this.
fn assert_continuous(packets: &[Packet], step: f64) {
    for pair in packets.windows(2) {
        let passed = pair[1].decode - pair[0].decode;
        assert!(passed > 0.0 && passed <= step, "from {} to {}", pair[0].decode, pair[1].decode);
    }
}

fn sizes(packets: &[Packet]) -> Vec<usize> {
    packets.iter().map(|packet| packet.bytes).collect()
}

#[test]
fn a_broadcast_is_one_file_with_all_its_samples() {
    let events = publish(&picture_and_tone(9, 50, ""));
    let result = segment(events.clone(), 2);
    for (index, step) in [(Index::Known, 1 << 20), (Index::Unknown, 1 << 20), (Index::Known, 7), (Index::Unknown, 1000)]
    {
        let file = remux(&all(&result), index, step);
        assert_flawless(&file);
        let said = said_duration(&file);
        assert!((said - 9.0).abs() < 0.1, "it says that it has {said} s");
        assert_eq!(frames_after(&file, 4.5), 113, "frames are lost by a seek");
        for (track, length) in [(TrackKind::Video, 0.041), (TrackKind::Audio, 0.024)] {
            let packets = packets(&file, track);
            let source: Vec<_> = samples(&events, track).iter().map(|sample| sample.data.len()).collect();
            assert_eq!(sizes(&packets), source);
            assert_continuous(&packets, length);
            assert!(packets[0].decode < 0.1, "it begins at {}", packets[0].decode);
        }
    }
}

#[test]
fn a_part_of_a_broadcast_begins_at_zero() {
    let result = segment(publish(&picture_and_tone(9, 50, "")), 2);
    let file = remux(&all(&result)[2..4], Index::Known, 1 << 20);
    assert_flawless(&file);
    let video = packets(&file, TrackKind::Video);
    assert_eq!(video.len(), 100);
    assert!(video[0].decode < 0.05 && video[0].keyframe, "{:?}", video[0]);
    assert_continuous(&video, 0.041);
}

#[test]
fn discontinuities_and_gaps_leave_no_hole() {
    let mut events = publish(&picture_and_tone(6, 50, ""));
    // An hour later, and from somewhere else.
    events.extend(shifted(publish(&picture_and_tone(5, 50, "")), 3_600_000));
    let result = segment(events, 2);
    let timelines = result.segments.iter().filter(|segment| segment.discontinuity).count();
    assert_eq!(timelines, 1);
    let mut some = all(&result);
    some.remove(1);
    let file = remux(&some, Index::Known, 1 << 20);
    assert_flawless(&file);
    for track in [TrackKind::Video, TrackKind::Audio] {
        let packets = packets(&file, track);
        // Tracks end up to a sample of the other apart.
        assert_continuous(&packets, 0.08);
        let expected: f64 = some.iter().map(|segment| segment.duration.as_secs_f64()).sum();
        let end = packets.last().unwrap().decode;
        assert!((end - expected).abs() < 0.15, "{end} s of {expected}");
    }
}

#[test]
fn pictures_out_of_order_sound_alone_and_a_picture_alone_are_files_too() {
    let b_frames = format!(
        "-f lavfi -t 5 -i {PICTURE} -f lavfi -t 5 -i {TONE} -c:v libx264 -preset veryfast -bf 3 -b_strategy 0 -g 50 -c:a aac"
    );
    let sound = format!("-f lavfi -t 5 -i {TONE} -c:a aac");
    for (arguments, tracks) in [
        (b_frames, &[TrackKind::Video, TrackKind::Audio][..]),
        (sound, &[TrackKind::Audio]),
        (picture(5, 50, ""), &[TrackKind::Video]),
    ] {
        let events = publish(&arguments);
        let result = segment(events.clone(), 2);
        for index in [Index::Known, Index::Unknown] {
            let file = remux(&all(&result), index, 1 << 20);
            assert_flawless(&file);
            for track in tracks {
                assert_eq!(packets(&file, *track).len(), samples(&events, *track).len());
            }
        }
    }
}

#[test]
fn what_is_no_segment_of_the_file_is_refused() {
    let result = segment(publish(&picture_and_tone(4, 50, "")), 2);
    let init = &result.segments[0].init;
    let segment: Vec<u8> = result.segments[0].parts.iter().flat_map(|part| part.bytes.clone()).collect();
    let moof = u32::from_be_bytes(segment[..4].try_into().unwrap()) as usize;
    let push = |bytes: &[u8]| {
        let mut remuxer = Remuxer::new(init, result.segments[0].duration, None).unwrap();
        remuxer.begin_segment(false);
        remuxer.push(Bytes::copy_from_slice(bytes)).and_then(|()| remuxer.end_segment(None))
    };
    assert_eq!(push(&segment), Ok(()));

    let swapped = |at: usize, with: &[u8]| [&segment[..at], with, &segment[at + with.len()..]].concat();
    let position = |kind: &[u8]| segment.windows(4).position(|window| window == kind).unwrap();
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("a part of a box", segment[..100].to_vec()),
        ("a moof alone", segment[..moof].to_vec()),
        ("an mdat alone", segment[moof..].to_vec()),
        ("a moof twice", [&segment[..moof], &segment[..]].concat()),
        ("a box up to the end", swapped(0, &[0; 4])),
        ("a huge moof", swapped(0, &[0xff; 4])),
        ("a box smaller than its header", swapped(0, &[0, 0, 0, 7])),
        ("a moof without what it is made of", swapped(4 + 8, b"free")),
        ("another track", swapped(position(b"tfhd") + 8, &[0, 0, 0, 9])),
        ("samples beyond the mdat", swapped(position(b"trun") + 12, &[0, 0xff, 0, 0])),
        ("samples before the mdat", swapped(position(b"trun") + 12, &[0; 4])),
    ] {
        assert!(matches!(push(&bytes), Err(RemuxError::Segment(_))), "{what}: {:?}", push(&bytes));
    }

    let unusable =
        |bytes: &[u8]| matches!(Remuxer::new(bytes, result.segments[0].duration, None), Err(RemuxError::Init(_)));
    let position = |kind: &[u8]| init.windows(4).position(|window| window == kind).unwrap();
    let swapped = |kind: &[u8], with: &[u8]| {
        let at = position(kind);
        [&init[..at], with, &init[at + with.len()..]].concat()
    };
    assert!(unusable(b"") && unusable(&init[..init.len() - 1]) && unusable(&segment));
    assert!(unusable(&[&init[..], &init[..]].concat()), "two moov");
    assert!(unusable(&swapped(b"mvex", b"free")) && unusable(&swapped(b"avc1", b"hvc1")));

    let mut remuxer = Remuxer::new(init, result.segments[0].duration, None).unwrap();
    remuxer.begin_segment(false);
    remuxer.push(segment.clone().into()).unwrap();
    let planned = segment.len() as u64 + 1;
    assert_eq!(remuxer.end_segment(Some(planned)), Err(RemuxError::Length { planned, found: planned - 1 }));
}

#[test]
fn every_seed_of_the_fuzzer_is_handled() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/remux");
    let mut seeds = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus is part of the repository") {
        streamer::remux::exercise(&std::fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 24, "{seeds} seeds");
}
