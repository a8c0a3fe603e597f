//! Real media.

use std::time::Duration;

use stream_model::{DiscontinuitySequence, MediaSequence, Tracks};
use streamer::manifest::{MediaPlaylist, PlaylistEntry};
use streamer::media::{MediaEvent, Sample, TrackKind};
use streamer::segmenter::{Config, Segmenter, Warning};

use crate::probe::{Packet, Result, assert_flawless, count_packets, packets, segment, streams};
use crate::source::{PICTURE, TONE, picture, picture_and_tone, publish, samples, shifted};

/// Presentation of a packet less the source's, which has to be the same for all: seconds.
fn offsets(packets: &[Packet], source: &[Sample]) -> Vec<f64> {
    let first = source[0].timestamp;
    let shown = |sample: &Sample| {
        let after = i64::from(sample.timestamp.wrapping_sub(first) as i32);
        (after + i64::from(sample.composition_offset)) as f64 / 1000.0
    };
    packets.iter().zip(source).map(|(packet, sample)| packet.presentation - shown(sample)).collect()
}

/// Every sample of the source is there, whole, in its order and at its time.
fn assert_same_media(file: &[u8], events: &[MediaEvent], track: TrackKind, tolerance: f64) -> f64 {
    let (packets, source) = (packets(file, track), samples(events, track));
    let sizes = |sizes: &mut dyn Iterator<Item = usize>| sizes.collect::<Vec<_>>();
    assert_eq!(
        sizes(&mut packets.iter().map(|packet| packet.bytes)),
        sizes(&mut source.iter().map(|sample| sample.data.len()))
    );
    assert!(packets.iter().zip(&source).all(|(packet, sample)| packet.keyframe == sample.keyframe));
    assert!(packets.windows(2).all(|pair| pair[0].decode < pair[1].decode), "decode times rise");
    let offsets = offsets(&packets, &source);
    for offset in &offsets {
        assert!((offset - offsets[0]).abs() <= tolerance, "a packet is at {offset}, the first at {}", offsets[0]);
    }
    let first =
        samples(events, TrackKind::Video).first().or(samples(events, TrackKind::Audio).first()).map(|s| s.timestamp);
    offsets[0] - f64::from(source[0].timestamp.wrapping_sub(first.unwrap()) as i32) / 1000.0
}

/// Both tracks are whole, and as far apart as in the source.
fn assert_same_both(result: &Result, events: &[MediaEvent]) {
    let file = result.flawless_file();
    let video = assert_same_media(&file, events, TrackKind::Video, 0.0005);
    let audio = assert_same_media(&file, events, TrackKind::Audio, 0.0025);
    assert!((video - audio).abs() < 0.0025, "video is moved by {video} s, audio by {audio} s");
}

fn round(seconds: &[f64]) -> Vec<f64> {
    seconds.iter().map(|seconds| (seconds * 10.0).round() / 10.0).collect()
}

#[test]
fn a_group_of_2_s_and_a_target_of_15_s_give_segments_of_14_s() {
    let events = publish(&picture_and_tone(31, 50, ""));
    let result = segment(events.clone(), 15);
    // The first has the bit of audio that ffmpeg sends before the first picture.
    assert_eq!(round(&result.durations()[..2]), [14.0, 14.0]);
    assert!(result.segments.iter().all(|segment| segment.independent && !segment.discontinuity));
    assert_eq!(result.tracks, [Tracks { video: true, audio: true }]);
    assert_eq!(result.warnings, []);
    assert_eq!(result.inits[0].codecs[1], "mp4a.40.2");
    assert_eq!(result.inits[0].resolution, Some((320, 180)));
    assert_same_both(&result, &events);
    let independent: Vec<_> = result.segments[1].parts.iter().map(|part| part.independent).collect();
    assert_eq!(independent[..4], [true, false, true, false], "each second part starts with a keyframe");
    let lengths: Vec<_> = result.segments[0].parts.iter().map(|part| part.duration.as_secs_f64()).collect();
    assert!(lengths.iter().all(|length| (0.9..=1.1).contains(length)), "{lengths:?}");
}

#[test]
fn pictures_out_of_order_keep_their_times() {
    let mut events = publish(&format!(
        "-f lavfi -t 9 -i {PICTURE} -f lavfi -t 9 -i {TONE} -c:v libx264 -preset veryfast -bf 3 -b_strategy 0 -g 50 -c:a aac"
    ));
    assert!(samples(&events, TrackKind::Video).iter().any(|sample| sample.composition_offset > 40));
    let result = segment(events.clone(), 4);
    assert_eq!(round(&result.durations()[..2]), [4.0, 4.0]);
    assert_same_both(&result, &events);
    let first = packets(&result.flawless_file(), TrackKind::Video)[0].clone();
    assert_eq!(first.presentation, 1.0);

    // Some publishers send negative offsets: the same pictures, decode times later.
    for event in &mut events {
        if let MediaEvent::Sample(sample) = event
            && sample.track == TrackKind::Video
        {
            sample.timestamp += 100;
            sample.composition_offset -= 100;
        }
    }
    assert!(samples(&events, TrackKind::Video).iter().any(|sample| sample.composition_offset < 0));
    let negative = segment(events, 4);
    let shown = |result: &Result| {
        packets(&result.flawless_file(), TrackKind::Video).iter().map(|p| p.presentation).collect::<Vec<_>>()
    };
    assert_eq!(shown(&negative), shown(&result));
}

#[test]
fn pictures_that_phones_do_not_decode_are_carried_on_with_a_warning() {
    let plain = segment(publish(&picture(2, 50, "-pix_fmt yuv420p")), 2);
    assert_eq!(plain.warnings, []);
    for format in ["yuv444p", "yuv422p", "yuv420p10le"] {
        let result = segment(publish(&picture(2, 50, &format!("-pix_fmt {format}"))), 2);
        assert_eq!(result.warnings, [Warning::BeyondHighProfile], "{format}");
        result.flawless_file();
    }
}

#[test]
fn video_alone_is_known_after_two_seconds() {
    let events = publish(&picture(9, 50, ""));
    let result = segment(events.clone(), 2);
    assert_eq!(result.tracks, [Tracks { video: true, audio: false }]);
    assert_eq!(result.durations(), [2.0, 2.0, 2.0, 2.0, 1.0]);
    assert_same_media(&result.flawless_file(), &events, TrackKind::Video, 0.0005);
}

#[test]
fn audio_alone_is_cut_by_duration() {
    let events = publish(&format!("-f lavfi -t 20 -i {TONE} -c:a aac -b:a 64k"));
    let result = segment(events.clone(), 6);
    assert_eq!(result.tracks, [Tracks { video: false, audio: true }]);
    assert!(result.segments.iter().all(|segment| segment.independent));
    let durations = result.durations();
    assert!(durations[..3].iter().all(|duration| (5.9..=6.0).contains(duration)), "{durations:?}");
    assert_same_media(&result.flawless_file(), &events, TrackKind::Audio, 0.0025);
    // Milliseconds come in, whole frames of 1024 go out.
    let packets = packets(&result.flawless_file(), TrackKind::Audio);
    let exact = packets.iter().enumerate().all(|(index, packet)| {
        (packet.presentation - packets[0].presentation - index as f64 * 1024.0 / 44_100.0).abs() < 1e-4
    });
    assert!(exact);
}

#[test]
fn audio_that_starts_3_s_late_stays_3_s_late() {
    let events = publish(&format!(
        "-f lavfi -t 10 -i {PICTURE} -itsoffset 3 -f lavfi -t 7 -i {TONE} -c:v libx264 -preset ultrafast -g 50 -c:a aac"
    ));
    let first = samples(&events, TrackKind::Audio)[0].timestamp;
    assert!(first >= 2_900, "{first}");
    let result = segment(events.clone(), 4);
    assert_eq!(result.tracks, [Tracks { video: true, audio: true }]);
    assert_same_both(&result, &events);
}

#[test]
fn a_gap_in_audio_moves_nothing() {
    let mut events = publish(&picture_and_tone(10, 50, ""));
    events.retain(|event| {
        !matches!(event, MediaEvent::Sample(sample)
            if sample.track == TrackKind::Audio && (3_000..4_500).contains(&sample.timestamp))
    });
    let result = segment(events.clone(), 4);
    assert_eq!(result.statistics.written, result.statistics.received);
    assert_same_both(&result, &events);
}

#[test]
fn a_gap_in_audio_does_not_end_a_segment_before_its_keyframe() {
    let mut events = publish(&picture_and_tone(10, 50, ""));
    let keyframe = samples(&events, TrackKind::Video).iter().filter(|sample| sample.keyframe).nth(1).unwrap().timestamp;
    events.retain(|event| {
        !matches!(event, MediaEvent::Sample(sample)
            if sample.track == TrackKind::Audio && (keyframe..keyframe + 1_000).contains(&sample.timestamp))
    });
    let result = segment(events.clone(), 2);
    assert_eq!(round(&result.durations()), [2.0, 2.0, 2.0, 2.0, 2.0]);
    assert!(result.segments.iter().all(|segment| segment.independent));
    assert_same_both(&result, &events);
}

#[test]
fn audio_ahead_of_the_first_picture_leaves_room_for_a_group_as_long_as_the_target() {
    let mut events = publish(&picture_and_tone(10, 50, ""));
    events.retain(|event| {
        !matches!(event, MediaEvent::Sample(sample)
            if sample.track == TrackKind::Video && sample.timestamp < 2_000)
    });
    let result = segment(events, 2);
    assert!(result.segments.iter().all(|segment| segment.independent));
    assert_eq!(round(&result.durations()), [2.4, 2.0, 2.0, 2.0]);
    result.flawless_file();
}

#[test]
fn a_pause_of_both_tracks_that_fits_no_segment_is_a_discontinuity() {
    let mut events = publish(&picture_and_tone(12, 50, ""));
    for event in &mut events {
        if let MediaEvent::Sample(sample) = event
            && sample.timestamp >= 6_000
        {
            sample.timestamp += 5_000;
        }
    }
    let result = segment(events.clone(), 2);
    let marks: Vec<_> = result.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(marks, [false, false, false, true, false, false]);
    assert_eq!(round(&result.durations()), [2.0; 6]);
    assert_eq!(result.statistics.written, result.statistics.received);
    result.files().iter().for_each(|file| assert_flawless(file));

    let result = segment(events, 15);
    assert!(result.segments.iter().all(|segment| !segment.discontinuity), "it fits a longer one");
}

#[test]
fn what_is_left_of_a_publication_refused_at_its_beginning_is_no_segment() {
    let mut events = vec![MediaEvent::Expect { video: true, audio: true }];
    // The first picture; the audio is of a codec that ingest refuses.
    events.extend(publish(&picture(1, 50, "")).into_iter().take(2));
    let result = segment(events, 2);
    assert_eq!((result.tracks.len(), result.segments.len()), (0, 0));
    assert_eq!(result.statistics.dropped_unusable, 1);
}

#[test]
fn a_drifting_audio_clock_stays_with_the_picture() {
    let mut events = publish(&picture_and_tone(20, 50, ""));
    for event in &mut events {
        if let MediaEvent::Sample(sample) = event
            && sample.track == TrackKind::Audio
        {
            sample.timestamp = (f64::from(sample.timestamp) * 1.004) as u32;
        }
    }
    let result = segment(events.clone(), 4);
    assert_eq!(result.statistics.written, result.statistics.received);
    assert_same_media(&result.flawless_file(), &events, TrackKind::Audio, 0.030);
}

#[test]
fn timestamps_wrap_and_may_be_negative() {
    let events = publish(&picture_and_tone(9, 50, ""));
    let expected = segment(events.clone(), 4);
    for by in [u32::MAX - 4_000, 0xffff_ffb0, 0x7fff_f000] {
        let result = segment(shifted(events.clone(), by), 4);
        assert_eq!(result.segments, expected.segments, "moved by {by}");
    }
    // FFmpeg leaves out the highest bit.
    let mut events = shifted(events, 0x7fff_f000);
    for event in &mut events {
        if let MediaEvent::Sample(sample) = event {
            sample.timestamp &= 0x7fff_ffff;
        }
    }
    assert_eq!(segment(events, 4).segments, expected.segments);
}

#[test]
fn a_changed_resolution_is_a_discontinuity_with_its_own_initialization_section() {
    let mut events = publish(&picture_and_tone(6, 50, ""));
    let second = publish(&format!(
        "-f lavfi -t 6 -i testsrc2=size=426x240:rate=25 -f lavfi -t 6 -i {TONE} -c:v libx264 -preset ultrafast -g 50 -c:a aac -b:a 64k"
    ));
    events.extend(shifted(second, 6_000));
    let result = segment(events, 4);
    let marks: Vec<_> = result.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(marks.iter().filter(|mark| **mark).count(), 1);
    assert!(!marks[0]);
    assert_eq!(result.inits.len(), 2);
    let files = result.files();
    files.iter().for_each(|file| assert_flawless(file));
    assert!(streams(&files[0]).contains("width=320|height=180"));
    assert!(streams(&files[1]).contains("width=426|height=240"));
}

#[test]
fn jumps_of_the_timestamps_are_discontinuities() {
    let first = publish(&picture_and_tone(6, 50, ""));
    for jump in [3_600_000, 0] {
        let mut events = first.clone();
        let again = first.iter().filter(|event| matches!(event, MediaEvent::Sample(_))).cloned().collect();
        events.extend(shifted(again, jump));
        let result = segment(events.clone(), 4);
        let marks: Vec<_> = result.segments.iter().map(|segment| segment.discontinuity).collect();
        assert_eq!(marks.iter().filter(|mark| **mark).count(), 1, "{marks:?}");
        assert_eq!(result.statistics.written, result.statistics.received);
        result.files().iter().for_each(|file| assert_flawless(file));
    }
}

#[test]
fn a_hole_resumes_at_a_keyframe_after_a_discontinuity() {
    let mut events = publish(&picture_and_tone(12, 50, ""));
    let at = events.iter().position(|event| matches!(event, MediaEvent::Sample(s) if s.timestamp > 5_000)).unwrap();
    events.insert(at, MediaEvent::Lost);
    let result = segment(events, 4);
    let marked: Vec<_> = result.segments.iter().filter(|segment| segment.discontinuity).collect();
    assert_eq!(marked.len(), 1);
    assert!(marked[0].independent);
    assert!(result.statistics.dropped_before_keyframe > 0);
    result.files().iter().for_each(|file| assert_flawless(file));
}

#[test]
fn a_publisher_that_returns_goes_on_after_a_discontinuity() {
    let events = publish(&picture_and_tone(5, 50, ""));
    let mut segmenter = Segmenter::new(Config { target_duration: Duration::from_secs(4), ..Config::default() });
    let mut result = Result::default();
    for round in 0..2 {
        if round > 0 {
            segmenter.discontinuity();
        }
        for event in events.clone() {
            segmenter.handle(event);
        }
        result.drain(&mut segmenter);
    }
    segmenter.finish();
    result.drain(&mut segmenter);
    assert_eq!(round(&result.durations()), [4.0, 1.0, 4.0, 1.0]);
    assert_eq!(
        result.segments.iter().map(|segment| segment.discontinuity).collect::<Vec<_>>(),
        [false, false, true, false]
    );
    assert_eq!(result.tracks.len(), 2);
    result.files().iter().for_each(|file| assert_flawless(file));

    let mut resumed = Segmenter::new(Config::default());
    resumed.discontinuity();
    events.into_iter().for_each(|event| resumed.handle(event));
    resumed.finish();
    let mut result = Result::default();
    result.drain(&mut resumed);
    assert!(result.segments[0].discontinuity);
}

#[test]
fn a_group_longer_than_the_target_is_cut_inside_with_one_warning() {
    let events = publish(&picture_and_tone(41, 500, ""));
    let result = segment(events.clone(), 15);
    assert_eq!(round(&result.durations()), [15.0, 5.0, 15.0, 5.0, 1.0]);
    let independent: Vec<_> = result.segments.iter().map(|segment| segment.independent).collect();
    assert_eq!(independent, [true, false, true, false, true]);
    assert_eq!(result.warnings, [Warning::KeyframesTooFarApart { target_duration: Duration::from_secs(15) }]);
    assert!(result.warnings[0].to_string().contains("Keyframe Interval"));
    assert_same_both(&result, &events);
}

#[test]
fn a_group_longer_than_the_last_ones_moves_to_the_next_segment_whole() {
    // Keyframes at 0, 2, 4, 6, 8 and then at 14 s: with a target of 10 s, 8 s is the last that fits.
    let events = publish(&picture(15, 1000, "-force_key_frames 0,2,4,6,8,14"));
    let result = segment(events.clone(), 10);
    assert_eq!(round(&result.durations()), [8.0, 6.0, 1.0]);
    assert!(result.segments.iter().all(|segment| segment.independent));
    assert_eq!(result.warnings, []);
    assert_same_media(&result.flawless_file(), &events, TrackKind::Video, 0.0005);
}

#[test]
fn low_and_high_bitrates_come_out_whole() {
    let low = publish(&picture_and_tone(8, 50, "-b:v 36k -maxrate 36k -bufsize 36k"));
    assert_same_both(&segment(low.clone(), 4), &low);
    let high = publish(
        "-f lavfi -t 6 -i nullsrc=size=640x360:rate=25,geq=random(1)*255:128:128 -f lavfi -t 6 -i sine -c:v libx264 \
         -preset ultrafast -qp 6 -g 50 -c:a aac",
    );
    let bytes: usize = samples(&high, TrackKind::Video).iter().map(|sample| sample.data.len()).sum();
    assert!(bytes * 8 / 6 > 25_000_000, "{} kbit/s", bytes * 8 / 6000);
    let result = segment(high.clone(), 4);
    assert_eq!(round(&result.durations()), [4.0, 2.0]);
    assert_same_both(&result, &high);
}

#[test]
fn a_folder_with_its_playlist_plays_from_the_first_to_the_last_sample() {
    let events = publish(&picture_and_tone(13, 50, ""));
    let result = segment(events.clone(), 4);
    let folder = tempfile::tempdir().unwrap();
    let mut entries = Vec::new();
    for (sequence, segment) in (0..).zip(&result.segments) {
        let entry = PlaylistEntry {
            media_sequence: MediaSequence(sequence),
            discontinuity_sequence: DiscontinuitySequence(0),
            duration: segment.duration,
            program_date_time: None,
            independent: segment.independent,
            gap: false,
        };
        let bytes: Vec<_> = segment.parts.iter().flat_map(|part| part.bytes.to_vec()).collect();
        std::fs::write(folder.path().join(entry.file_name()), bytes).unwrap();
        std::fs::write(folder.path().join(entry.init_name()), &segment.init).unwrap();
        entries.push(entry);
    }
    let playlist = MediaPlaylist::whole(Duration::from_secs(4), entries, true).render();
    let index = folder.path().join("index.m3u8");
    std::fs::write(&index, &playlist).unwrap();
    let mut report = media_doctor::Report::new();
    media_doctor::check_hls_playlist(&playlist, &mut report);
    assert!(report.is_empty(), "{:?}", report.findings());
    assert!(playlist.contains("#EXT-X-INDEPENDENT-SEGMENTS"));
    let counts = count_packets(&index);
    let sent = |track| samples(&events, track).len();
    // Streams come twice: by themselves, and as those of the program that a playlist is.
    assert_eq!(counts[..2], [sent(TrackKind::Video), sent(TrackKind::Audio)]);
}
