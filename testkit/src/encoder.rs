//! Real encoders as publishers.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::netns::Namespace;

/// A guard against hanging for encoders that are expected to end by themselves.
const END_GUARD: Duration = Duration::from_secs(60);

/// Pictures a second.
pub const FRAME_RATE: u32 = 25;

/// A tone, for [`Picture::tone`].
pub const TONE: &str = "sine=frequency=440:sample_rate=44100";

/// What an encoder sends.
#[derive(Debug, Clone)]
pub struct Picture {
    /// A moving test picture.
    pub video: bool,
    /// Sound.
    pub audio: bool,
    /// What the sound is, as a source of lavfi.
    pub tone: &'static str,
    /// Width and height of the picture.
    pub size: (u32, u32),
    /// Seconds between keyframes.
    pub keyframe_interval: u32,
    /// Kilobits of video a second.
    pub kbps: u32,
    /// Seconds of media; for ever where `None`.
    pub length: Option<u32>,
    /// Frames of the picture, which then ends before the sound does; as many as there is time for where `None`.
    pub frames: Option<u32>,
}

impl Picture {
    /// Small, with sound, for ever: [`Picture::default`] where a constant is wanted.
    pub const SMALL: Self = Self {
        video: true,
        audio: true,
        tone: TONE,
        size: (320, 180),
        keyframe_interval: 1,
        kbps: 500,
        length: None,
        frames: None,
    };
}

impl Default for Picture {
    fn default() -> Self {
        Self::SMALL
    }
}

/// A running ffmpeg that publishes in real time. Killed when dropped.
#[derive(Debug)]
pub struct Ffmpeg {
    child: Child,
}

impl Ffmpeg {
    /// Starts publishing a test picture to an RTMP URL.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn publish(url: &str, picture: &Picture) -> Result<Self> {
        Self::run(Command::new("ffmpeg"), arguments(url, picture))
    }

    /// Waits for somebody who pulls a test picture by SRT.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn serve_srt(port: u16, picture: &Picture) -> Result<Self> {
        let url = format!("srt://127.0.0.1:{port}?mode=listener");
        Self::run(Command::new("ffmpeg"), arguments_as("mpegts", &url, picture))
    }

    /// Records a test picture as an HLS playlist and its segments beside it, in real time.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn record_hls(playlist: &Path, picture: &Picture) -> Result<Self> {
        let playlist = playlist.to_str().context("a path that is not UTF-8")?;
        Self::run(Command::new("ffmpeg"), arguments_as("hls", playlist, picture))
    }

    /// Makes a picture that does not move, as a PNG file.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn draw(file: &Path) -> Result<Self> {
        let file = file.to_str().context("a path that is not UTF-8")?;
        let words = ["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc=size=640x360", "-frames:v", "1", file];
        Self::run(Command::new("ffmpeg"), words.map(str::to_owned).to_vec())
    }

    /// Feeds a picture to a device of v4l2loopback, so that it is a camera.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn feed_v4l2(device: &str) -> Result<Self> {
        let words = "-v error -nostdin -re -f lavfi -i testsrc2=size=320x180:rate=25 -pix_fmt yuyv422 -f v4l2";
        Self::run(Command::new("ffmpeg"), words.split(' ').chain([device]).map(str::to_owned).collect())
    }

    /// Plays a tone on a device of ALSA.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn feed_alsa(device: &str) -> Result<Self> {
        let words = "-v error -nostdin -re -f lavfi -i sine=frequency=440 -f alsa";
        Self::run(Command::new("ffmpeg"), words.split(' ').chain([device]).map(str::to_owned).collect())
    }

    /// The same from another namespace.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn publish_from(namespace: &Namespace, url: &str, picture: &Picture) -> Result<Self> {
        Self::run(namespace.command("ffmpeg"), arguments(url, picture))
    }

    /// Starts publishing a recording of H.264 without sound (`captions::record`) as it is, in real time.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn publish_recording(url: &str, recording: &Path) -> Result<Self> {
        let before = ["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "h264", "-framerate", "25", "-i"];
        let recording = recording.to_str().context("a path that is not UTF-8")?;
        let words = before.into_iter().chain([recording, "-c", "copy", "-f", "flv", url]);
        Self::run(Command::new("ffmpeg"), words.map(str::to_owned).collect())
    }

    /// Starts to play so many seconds of a URL, as quickly as they come, and ends with success where it found some
    /// picture and sound and nothing broken.
    ///
    /// # Errors
    /// Where ffmpeg is not installed.
    pub fn play_from(namespace: &Namespace, url: &str, seconds: u32) -> Result<Self> {
        let words =
            format!("-hide_banner -loglevel error -nostdin -xerror -i {url} -t {seconds} -map 0:v -map 0:a -f null -");
        Self::run(namespace.command("ffmpeg"), words.split(' ').map(str::to_owned).collect())
    }

    fn run(mut command: Command, arguments: Vec<String>) -> Result<Self> {
        let child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run ffmpeg: run 'make test-deps' first")?;
        Ok(Self { child })
    }

    /// Waits until it ends by itself, and returns its status and what it said.
    ///
    /// # Errors
    /// Where it goes on.
    pub async fn ended(mut self) -> Result<(ExitStatus, String)> {
        let mut stderr = self.child.stderr.take().context("its output is read already")?;
        let mut text = String::new();
        let end = async {
            stderr.read_to_string(&mut text).await?;
            self.child.wait().await
        };
        match tokio::time::timeout(END_GUARD, end).await {
            Ok(status) => Ok((status?, text)),
            Err(_) => bail!("ffmpeg was expected to end but goes on"),
        }
    }

    /// `kill -9`: the connection breaks with no goodbye of RTMP.
    ///
    /// # Errors
    /// Where it has ended before.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

fn arguments(url: &str, picture: &Picture) -> Vec<String> {
    arguments_as("flv", url, picture)
}

fn arguments_as(container: &str, url: &str, picture: &Picture) -> Vec<String> {
    let rate = FRAME_RATE;
    let mut words: Vec<String> = ["-hide_banner", "-loglevel", "error", "-nostdin"].map(str::to_owned).to_vec();
    let mut push = |text: &str| words.extend(text.split(' ').map(str::to_owned));
    if picture.video {
        let (width, height) = picture.size;
        let source = format!("testsrc2=size={width}x{height}:rate={rate}");
        let end = picture.frames.map(|frames| format!(":duration={}", f64::from(frames) / f64::from(rate)));
        push(&format!("-re -f lavfi -i {source}{}", end.unwrap_or_default()));
    }
    if picture.audio {
        push(&format!("-re -f lavfi -i {}", picture.tone));
    }
    if let Some(length) = picture.length {
        push(&format!("-t {length}"));
    }
    if picture.video {
        let (kbps, gop) = (picture.kbps, picture.keyframe_interval * rate);
        push("-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p");
        push(&format!("-g {gop} -keyint_min {gop} -sc_threshold 0 -b:v {kbps}k -maxrate {kbps}k -bufsize {kbps}k"));
    }
    if picture.audio {
        push("-c:a aac -b:a 64k");
    }
    push(&format!("-f {container}"));
    words.push(url.to_owned());
    words
}
