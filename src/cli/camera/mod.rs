//! `meshstream camera`: publishes a camera, a stream of somebody else's, or a test pattern to a node.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use streamer::camera::{Rotation, Size, Title, VideoDevice};

use super::Output;

/// An encoder's process, which is told what to do on its standard input.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Worker {
    /// Only list the devices of this machine, as JSON
    #[arg(long)]
    devices: bool,
}

/// What is to be published, and how.
#[derive(Debug, Args)]
pub(crate) struct Camera {
    /// Only list the cameras and microphones of this machine
    #[arg(long)]
    list: bool,

    /// A camera or grabber: /dev/video0, libcamera, libcamera:NAME; the first one found where nothing is named
    #[arg(long, value_name = "DEVICE", group = "picture")]
    device: Option<VideoDevice>,

    /// Publish a moving test pattern with a ticking sound
    #[arg(long, group = "picture")]
    test_pattern: bool,

    /// Pull and publish a stream or a file: rtsp://, rtmp://, http:// (HLS), srt://, file:///
    #[arg(long, group = "picture")]
    url: Option<String>,

    /// Publish sound with a picture that does not move: a PNG or JPEG file
    #[arg(long, value_name = "FILE", group = "picture")]
    still: Option<PathBuf>,

    /// Publish sound alone
    #[arg(long, group = "picture")]
    no_video: bool,

    /// The sound: none, tone, alsa, pulse or pipewire, with :DEVICE where it is not the default one [default: alsa with a
    /// device, the address's own with --url]
    #[arg(long, value_name = "SOUND")]
    audio: Option<String>,

    /// The stream's name on this node, which a key is made for
    #[arg(long, default_value = "camera")]
    name: stream_model::StreamName,

    /// Publish to another node: rtmp://NODE:1935/live/NAME?key=KEY
    #[arg(long, value_name = "URL", conflicts_with = "name")]
    to: Option<String>,

    /// Width and height of the picture
    #[arg(long, default_value = "1280x720")]
    size: Size,

    /// Pictures a second
    #[arg(long, default_value = "25", value_parser = clap::value_parser!(u32).range(1..=120))]
    rate: u32,

    /// Bitrate of the picture in kbit/s
    #[arg(long, value_name = "KBPS", default_value = "1500")]
    bitrate: NonZeroU32,

    /// Bitrate of the sound in kbit/s
    #[arg(long, value_name = "KBPS", default_value = "96")]
    audio_bitrate: NonZeroU32,

    /// Turn the picture clockwise: 0, 90, 180 or 270 degrees
    #[arg(long, value_name = "DEGREES", default_value = "0")]
    rotate: Rotation,

    /// Write this over the picture
    #[arg(long, value_name = "TEXT")]
    title: Option<Title>,

    /// Write the time of day over the picture
    #[arg(long)]
    clock: bool,

    /// The encoder: v4l2h264enc, x264enc or openh264enc; the best that works where none is named
    #[arg(long)]
    encoder: Option<String>,

    #[command(flatten)]
    output: Output,
}

#[cfg(not(feature = "gstreamer"))]
#[expect(clippy::unused_async, reason = "as where there is something to wait for")]
pub(crate) async fn run(_: &crate::config::Config, _: Camera) -> anyhow::Result<()> {
    anyhow::bail!(
        "this meshstream was built without GStreamer, so it has no cameras: take one built with it, or publish with ffmpeg or OBS \
         ('meshstream key add NAME' tells how)"
    )
}

#[cfg(not(feature = "gstreamer"))]
pub(crate) fn work(_: Worker) -> anyhow::Result<()> {
    anyhow::bail!("this meshstream was built without GStreamer")
}

#[cfg(feature = "gstreamer")]
pub(crate) use publishing::{run, work};

#[cfg(feature = "gstreamer")]
mod publishing;
