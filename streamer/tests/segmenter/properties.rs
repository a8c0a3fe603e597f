//! What holds whatever a publisher sends.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use mp4_atom::{Decode as _, Header, Moof};
use proptest::prelude::*;
use streamer::media::{MediaEvent, Sample, TrackKind};
use streamer::segmenter::{Config, Limits, Output, Segment, Segmenter, Warning};

use crate::source::publish;

/// Real parameters: of video in two sizes, and of audio in two rates.
static VIDEO: LazyLock<[Bytes; 2]> = LazyLock::new(|| {
    ["320x180", "640x360"].map(|size| {
        let arguments = format!("-f lavfi -t 0.2 -i testsrc2=size={size}:rate=25 -c:v libx264 -preset ultrafast");
        let config = |event| if let MediaEvent::VideoConfig(config) = event { Some(config) } else { None };
        publish(&arguments).into_iter().find_map(config).unwrap()
    })
});
static AUDIO: [Bytes; 2] = [Bytes::from_static(&[0x12, 0x10]), Bytes::from_static(&[0x11, 0x88])];

/// A number in the data of each sample tells them apart.
fn sample(
    track: TrackKind,
    timestamp: u32,
    composition_offset: i32,
    keyframe: bool,
    id: u64,
    bytes: usize,
) -> MediaEvent {
    let mut data = id.to_be_bytes().to_vec();
    data.resize(bytes.max(8), 0);
    MediaEvent::Sample(Sample { track, timestamp, composition_offset, keyframe, data: data.into() })
}

/// The numbers of all samples in the parts.
fn written(segments: &[Segment]) -> Vec<u64> {
    let mut ids = Vec::new();
    for part in segments.iter().flat_map(|segment| &segment.parts) {
        let mut rest = &part.bytes[..];
        let moof = Moof::decode(&mut rest).unwrap();
        assert_eq!(Header::decode(&mut rest).unwrap().size, Some(rest.len()));
        for run in moof.traf.iter().flat_map(|traf| &traf.trun) {
            let mut at = run.data_offset.unwrap() as usize;
            for entry in &run.samples {
                ids.push(u64::from_be_bytes(part.bytes[at..at + 8].try_into().unwrap()));
                at += entry.size.unwrap() as usize;
            }
        }
    }
    ids
}

/// One step of a publisher that may be broken or hostile.
#[derive(Debug, Clone)]
enum Step {
    Sample { video: bool, ahead: i64, offset: i32, keyframe: bool, bytes: usize },
    VideoConfig(usize),
    AudioConfig(usize),
    Garbage(Vec<u8>, bool),
    Expect(bool, bool),
    Lost,
    Return,
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = prop_oneof![
        20 => 0..60_i64,
        3 => -30..0_i64,
        2 => 60..3_000_i64,
        1 => -3_000..-30_i64,
        1 => 0..=i64::from(u32::MAX),
    ];
    let offset = prop_oneof![10 => 0..120_i32, 1 => any::<i32>()];
    let bytes = prop_oneof![20 => 8..2_000_usize, 1 => 100_000..200_000_usize];
    let sample = (any::<bool>(), ahead, offset, prop::bool::weighted(0.05), bytes)
        .prop_map(|(video, ahead, offset, keyframe, bytes)| Step::Sample { video, ahead, offset, keyframe, bytes });
    prop_oneof![
        300 => sample,
        1 => (0..2_usize).prop_map(Step::VideoConfig),
        1 => (0..2_usize).prop_map(Step::AudioConfig),
        1 => (prop::collection::vec(any::<u8>(), 0..40), any::<bool>()).prop_map(|(bytes, video)| Step::Garbage(bytes, video)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(video, audio)| Step::Expect(video, audio)),
        1 => Just(Step::Lost),
        1 => Just(Step::Return),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_written_once_or_counted_and_no_segment_is_too_long(
        target in 1..20_u64,
        small in any::<bool>(),
        video in any::<bool>(),
        audio in any::<bool>(),
        steps in prop::collection::vec(step(), 0..1500),
    ) {
        let target_duration = Duration::from_secs(target);
        let limits = Limits { segment_bytes: if small { 100_000 } else { 64 << 20 }, sample_bytes: 150_000 };
        let mut segmenter = Segmenter::new(Config { target_duration, limits, ..Config::default() });
        let mut segments: Vec<Segment> = Vec::new();
        let mut parts = Vec::new();
        let mut inits = Vec::new();
        let mut tracks = 0;
        let mut feed = |segmenter: &mut Segmenter, event: Option<MediaEvent>| {
            match event {
                Some(event) => segmenter.handle(event),
                None => segmenter.discontinuity(),
            }
            while let Some(output) = segmenter.poll_output() {
                match output {
                    Output::TracksKnown(_) => tracks += 1,
                    Output::Init(init) => inits.push(init.bytes),
                    Output::Part(part) => parts.push(part),
                    Output::Segment(segment) => segments.push(segment),
                    Output::Warning(warning) => assert!(!warning.to_string().is_empty()),
                }
            }
        };
        if video {
            feed(&mut segmenter, Some(MediaEvent::VideoConfig(VIDEO[0].clone())));
        }
        if audio {
            feed(&mut segmenter, Some(MediaEvent::AudioConfig(AUDIO[0].clone())));
        }
        let mut now = 0_i64;
        let mut id = 0;
        for step in steps {
            let event = match step {
                Step::Sample { video, ahead, offset, keyframe, bytes } => {
                    now += ahead;
                    id += 1;
                    let (track, offset) = if video { (TrackKind::Video, offset) } else { (TrackKind::Audio, 0) };
                    Some(sample(track, now as u32, offset, keyframe, id, bytes))
                }
                Step::VideoConfig(which) => Some(MediaEvent::VideoConfig(VIDEO[which].clone())),
                Step::AudioConfig(which) => Some(MediaEvent::AudioConfig(AUDIO[which].clone())),
                Step::Garbage(bytes, true) => Some(MediaEvent::VideoConfig(bytes.into())),
                Step::Garbage(bytes, false) => Some(MediaEvent::AudioConfig(bytes.into())),
                Step::Expect(video, audio) => Some(MediaEvent::Expect { video, audio }),
                Step::Lost => Some(MediaEvent::Lost),
                Step::Return => None,
            };
            feed(&mut segmenter, event);
        }
        segmenter.finish();
        feed(&mut segmenter, Some(MediaEvent::Lost));

        let statistics = segmenter.statistics();
        prop_assert_eq!(statistics.received, id);
        let dropped = statistics.dropped_before_keyframe + statistics.dropped_timestamps + statistics.dropped_unusable;
        prop_assert_eq!(statistics.written + dropped, statistics.received, "{:?}", statistics);
        let mut ids = written(&segments);
        ids.sort_unstable();
        prop_assert_eq!(ids.len() as u64, statistics.written);
        ids.dedup();
        prop_assert_eq!(ids.len() as u64, statistics.written, "none twice");

        prop_assert_eq!(segments.iter().flat_map(|segment| segment.parts.clone()).collect::<Vec<_>>(), parts);
        for segment in &segments {
            let millis = segment.duration.as_millis();
            prop_assert!(millis > 0 && (millis + 500) / 1000 <= u128::from(target), "{:?}", segment.duration);
            prop_assert!(!segment.is_empty());
            // Headers come on top of what is counted.
            prop_assert!(!small || segment.len() < 400_000, "{} bytes", segment.len());
            prop_assert!(inits.contains(&segment.init));
        }
        // Another initialization section needs a discontinuity.
        for pair in segments.windows(2) {
            prop_assert!(pair[0].init == pair[1].init || pair[1].discontinuity);
        }
    }
}

/// Timestamps that jump with each sample give no segment each.
#[test]
fn a_flood_of_jumps_is_not_a_flood_of_segments() {
    let mut segmenter = Segmenter::new(Config::default());
    segmenter.handle(MediaEvent::AudioConfig(AUDIO[0].clone()));
    segmenter.handle(MediaEvent::VideoConfig(VIDEO[0].clone()));
    let mut outputs = Vec::new();
    for id in 0..20_000_u32 {
        segmenter.handle(sample(TrackKind::Video, id.wrapping_mul(0x4000_0001), 0, true, id.into(), 100));
        outputs.extend(std::iter::from_fn(|| segmenter.poll_output()));
    }
    segmenter.finish();
    outputs.extend(std::iter::from_fn(|| segmenter.poll_output()));
    let segments = outputs.iter().filter(|output| matches!(output, Output::Segment(_))).count();
    assert_eq!(segments, 1, "the last one, when the publisher leaves");
    assert!(outputs.contains(&Output::Warning(Warning::UnstableTimestamps)));
    assert_eq!(outputs.iter().filter(|output| matches!(output, Output::Warning(_))).count(), 1);
}

/// A publisher that never sends a keyframe, never moves its clock, or sends one track only, is not collected for ever.
#[test]
fn what_is_kept_is_bounded() {
    let limits = Limits { segment_bytes: 8 << 20, sample_bytes: 1 << 20 };
    for (keyframes, audio) in [(false, false), (true, false), (true, true), (false, true)] {
        let mut segmenter = Segmenter::new(Config { limits, ..Config::default() });
        segmenter.handle(MediaEvent::Expect { video: true, audio: true });
        segmenter.handle(MediaEvent::VideoConfig(VIDEO[0].clone()));
        let (mut sent, mut came) = (0, 0);
        for id in 0..400_u32 {
            let track = if audio && id % 2 == 1 { TrackKind::Audio } else { TrackKind::Video };
            if id == 100 && audio {
                segmenter.handle(MediaEvent::AudioConfig(AUDIO[0].clone()));
            }
            segmenter.handle(sample(track, 7, 0, keyframes, id.into(), 500_000));
            sent += 500_000_u64;
            came += std::iter::from_fn(|| segmenter.poll_output())
                .map(|output| if let Output::Segment(segment) = output { segment.len() as u64 } else { 0 })
                .sum::<u64>();
        }
        let statistics = segmenter.statistics();
        let dropped = statistics.dropped_before_keyframe + statistics.dropped_timestamps + statistics.dropped_unusable;
        let kept = sent - dropped * 500_000 - came.min(sent);
        assert!(kept < 48 << 20, "{kept} bytes are kept, keyframes {keyframes}, audio {audio}");
    }
}
