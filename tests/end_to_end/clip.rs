//! Segments by ffmpeg, of which each is one recording at another place of a broadcast's time line: hours of media that nobody has
//! to wait for.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use stream_model::{Tracks, WallTime};

use crate::writer::{Program, Recorded};

/// A recording as a CMAF segment, and its initialization section.
pub(crate) struct Clip {
    pub(crate) init: Bytes,
    pub(crate) tracks: Tracks,
    /// Of all tracks alike, so that another one may follow without a hole.
    duration: Duration,
    segment: Vec<u8>,
    times: Vec<DecodeTime>,
}

/// Where the segment says when a track of it is to be decoded: the 64 bits of a `tfdt` (ISO/IEC 14496-12, 8.8.12).
struct DecodeTime {
    at: usize,
    /// What they say in the recording, and the units of a second.
    first: u64,
    timescale: u64,
}

impl Clip {
    /// Sound without anything to be heard.
    pub(crate) fn silence() -> Result<Self> {
        // 117 frames of 1,024 samples at 8 kHz.
        let arguments = "-f lavfi -i anullsrc=r=8000:cl=mono -frames:a 117 -c:a aac";
        Self::record(arguments, Tracks { video: false, audio: true }, Duration::from_millis(14_976))
    }

    /// A moving test picture of 320 by 180 with a tone.
    pub(crate) fn film() -> Result<Self> {
        // 368 pictures at 25 a second, and 690 frames of 1,024 samples at 48 kHz.
        let arguments = "-f lavfi -i testsrc=size=320x180:rate=25 -f lavfi -i sine=frequency=440:sample_rate=48000 \
                         -frames:v 368 -frames:a 690 -c:v libx264 -preset ultrafast -tune zerolatency -crf 40 \
                         -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0 -c:a aac -b:a 32k";
        Self::record(arguments, Tracks { video: true, audio: true }, Duration::from_millis(14_720))
    }

    fn record(arguments: &str, tracks: Tracks, duration: Duration) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let status = Command::new("ffmpeg")
            .args(["-v", "error"])
            .args(arguments.split_whitespace())
            .args(["-f", "hls", "-hls_time", "60", "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"])
            .args(["-hls_segment_filename", "%d.m4s", "index.m3u8"])
            .current_dir(folder.path())
            .status()?;
        ensure!(status.success(), "ffmpeg made no segment");
        let init = std::fs::read(folder.path().join("init.mp4"))?;
        let segment = std::fs::read(folder.path().join("0.m4s"))?;
        let times = decode_times(&init, &segment)?;
        Ok(Self { init: init.into(), tracks, duration, segment, times })
    }

    /// How long each segment is.
    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }

    /// What a broadcast of it is.
    pub(crate) fn program(&self, title: &str, started_at: WallTime) -> Program {
        Program { title: title.to_owned(), tracks: self.tracks, init: self.init.clone(), started_at }
    }

    /// The segment with this number of a broadcast that began at a time.
    pub(crate) fn at(&self, number: u64, began: WallTime) -> Recorded {
        let since = number * self.duration.as_millis() as u64;
        let mut segment = self.segment.clone();
        for DecodeTime { at, first, timescale } in &self.times {
            let time = first + since * timescale / 1_000;
            segment[*at..at + 8].copy_from_slice(&time.to_be_bytes());
        }
        Recorded { parts: vec![segment.into()], duration: self.duration, date: WallTime(began.0 + since) }
    }
}

/// Those of a segment: each fragment has one for each track, in the order of the initialization section.
fn decode_times(init: &[u8], segment: &[u8]) -> Result<Vec<DecodeTime>> {
    // `mdhd`, version 0: version and flags, two times, and the timescale (8.4.2).
    let timescales: Vec<u64> = named(init, b"mdhd")
        .map(|at| Some(u64::from(u32::from_be_bytes(init.get(at + 12..at + 16)?.try_into().ok()?))))
        .collect::<Option<_>>()
        .context("an mdhd that is cut")?;
    ensure!(!timescales.is_empty(), "an initialization section without tracks");
    let times = named(segment, b"tfdt").enumerate().map(|(number, at)| {
        ensure!(segment[at] == 1, "a tfdt of 32 bits");
        let first = u64::from_be_bytes(segment[at + 4..at + 12].try_into()?);
        Ok(DecodeTime { at: at + 4, first, timescale: timescales[number % timescales.len()] })
    });
    let times: Vec<_> = times.collect::<Result<_>>()?;
    ensure!(!times.is_empty() && times.len() % timescales.len() == 0, "{} tfdt in a segment", times.len());
    Ok(times)
}

/// Where boxes of a type have their content.
fn named<'a>(bytes: &'a [u8], kind: &'a [u8; 4]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(4).enumerate().filter(move |(_, name)| name == kind).map(|(at, _)| at + 4)
}
