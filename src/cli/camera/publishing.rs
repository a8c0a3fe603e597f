//! What `meshstream camera` does where there is GStreamer.

use std::fs;
use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde_json::json;
use stream_model::{CameraDevice, NewStreamKey, NodeReport, StreamName};
use streamer::camera::{
    AudioSource, BadSource, Device, DeviceKind, Encoding, Job, PublishUrl, Supervisor, Trouble, VideoDevice,
    VideoSource, WorkerCommand, devices, keyframe_interval,
};
use tokio_util::sync::CancellationToken;

use super::{Camera, Worker};
use crate::cameras::wanted::audio;
use crate::cameras::{Telling, WORKER, key, on_this_machine};
use crate::cli::show::print_json;
use crate::config::Config;
use crate::control::Client;
use crate::data_dir::give_to_owner;
use crate::node;
use crate::output::print;

/// Publishes until it is stopped.
pub(crate) async fn run(config: &Config, camera: Camera) -> anyhow::Result<()> {
    if camera.list {
        return list(camera.output.json);
    }
    let (video, audio) = sources(&camera)?;
    let publish = match &camera.to {
        Some(url) if url.starts_with("rtmp://") => url.clone(),
        Some(_) => bail!("--to is an address such as rtmp://NODE:1935/live/NAME?key=KEY"),
        None => local(config, &camera.name).await?,
    };
    let rate = NonZeroU32::new(camera.rate).context("the rate is at least 1")?;
    let encoding = Encoding {
        size: camera.size,
        rate,
        video_kbps: camera.bitrate,
        audio_kbps: camera.audio_bitrate,
        keyframe_interval: keyframe_interval(config.segment.target_duration, rate),
        rotation: camera.rotate,
        title: camera.title,
        clock: camera.clock,
        encoder: camera.encoder,
    };
    let job = Job { video, audio, encoding, publish: PublishUrl(publish) };
    let worker = WorkerCommand::this(WORKER).context("cannot find this program, which is its own encoder")?;
    node::start_logging("info");
    let stop = CancellationToken::new();
    node::stop_on_signals(&stop)?;
    let mut telling = Telling::default();
    Supervisor::new(worker, job).run(&stop, |event| telling.handle(&event)).await?;
    tracing::info!("ended");
    Ok(())
}

/// Encodes, as the process of its own that a plugin may take along.
pub(crate) fn work(worker: Worker) -> anyhow::Result<()> {
    if worker.devices {
        let device = |device: Device| CameraDevice {
            video: device.kind == DeviceKind::Video,
            name: device.name,
            argument: device.argument,
        };
        return print_json(&devices()?.into_iter().map(device).collect::<Vec<_>>());
    }
    streamer::camera::work(BufReader::new(io::stdin()), io::stdout().lock()).context("nobody listens to this encoder")
}

/// What is published, by what the arguments name.
fn sources(camera: &Camera) -> anyhow::Result<(Option<VideoSource>, Option<AudioSource>)> {
    let video = if camera.no_video {
        None
    } else if camera.test_pattern {
        Some(VideoSource::Pattern)
    } else if let Some(url) = &camera.url {
        Some(VideoSource::url(url)?)
    } else if let Some(path) = &camera.still {
        Some(VideoSource::Still(fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?))
    } else if let Some(device) = &camera.device {
        Some(VideoSource::Device(device.clone()))
    } else {
        is_there_a_camera()?;
        Some(VideoSource::Device(VideoDevice::First))
    };
    let audio = audio(camera.audio.as_deref().unwrap_or_default(), video.as_ref())?;
    match (&video, &audio) {
        (None | Some(VideoSource::Still(_)), None) => Err(BadSource::Silent.into()),
        _ => Ok((video, audio)),
    }
}

/// Who starts a camera by hand hears at once that there is none.
fn is_there_a_camera() -> anyhow::Result<()> {
    let found = devices()?.iter().any(|device| device.kind == DeviceKind::Video);
    if found { Ok(()) } else { bail!("{}; or try --test-pattern", Trouble::NoCamera) }
}

/// Where this machine's node takes the stream of a name, with the key that it was given before or gets now.
async fn local(config: &Config, name: &StreamName) -> anyhow::Result<String> {
    let client =
        Client::require(&config.node.data_dir).await.map_err(|error| anyhow!("{error}, or another node with --to"))?;
    let report: NodeReport = client.get("/api/v1/node").await?;
    let address = report.listen.rtmp.first().and_then(|address| address.parse::<SocketAddr>().ok());
    let address = address.context("the node takes no RTMP: set ingest.listen")?;
    let address = on_this_machine(address);
    let key = key(&client, &key::key_file(&config.node.data_dir, name), name).await?;
    give_to_owner(&config.node.data_dir)?;
    Ok(format!("rtmp://{address}/live/{name}?key={key}"))
}

async fn key(client: &Client, file: &Path, name: &StreamName) -> anyhow::Result<String> {
    let kept = key::read(file).with_context(|| format!("cannot read the camera's key {}", file.display()))?;
    if let Some(key) = kept {
        return Ok(key);
    }
    let made: anyhow::Result<NewStreamKey> = client.post("/control/keys", &json!({ "name": name })).await;
    let made = made.with_context(|| {
        format!(
            "no key could be made for the stream '{name}': choose another --name, or name the key that there is with --to \
             rtmp://127.0.0.1:1935/live/{name}?key=KEY"
        )
    })?;
    key::keep(file, &made.key).with_context(|| format!("cannot keep the camera's key in {}", file.display()))?;
    Ok(made.key.expose().to_owned())
}

fn list(json: bool) -> anyhow::Result<()> {
    let devices = devices()?;
    if json {
        return print_json(&devices);
    }
    print(|out| {
        if devices.is_empty() {
            writeln!(
                out,
                "No camera and no microphone is found here. Plug one in, or try 'meshstream camera --test-pattern'."
            )?;
            return writeln!(out, "For a Raspberry Pi's own camera install 'gstreamer1.0-libcamera'.");
        }
        devices.iter().try_for_each(|device| {
            let option = if device.kind == DeviceKind::Video { "--device" } else { "--audio" };
            writeln!(out, "{option} {}  {}{}", device.argument, device.name, best(device))
        })
    })
}

/// The largest picture that a camera gives.
fn best(device: &Device) -> String {
    let largest = device.formats.iter().max_by_key(|format| (format.width * format.height, format.rate));
    largest
        .map_or_else(String::new, |format| format!("  up to {}x{} at {}/s", format.width, format.height, format.rate))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        camera: Camera,
    }

    fn of(words: &[&str]) -> anyhow::Result<(Option<VideoSource>, Option<AudioSource>)> {
        sources(&Line::try_parse_from(["camera"].iter().chain(words))?.camera)
    }

    #[test]
    fn sources_are_what_the_arguments_name() {
        assert_eq!(of(&["--test-pattern"]).unwrap(), (Some(VideoSource::Pattern), Some(AudioSource::Tone)));
        assert_eq!(of(&["--test-pattern", "--audio", "none"]).unwrap(), (Some(VideoSource::Pattern), None));
        let url = Some(VideoSource::Url("rtsp://cam/1".to_owned()));
        assert_eq!(of(&["--url", "rtsp://cam/1"]).unwrap(), (url, Some(AudioSource::Url)));
        assert_eq!(of(&["--no-video", "--audio", "tone"]).unwrap(), (None, Some(AudioSource::Tone)));
        for wrong in [&["--url", "cam"][..], &["--no-video", "--audio", "none"], &["--device", "cam"], &["--rate", "0"]]
        {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
        assert!(of(&["--test-pattern", "--no-video"]).is_err(), "one picture at a time");
    }
}
