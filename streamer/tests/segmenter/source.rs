//! Publications made by ffmpeg, as ingest would hand them over.

use std::process::Command;

use bytes::Bytes;
use streamer::media::{MediaEvent, Sample, TrackKind};
use testkit::flv::{TagKind, read_tags};

pub(crate) const PICTURE: &str = "testsrc2=size=320x180:rate=25";
pub(crate) const TONE: &str = "sine=frequency=440:sample_rate=44100";

/// Runs ffmpeg with these arguments before `-f flv` and gives what it publishes.
pub(crate) fn publish(arguments: &str) -> Vec<MediaEvent> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-threads", "1"])
        .args(arguments.split_whitespace())
        .args(["-flvflags", "no_duration_filesize", "-f", "flv", "-"])
        .output()
        .expect("ffmpeg has to be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    events(output.stdout)
}

/// A picture of so many seconds with a keyframe every so many frames, at 25 frames a second.
pub(crate) fn picture(seconds: u32, gop: u32, more: &str) -> String {
    format!("-f lavfi -t {seconds} -i {PICTURE} -c:v libx264 -preset ultrafast -g {gop} -sc_threshold 0 {more}")
}

/// A picture with a tone.
pub(crate) fn picture_and_tone(seconds: u32, gop: u32, more: &str) -> String {
    format!(
        "-f lavfi -t {seconds} -i {PICTURE} -f lavfi -t {seconds} -i {TONE} -c:v libx264 -preset ultrafast \
         -g {gop} -sc_threshold 0 -c:a aac -b:a 64k {more}"
    )
}

fn events(file: Vec<u8>) -> Vec<MediaEvent> {
    let tags = read_tags(file).expect("ffmpeg writes FLV");
    tags.into_iter().filter_map(|tag| event(tag.kind, tag.timestamp, &tag.data)).collect()
}

/// FLV's VIDEODATA and AUDIODATA (annex E.4.2 and E.4.3) of H.264 and AAC.
fn event(kind: TagKind, timestamp: u32, data: &Bytes) -> Option<MediaEvent> {
    match kind {
        TagKind::Script => None,
        TagKind::Video => match data[1] {
            0 => Some(MediaEvent::VideoConfig(data.slice(5..))),
            1 => Some(MediaEvent::Sample(Sample {
                track: TrackKind::Video,
                timestamp,
                composition_offset: i32::from_be_bytes([data[2], data[3], data[4], 0]) >> 8,
                keyframe: data[0] >> 4 == 1,
                data: data.slice(5..),
            })),
            _ => None,
        },
        TagKind::Audio if data[1] == 0 => Some(MediaEvent::AudioConfig(data.slice(2..))),
        TagKind::Audio => Some(MediaEvent::Sample(Sample {
            track: TrackKind::Audio,
            timestamp,
            composition_offset: 0,
            keyframe: true,
            data: data.slice(2..),
        })),
    }
}

/// The samples of a track.
pub(crate) fn samples(events: &[MediaEvent], track: TrackKind) -> Vec<Sample> {
    let samples = events.iter().filter_map(|event| match event {
        MediaEvent::Sample(sample) if sample.track == track => Some(sample.clone()),
        _ => None,
    });
    samples.collect()
}

/// Moves all timestamps, wrapping as RTMP does.
pub(crate) fn shifted(mut events: Vec<MediaEvent>, by: u32) -> Vec<MediaEvent> {
    for event in &mut events {
        if let MediaEvent::Sample(sample) = event {
            sample.timestamp = sample.timestamp.wrapping_add(by);
        }
    }
    events
}
