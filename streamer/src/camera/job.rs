//! What a camera is to do: where picture and sound come from, how they are encoded, and where they are published. Pure.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest time between keyframes: who joins waits for one, and a segment begins with one.
const MAX_KEYFRAME_INTERVAL: Duration = Duration::from_secs(2);

/// Most characters of a title over the picture: a line.
const MAX_TITLE: usize = 120;

/// What a worker is told. It travels on the worker's standard input: the address holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Where the picture comes from; `None` for sound alone.
    pub video: Option<VideoSource>,
    /// Where the sound comes from; `None` for none.
    pub audio: Option<AudioSource>,
    /// How both are encoded.
    pub encoding: Encoding,
    /// The RTMP address with its stream key.
    pub publish: PublishUrl,
}

/// An RTMP address with a stream key. Prints redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublishUrl(pub String);

impl fmt::Debug for PublishUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishUrl(redacted)")
    }
}

/// How picture and sound are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// Width and height in pixels, after the rotation.
    pub size: Size,
    /// Pictures a second.
    pub rate: NonZeroU32,
    /// Of the picture, in kbit/s.
    pub video_kbps: NonZeroU32,
    /// Of the sound, in kbit/s.
    pub audio_kbps: NonZeroU32,
    /// Pictures from one keyframe to the next, always as many.
    pub keyframe_interval: NonZeroU32,
    /// How far the picture is turned, clockwise.
    pub rotation: Rotation,
    /// Written over the picture, if anything.
    pub title: Option<Title>,
    /// Whether the time of day is written over the picture.
    pub clock: bool,
    /// The GStreamer element that encodes the picture; the best that works where there is none.
    pub encoder: Option<String>,
}

/// A line over the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Title(String);

impl Title {
    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Title {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        let fits = !text.is_empty() && text.chars().count() <= MAX_TITLE && !text.contains(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(BadSource::Title) }
    }
}

impl TryFrom<String> for Title {
    type Error = BadSource;

    fn try_from(text: String) -> Result<Self, BadSource> {
        text.parse()
    }
}

/// Pictures from one keyframe to the next: as many as the target duration of the segments is a multiple of, so that each
/// segment is as long as it may be; at most 2 s of them.
pub fn keyframe_interval(target_duration: Duration, rate: NonZeroU32) -> NonZeroU32 {
    let pictures = target_duration.as_secs().max(1).saturating_mul(rate.get().into());
    let most = (MAX_KEYFRAME_INTERVAL.as_secs() * u64::from(rate.get())).min(pictures);
    let interval = (1..=most).rev().find(|interval| pictures.is_multiple_of(*interval));
    interval.and_then(|interval| NonZeroU32::new(u32::try_from(interval).ok()?)).unwrap_or(rate)
}

/// Width and height in pixels, both even, as H.264 with 4:2:0 has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// Smallest and largest width and height: what encoders and phones take.
    const LIMITS: std::ops::RangeInclusive<u32> = 64..=3_840;

    /// In pixels.
    pub fn width(self) -> u32 {
        self.width
    }

    /// In pixels.
    pub fn height(self) -> u32 {
        self.height
    }
}

impl FromStr for Size {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        let (width, height) = text.split_once(['x', '×']).ok_or(BadSource::Size)?;
        let pixels = |text: &str| {
            let pixels = text.parse().ok().filter(|pixels: &u32| pixels.is_multiple_of(2));
            pixels.filter(|pixels| Self::LIMITS.contains(pixels)).ok_or(BadSource::Size)
        };
        Ok(Self { width: pixels(width)?, height: pixels(height)? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl TryFrom<String> for Size {
    type Error = BadSource;

    fn try_from(text: String) -> Result<Self, BadSource> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

/// How far the picture is turned, clockwise, in degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotation {
    /// As the camera gives it.
    #[default]
    None,
    /// A quarter.
    Quarter,
    /// On its head.
    Half,
    /// Three quarters.
    ThreeQuarters,
}

impl TryFrom<u16> for Rotation {
    type Error = BadSource;

    fn try_from(degrees: u16) -> Result<Self, BadSource> {
        match degrees {
            0 => Ok(Self::None),
            90 => Ok(Self::Quarter),
            180 => Ok(Self::Half),
            270 => Ok(Self::ThreeQuarters),
            _ => Err(BadSource::Rotation),
        }
    }
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::None => 0,
            Rotation::Quarter => 90,
            Rotation::Half => 180,
            Rotation::ThreeQuarters => 270,
        }
    }
}

impl FromStr for Rotation {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        text.parse::<u16>().map_err(|_| BadSource::Rotation)?.try_into()
    }
}

/// Where a picture comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoSource {
    /// A moving pattern, for tests.
    Pattern,
    /// A camera or grabber of this machine.
    Device(VideoDevice),
    /// A stream of somebody else's or a file: `rtsp`, `rtmp`, `http` (HLS), `srt`, `file`. Its sound comes along.
    Url(String),
    /// A picture that does not move.
    Still(PathBuf),
}

/// A camera or grabber of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoDevice {
    /// The first one that is found when the worker starts.
    First,
    /// Of Video4Linux: USB cameras, HDMI grabbers.
    V4l2(PathBuf),
    /// Of libcamera, such as the Raspberry Pi's; the first one, or the one of this name.
    Libcamera(Option<String>),
}

/// Where sound comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioSource {
    /// A tone that comes and goes, for tests.
    Tone,
    /// A device of ALSA, such as `hw:1`; the default one without.
    Alsa(Option<String>),
    /// A source of PulseAudio or of PipeWire in its place.
    Pulse(Option<String>),
    /// A source of PipeWire.
    PipeWire(Option<String>),
    /// The sound of the video's address.
    Url,
}

/// Why a camera's settings are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// No width and height.
    #[error("a size is WIDTHxHEIGHT in even pixels from 64 to 3840, such as 1280x720")]
    Size,
    /// No rotation.
    #[error("a rotation is 0, 90, 180 or 270 degrees, clockwise")]
    Rotation,
    /// No title.
    #[error("a title over the picture is a line of at most 120 characters")]
    Title,
    /// No picture.
    #[error(
        "a picture comes from first (the first camera found), a device such as /dev/video0 or libcamera, an address such as rtsp://CAMERA/, \
         the path of a picture such as /srv/poster.png, pattern (a test picture), or none (sound alone)"
    )]
    Picture,
    /// No address that is pulled from.
    #[error("a source's address begins with rtsp://, rtmp://, http://, https://, srt:// or file:///")]
    Url,
    /// No device.
    #[error(
        "a device is first, /dev/video0 and the like, libcamera, or libcamera:NAME: 'meshstream camera --list' names what is there"
    )]
    Device,
    /// No sound.
    #[error("sound comes from none, tone, alsa, pulse or pipewire, each with :DEVICE where it is not the default one")]
    Audio,
    /// No still picture with a sound.
    #[error("a still picture wants a sound: name one with --audio")]
    Silent,
}

/// Kinds of addresses that are pulled from.
const SCHEMES: [&str; 7] = ["rtsp://", "rtsps://", "rtmp://", "http://", "https://", "srt://", "file:///"];

impl VideoSource {
    /// Whether its end is a fault: only a file and what is served as one, such as a recording in HLS, come to an end.
    pub fn goes_on(&self) -> bool {
        !matches!(self, Self::Url(url) if is_served_as_a_file(url))
    }

    /// What is pulled from an address.
    ///
    /// # Errors
    /// [`BadSource::Url`] where it is none.
    pub fn url(text: &str) -> Result<Self, BadSource> {
        let known = SCHEMES
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        if known { Ok(Self::Url(text.to_owned())) } else { Err(BadSource::Url) }
    }
}

/// Whether what comes from an address comes as quickly as it is taken, and not as a camera gives it.
pub(super) fn is_served_as_a_file(url: &str) -> bool {
    url.split_once(':')
        .is_some_and(|(scheme, _)| ["http", "https", "file"].iter().any(|file| scheme.eq_ignore_ascii_case(file)))
}

impl FromStr for VideoDevice {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        match text.split_once(':') {
            _ if text.starts_with("/dev/") => Ok(Self::V4l2(text.into())),
            None if text == "first" => Ok(Self::First),
            None if text == "libcamera" => Ok(Self::Libcamera(None)),
            Some(("libcamera", name)) if !name.is_empty() => Ok(Self::Libcamera(Some(name.to_owned()))),
            _ => Err(BadSource::Device),
        }
    }
}

impl AudioSource {
    /// What a person writes; `None` for no sound.
    ///
    /// # Errors
    /// [`BadSource::Audio`] where it is neither.
    pub fn parse(text: &str) -> Result<Option<Self>, BadSource> {
        let (kind, device) = match text.split_once(':') {
            Some((kind, device)) if !device.is_empty() => (kind, Some(device.to_owned())),
            Some(_) => return Err(BadSource::Audio),
            None => (text, None),
        };
        match (kind, device) {
            ("none", None) => Ok(None),
            ("tone", None) => Ok(Some(Self::Tone)),
            ("alsa", device) => Ok(Some(Self::Alsa(device))),
            ("pulse", device) => Ok(Some(Self::Pulse(device))),
            ("pipewire", device) => Ok(Some(Self::PipeWire(device))),
            _ => Err(BadSource::Audio),
        }
    }
}

/// A job for tests: a small picture.
#[cfg(test)]
pub(super) fn small(video: Option<VideoSource>, audio: Option<AudioSource>) -> Job {
    let number = |number| NonZeroU32::new(number).unwrap();
    let encoding = Encoding {
        size: "640x360".parse().unwrap(),
        rate: number(25),
        video_kbps: number(800),
        audio_kbps: number(64),
        keyframe_interval: number(25),
        rotation: Rotation::None,
        title: None,
        clock: false,
        encoder: None,
    };
    Job { video, audio, encoding, publish: PublishUrl("rtmp://node/live/camera?key=secret".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn keyframes_divide_the_target_duration() {
        let interval = |seconds, rate| keyframe_interval(Duration::from_secs(seconds), number(rate)).get();
        assert_eq!(interval(15, 25), 25);
        assert_eq!(interval(15, 30), 50);
        assert_eq!(interval(4, 25), 50);
        assert_eq!(interval(1, 25), 25);
        assert_eq!(interval(6, 30), 60);
    }

    proptest! {
        #[test]
        fn every_target_and_rate_has_an_interval(seconds in 1_u64..60, rate in 1_u32..=120) {
            let interval = keyframe_interval(Duration::from_secs(seconds), number(rate)).get();
            prop_assert!(interval <= 2 * rate);
            prop_assert!((seconds * u64::from(rate)).is_multiple_of(interval.into()));
        }
    }

    #[test]
    fn sizes_are_even_and_within_limits() {
        assert_eq!("1280x720".parse::<Size>().unwrap().to_string(), "1280x720");
        for odd in ["", "720", "1281x720", "1280x", "8000x720", "-2x4", "1280x720x2", "0x0"] {
            assert_eq!(odd.parse::<Size>(), Err(BadSource::Size), "{odd}");
        }
    }

    #[test]
    fn a_title_is_a_line() {
        assert_eq!("Häl 'l'".parse::<Title>().unwrap().as_str(), "Häl 'l'");
        for odd in ["", "two\nlines", &"x".repeat(MAX_TITLE + 1)] {
            assert_eq!(odd.parse::<Title>(), Err(BadSource::Title), "{odd}");
        }
    }

    #[test]
    fn sources_are_read_as_people_write_them() {
        assert_eq!("/dev/video2".parse(), Ok(VideoDevice::V4l2("/dev/video2".into())));
        assert_eq!("first".parse(), Ok(VideoDevice::First));
        assert_eq!("libcamera".parse(), Ok(VideoDevice::Libcamera(None)));
        assert_eq!("libcamera:/base/i2c@1a".parse(), Ok(VideoDevice::Libcamera(Some("/base/i2c@1a".to_owned()))));
        assert_eq!("video0".parse::<VideoDevice>(), Err(BadSource::Device));
        assert_eq!(AudioSource::parse("none"), Ok(None));
        assert_eq!(AudioSource::parse("alsa:hw:1,0"), Ok(Some(AudioSource::Alsa(Some("hw:1,0".to_owned())))));
        assert_eq!(AudioSource::parse("pipewire"), Ok(Some(AudioSource::PipeWire(None))));
        for odd in ["", "alsa:", "tone:1", "none:x", "jack"] {
            assert_eq!(AudioSource::parse(odd), Err(BadSource::Audio), "{odd}");
        }
        assert_eq!(VideoSource::url("RTSP://cam/1"), Ok(VideoSource::Url("RTSP://cam/1".to_owned())));
        for odd in ["", "cam", "ftp://x", "file://relative"] {
            assert_eq!(VideoSource::url(odd), Err(BadSource::Url), "{odd}");
        }
    }

    #[test]
    fn only_files_and_what_is_served_as_one_end() {
        for (url, goes_on) in [
            ("rtsp://cam/1", true),
            ("SRT://10.0.0.1:9000", true),
            ("rtmp://node/live/hall", true),
            ("file:///talk.mp4", false),
            ("HTTPS://host/index.m3u8", false),
        ] {
            assert_eq!(VideoSource::url(url).unwrap().goes_on(), goes_on, "{url}");
        }
        assert!(VideoSource::Device(VideoDevice::First).goes_on() && VideoSource::Pattern.goes_on());
    }

    #[test]
    fn a_job_travels_and_never_prints_its_key() {
        let device = VideoSource::Device(VideoDevice::V4l2("/dev/video0".into()));
        let mut job = small(Some(device), Some(AudioSource::Alsa(None)));
        (job.encoding.rotation, job.encoding.title, job.encoding.clock) = (Rotation::Half, "Hall".parse().ok(), true);
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        assert!(!format!("{job:?}").contains("secret"));
    }
}
