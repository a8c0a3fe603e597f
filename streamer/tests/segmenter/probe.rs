//! Runs a publication through the segmenter, and what comes out past ffprobe, ffmpeg and media-doctor.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use stream_model::Tracks;
use streamer::media::{MediaEvent, TrackKind};
use streamer::segmenter::{Config, InitSection, Output, Segment, Segmenter, Statistics, Warning};

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Result {
    pub(crate) tracks: Vec<Tracks>,
    pub(crate) inits: Vec<InitSection>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) statistics: Statistics,
}

/// A packet as ffprobe sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Packet {
    pub(crate) presentation: f64,
    pub(crate) decode: f64,
    pub(crate) bytes: usize,
    pub(crate) keyframe: bool,
}

/// Segments with this target duration, to the end.
pub(crate) fn segment(events: impl IntoIterator<Item = MediaEvent>, target_seconds: u64) -> Result {
    let mut segmenter =
        Segmenter::new(Config { target_duration: Duration::from_secs(target_seconds), ..Config::default() });
    let mut result = Result::default();
    for event in events {
        segmenter.handle(event);
        result.drain(&mut segmenter);
    }
    segmenter.finish();
    result.drain(&mut segmenter);
    result
}

impl Result {
    pub(crate) fn drain(&mut self, segmenter: &mut Segmenter) {
        while let Some(output) = segmenter.poll_output() {
            match output {
                Output::TracksKnown(tracks) => self.tracks.push(tracks),
                Output::Init(init) => self.inits.push(init),
                Output::Part(_) => {}
                Output::Segment(segment) => self.segments.push(segment),
                Output::Warning(warning) => self.warnings.push(warning),
            }
        }
        self.statistics = segmenter.statistics();
    }

    pub(crate) fn durations(&self) -> Vec<f64> {
        self.segments.iter().map(|segment| segment.duration.as_secs_f64()).collect()
    }

    /// The segments between two discontinuities, as one file each.
    pub(crate) fn files(&self) -> Vec<Vec<u8>> {
        let mut files: Vec<Vec<u8>> = Vec::new();
        for segment in &self.segments {
            if segment.discontinuity || files.is_empty() {
                files.push(segment.init.to_vec());
            }
            let file = files.last_mut().unwrap();
            segment.parts.iter().for_each(|part| file.extend_from_slice(&part.bytes));
        }
        files
    }

    /// The only file, after checking that nothing finds anything wrong with it.
    pub(crate) fn flawless_file(&self) -> Vec<u8> {
        let mut files = self.files();
        assert_eq!(files.len(), 1, "one timeline");
        files.iter().for_each(|file| assert_flawless(file));
        files.pop().unwrap()
    }
}

/// Neither ffmpeg, decoding it, nor media-doctor finds anything wrong.
pub(crate) fn assert_flawless(file: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("media.mp4");
    std::fs::write(&path, file).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "warning", "-nostdin", "-xerror", "-i"])
        .arg(&path)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg has to be installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg says: {said}");
    let mut report = media_doctor::Report::new();
    media_doctor::check_container_codec(file, &mut report);
    assert!(report.is_empty(), "media-doctor says: {:?}", report.findings());
}

/// The packets of a track, in file order.
pub(crate) fn packets(file: &[u8], track: TrackKind) -> Vec<Packet> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("media.mp4");
    std::fs::write(&path, file).unwrap();
    let stream = if track == TrackKind::Video { "v:0" } else { "a:0" };
    let text = ffprobe(&path, &["-select_streams", stream, "-show_entries", "packet=pts_time,dts_time,size,flags"]);
    let packet = |line: &str| {
        let fields: HashMap<_, _> = line.split('|').filter_map(|field| field.split_once('=')).collect();
        Packet {
            presentation: fields["pts_time"].parse().unwrap(),
            decode: fields["dts_time"].parse().unwrap(),
            bytes: fields["size"].parse().unwrap(),
            keyframe: fields["flags"].starts_with('K'),
        }
    };
    text.lines().filter(|line| line.contains("pts_time")).map(packet).collect()
}

/// What ffprobe says about the streams.
pub(crate) fn streams(file: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("media.mp4");
    std::fs::write(&path, file).unwrap();
    ffprobe(&path, &["-show_entries", "stream=codec_name,width,height,sample_rate,channels,profile"])
}

/// Frames that ffmpeg shows after it has sought to a second.
pub(crate) fn frames_after(file: &[u8], second: f64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("media.mp4");
    std::fs::write(&path, file).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-ss", &second.to_string(), "-i"]).arg(&path);
    let output = ffmpeg.args(["-map", "v", "-f", "framemd5", "-"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.starts_with('#')).count()
}

/// The length that the file claims, in seconds, as ffprobe understands it.
pub(crate) fn said_duration(file: &[u8]) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("media.mp4");
    std::fs::write(&path, file).unwrap();
    ffprobe(&path, &["-show_entries", "format=duration"]).trim().trim_start_matches("duration=").parse().unwrap()
}

fn ffprobe(path: &Path, arguments: &[&str]) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "warning", "-of", "compact=p=0"])
        .args(arguments)
        .arg(path)
        .output()
        .expect("ffprobe has to be installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffprobe says: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Packets of each stream of a file or playlist.
pub(crate) fn count_packets(path: &Path) -> Vec<usize> {
    let text = ffprobe(path, &["-count_packets", "-show_entries", "stream=nb_read_packets"]);
    text.lines().filter_map(|line| line.split_once("nb_read_packets=")?.1.parse().ok()).collect()
}
