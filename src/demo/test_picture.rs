//! The demo's test picture, with a clock in it: by this program's own encoder, or by ffmpeg where it was built without one.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use stream_model::CameraSettings;
use streamer::camera::{Event, PublishUrl, Supervisor, WorkerCommand};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::say;
use crate::cameras::WORKER;
use crate::cameras::wanted::wanted;

/// Of the picture.
const SIZE: &str = "640x360";
const RATE: u32 = 25;
const KBPS: u32 = 800;

/// A font for ffmpeg's clock; without it the picture's own counter is the clock.
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";

/// Who makes the picture. Ends when dropped.
pub(super) enum TestPicture {
    Camera { run: JoinHandle<anyhow::Result<()>>, stop: CancellationToken },
    Ffmpeg(Child),
}

impl TestPicture {
    /// Has one published, for segments of a target duration.
    ///
    /// # Errors
    /// Where its maker cannot be started.
    pub(super) fn publish(url: String, target_duration: Duration) -> anyhow::Result<Self> {
        if cfg!(feature = "gstreamer") {
            return camera(url, target_duration);
        }
        say("this meshstream was built without GStreamer, so ffmpeg makes the test picture");
        Ok(Self::Ffmpeg(ffmpeg(&url)?))
    }

    /// What makes it, for people.
    pub(super) fn maker(&self) -> &'static str {
        match self {
            Self::Camera { .. } => "the node's own encoder (GStreamer)",
            Self::Ffmpeg(_) => "ffmpeg",
        }
    }

    /// Waits until it ends, which it should not.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self {
            Self::Camera { run, .. } => match run.await {
                Ok(Err(error)) => error.context("there is no test picture"),
                Ok(Ok(())) => anyhow!("the test picture came to an end: try the demo again"),
                Err(error) => anyhow!("the test picture failed: {error}"),
            },
            Self::Ffmpeg(child) => match child.wait().await {
                Ok(status) => anyhow!("ffmpeg ended ({status}): run it by hand to see why, or try the demo again"),
                Err(error) => anyhow!("ffmpeg: {error}"),
            },
        }
    }
}

impl Drop for TestPicture {
    fn drop(&mut self) {
        if let Self::Camera { stop, .. } = self {
            stop.cancel();
        }
    }
}

/// The test pattern of a camera.
fn camera(url: String, target_duration: Duration) -> anyhow::Result<TestPicture> {
    let settings = CameraSettings {
        source: "pattern".to_owned(),
        size: SIZE.to_owned(),
        rate: RATE,
        bitrate: KBPS,
        clock: true,
        ..CameraSettings::default()
    };
    let wanted = wanted(&settings, target_duration)?;
    let job = wanted.job(PublishUrl(url));
    let worker = WorkerCommand::this(WORKER).context("cannot find this program, which is its own encoder")?;
    let stop = CancellationToken::new();
    let (supervisor, stopped) = (Supervisor::new(worker, job), stop.clone());
    let run = async move {
        let tell = |event| {
            if let Event::Again { trouble, .. } = event {
                say(&format!("the test picture is started again: {trouble}"));
            }
        };
        Ok(supervisor.run(&stopped, tell).await?)
    };
    Ok(TestPicture::Camera { run: tokio::spawn(run), stop })
}

/// A moving test picture with a clock, and a tone, as an encoder at a conference would send them.
fn ffmpeg(url: &str) -> anyhow::Result<Child> {
    let mut picture = format!("testsrc2=size={SIZE}:rate={RATE}");
    if Path::new(FONT).exists() {
        picture += &format!(
            ",drawtext=fontfile={FONT}:text='%{{localtime\\:%H\\\\\\:%M\\\\\\:%S}}':fontsize=56:fontcolor=white\
             :box=1:boxcolor=black@0.6:boxborderw=12:x=(w-tw)/2:y=h-th-40"
        );
    }
    Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", &picture])
        .args(["-re", "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=2:sample_rate=44100"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"])
        .args(["-g", &RATE.to_string(), "-sc_threshold", "0", "-b:v", &format!("{KBPS}k"), "-c:a", "aac", "-b:a", "64k"])
        .args(["-f", "flv", url])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run ffmpeg, which makes the test picture: install it ('make demo' does, or 'apt-get install ffmpeg')")
}
