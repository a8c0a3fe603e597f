//! Playlists as texts: expected ones, read back, and judged by m3u8-rs and media-doctor.

use std::time::Duration;

use cid::Cid;
use multihash_codetable::{Code, MultihashDigest as _};
use proptest::prelude::*;
use stream_model::{DiscontinuitySequence, MediaSegment, MediaSequence, WallTime};

use super::*;

const TARGET: Duration = Duration::from_secs(15);

fn segment(sequence: u64, discontinuity: u64) -> MediaSegment {
    let cid = |content: String| Cid::new_v1(0x55, Code::Sha2_256.digest(content.as_bytes()));
    MediaSegment {
        media_sequence: MediaSequence(sequence),
        discontinuity_sequence: DiscontinuitySequence(discontinuity),
        duration: Duration::from_millis(14_000),
        program_date_time: Some(WallTime(1_795_269_600_000 + sequence * 14_000)),
        independent: true,
        segment: cid(format!("segment {sequence}")),
        init: cid(format!("init {discontinuity}")),
    }
}

fn assert_accepted_by_others(text: &str) {
    let mut report = media_doctor::Report::new();
    media_doctor::check_hls_playlist(text, &mut report);
    assert!(report.is_empty(), "{:?}\n{text}", report.findings());
    let (rest, _) = m3u8_rs::parse_media_playlist(text.as_bytes()).expect("m3u8-rs reads it");
    assert!(rest.is_empty());
}

#[test]
fn a_rolling_window_is_written_with_its_discontinuity_and_dates() {
    let window = [segment(7, 1), segment(8, 1), segment(9, 2)];
    let manifest = live_manifest(TARGET, &window, false);
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:15
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init-1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:01:38.000Z
#EXTINF:14.000,
7.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:01:52.000Z
#EXTINF:14.000,
8.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"init-2.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:02:06.000Z
#EXTINF:14.000,
9.m4s
";
    assert_eq!(manifest.index, expected);
    assert_accepted_by_others(expected);
    let entries: Vec<_> = manifest.entries.iter().map(|entry| (entry.name.as_str(), entry.cid)).collect();
    assert_eq!(
        entries,
        [
            ("7.m4s", window[0].segment),
            ("8.m4s", window[1].segment),
            ("9.m4s", window[2].segment),
            ("init-1.mp4", window[0].init),
            ("init-2.mp4", window[2].init),
        ]
    );
}

#[test]
fn a_finished_broadcast_with_a_hole_is_a_vod_with_a_gap() {
    let mut last = segment(3, 0);
    last.independent = false;
    last.program_date_time = None;
    let known = [segment(0, 0), segment(1, 0), last];
    let playlist = MediaPlaylist::whole(TARGET, known.iter().map(Into::into), true);
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:15
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI=\"init-0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:00:00.000Z
#EXTINF:14.000,
0.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:00:14.000Z
#EXTINF:14.000,
1.m4s
#EXT-X-GAP
#EXTINF:15.000,
2.m4s
#EXTINF:14.000,
3.m4s
#EXT-X-ENDLIST
";
    assert_eq!(playlist.render(), expected);
    assert_accepted_by_others(expected);
}

#[test]
fn a_segment_that_may_not_be_listed_becomes_a_gap() {
    let mut long = segment(1, 0);
    long.duration = Duration::from_millis(15_500);
    let mut back = segment(3, 0);
    back.discontinuity_sequence = DiscontinuitySequence(0);
    let known = [segment(0, 0), long, segment(2, 1), back];
    let playlist = MediaPlaylist::whole(TARGET, known.iter().map(Into::into), false);
    let listed: Vec<_> =
        playlist.entries.iter().map(|e| (e.media_sequence.0, e.discontinuity_sequence.0, e.gap)).collect();
    assert_eq!(listed, [(0, 0, false), (1, 0, true), (2, 1, false), (3, 1, true)]);
    assert_eq!(playlist.kind, PlaylistKind::Event);
}

#[test]
fn what_we_do_not_write_is_refused_with_its_line() {
    let good = live_manifest(TARGET, &[segment(7, 1), segment(8, 2)], true).index;
    assert!(parse_media_playlist(&good).is_ok());
    for (from, to, line) in [
        ("#EXTM3U", "#EXTM3U8", Some(1)),
        ("VERSION:8", "VERSION:6", Some(2)),
        ("DURATION:15", "DURATION:1e9", Some(3)),
        ("SEQUENCE:7", "SEQUENCE:-7", Some(4)),
        ("SEQUENCE:7", "SEQUENCE:99999999999999999999", Some(4)),
        ("EXTINF:14.000", "EXTINF:14.0", Some(9)),
        ("EXTINF:14.000", "EXTINF:16.000", Some(11)),
        ("7.m4s", "../7.m4s", Some(10)),
        ("7.m4s", "http://example.org/7.m4s", Some(10)),
        ("init-1.mp4", "init-2.mp4", None),
        ("14:01:38.000Z", "14:01:38.000+01:00", Some(8)),
        ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n", None),
        ("\n", "\r\n", None),
        ("VERSION:8", "VERSION:7", None),
    ] {
        let bad = good.replacen(from, to, if from == "\n" { 100 } else { 1 });
        match (parse_media_playlist(&bad), line) {
            (Err(ParseError::Expected { line, .. }), Some(expected)) => assert_eq!(line, expected, "{to}"),
            (Err(ParseError::NotCanonical), None) => {}
            (other, _) => panic!("{to}: {other:?}"),
        }
    }
    assert_eq!(parse_media_playlist(&"x".repeat(40 << 20)), Err(ParseError::TooLarge("32 MiB")));
}

prop_compose! {
    fn any_playlist()(
        kind in prop::sample::select(vec![PlaylistKind::Live, PlaylistKind::Event, PlaylistKind::Vod]),
        target in 1..60_u64,
        first in 0..1_u64 << 53,
        discontinuity in 0..1_u64 << 53,
        independent_segments: bool,
        ended: bool,
        steps in prop::collection::vec((0..4_u64, 1..60_000_u64, prop::option::of(0..4_000_000_000_000_u64), any::<bool>()), 0..12),
    ) -> MediaPlaylist {
        let mut at = discontinuity;
        let entry = |(index, (step, millis, date, gap)): (usize, (u64, u64, Option<u64>, bool))| {
            at += if index == 0 { 0 } else { step };
            PlaylistEntry {
                media_sequence: MediaSequence(first + index as u64),
                discontinuity_sequence: DiscontinuitySequence(at),
                duration: Duration::from_millis(millis.min(target * 1000 + 499)),
                program_date_time: date.map(WallTime),
                independent: independent_segments,
                gap,
            }
        };
        let entries = steps.into_iter().enumerate().map(entry).collect();
        MediaPlaylist { kind, target_duration: Duration::from_secs(target), independent_segments, ended, entries }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(playlist in any_playlist()) {
        prop_assert_eq!(parse_media_playlist(&playlist.render()), Ok(playlist));
    }

    #[test]
    fn m3u8_rs_reads_the_same(playlist in any_playlist()) {
        let text = playlist.render();
        let (_, read) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
        prop_assert_eq!(read.target_duration, playlist.target_duration.as_secs());
        prop_assert_eq!(read.media_sequence, playlist.entries.first().map_or(0, |entry| entry.media_sequence.0));
        prop_assert_eq!(read.end_list, playlist.ended);
        prop_assert_eq!(read.independent_segments, playlist.independent_segments);
        prop_assert_eq!(read.segments.len(), playlist.entries.len());
        for (theirs, ours) in read.segments.iter().zip(&playlist.entries) {
            prop_assert_eq!(&theirs.uri, &ours.file_name());
            prop_assert!((f64::from(theirs.duration) - ours.duration.as_secs_f64()).abs() < 0.001);
            let date = theirs.program_date_time.map(|date| WallTime(date.timestamp_millis() as u64));
            prop_assert_eq!(date, ours.program_date_time);
            prop_assert_eq!(theirs.unknown_tags.iter().any(|tag| tag.tag == "X-GAP"), ours.gap);
        }
    }

    #[test]
    fn mutated_texts_are_survived(playlist in any_playlist(), at in any::<prop::sample::Index>(), byte in 32_u8..127) {
        let mut text = playlist.render().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        if let Ok(read) = parse_media_playlist(&text) {
            prop_assert_eq!(read.render(), text);
        }
    }

    #[test]
    fn any_text_is_survived(text in "[#A-Z0-9:.,\n\\-ä]{0,200}") {
        prop_assert!(parse_media_playlist(&text).is_err() || text.starts_with("#EXTM3U"));
    }
}

fn hour(numbers: impl IntoIterator<Item = u64>) -> Vec<MediaSegment> {
    numbers.into_iter().map(|number| segment(number, 0)).collect()
}

#[test]
fn an_hour_lists_its_segments_with_the_missing_as_gaps_and_reads_back() {
    let segments = hour([240, 241, 243]);
    let manifest = hour_manifest(TARGET, &segments);
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:15
#EXT-X-MEDIA-SEQUENCE:240
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init-0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:56:00.000Z
#EXTINF:14.000,
240.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:56:14.000Z
#EXTINF:14.000,
241.m4s
#EXT-X-GAP
#EXTINF:15.000,
242.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T14:56:42.000Z
#EXTINF:14.000,
243.m4s
#EXT-X-ENDLIST
";
    assert_eq!(manifest.index, expected);
    assert_accepted_by_others(expected);
    let names: Vec<_> = manifest.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["240.m4s", "241.m4s", "243.m4s", "init-0.mp4"]);
    assert_eq!(read_hour(&manifest.index, &manifest.entries).unwrap(), segments);
}

#[test]
fn what_is_not_an_hour_is_refused() {
    let segments = hour(0..3);
    let manifest = hour_manifest(TARGET, &segments);
    let live = live_manifest(TARGET, &segments, true);
    assert_eq!(read_hour(&live.index, &live.entries), Err(ManifestError::NotFinal));
    assert_eq!(
        read_hour(&manifest.index, &manifest.entries[1..]),
        Err(ManifestError::Missing("0.m4s".to_owned())),
        "listed and not there"
    );
    assert!(matches!(read_hour("#EXTM3U\n", &manifest.entries), Err(ManifestError::Playlist(_))));
}

#[test]
fn a_day_is_one_playlist_over_the_folders_of_its_hours() {
    let all = hour(0..5);
    let cid = |text: &str| Cid::new_v1(0x70, Code::Sha2_256.digest(text.as_bytes()));
    let hours = [(MediaSequence(0), cid("first")), (MediaSequence(3), cid("second"))];
    let manifest = nested_manifest(TARGET, &hours, &all);
    assert_accepted_by_others(&manifest.index);
    let files: Vec<_> = manifest.index.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(files, ["0/0.m4s", "0/1.m4s", "0/2.m4s", "3/3.m4s", "3/4.m4s"]);
    assert!(manifest.index.contains("#EXT-X-MAP:URI=\"0/init-0.mp4\"\n"));
    assert_eq!(read_nested(&manifest.entries), hours);
    let mut with_others = manifest.entries;
    with_others.push(stream_model::DirectoryEntry { name: "007".to_owned(), cid: cid("odd") });
    assert_eq!(read_nested(&with_others), hours, "only as they are written");
}

proptest! {
    #[test]
    fn an_hour_reads_back_whatever_is_missing(numbers in prop::collection::btree_set(0_u64..300, 1..40)) {
        let segments = hour(numbers);
        let manifest = hour_manifest(TARGET, &segments);
        prop_assert_eq!(read_hour(&manifest.index, &manifest.entries).unwrap(), segments);
    }
}
