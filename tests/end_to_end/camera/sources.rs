//! Every kind of source, each a real one.

use anyhow::{Context as _, Result, ensure};
use testkit::camera::Camera;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::Node;
use testkit::source::{MediaServer, RtspServer, SoundCard, free_port, tracks_of};

use super::SMALL;
use crate::node;

/// Starts a camera with these arguments, and waits until some segments of it are there: with a picture, with sound.
async fn publishes(
    a: &Node,
    arguments: &[&str],
    environment: impl IntoIterator<Item = (&'static str, String)>,
    tracks: &[&str],
) -> Result<()> {
    let mut events = Events::of(a).await?;
    let camera = Camera::start_in(a, &[arguments, &SMALL].concat(), environment)?;
    let slug = events.live_broadcast().await.with_context(|| format!("{arguments:?}"))?;
    events.subscribe(&slug).await?;
    events.segment(2).await.with_context(|| format!("{arguments:?}"))?;
    let found = tracks_of(&format!("{}/hls/{slug}/whole.m3u8", a.web())).await?;
    ensure!(found == *tracks, "{arguments:?} gave {found:?}");
    let (status, said) = camera.terminate().await?;
    ensure!(status.success(), "{arguments:?}: {status}: {said}");
    Ok(())
}

const NOTHING: [(&str, String); 0] = [];
const BOTH: [&str; 2] = ["audio", "video"];

#[tokio::test]
async fn a_camera_of_the_network() -> Result<()> {
    let (a, camera) = (node("roof").await?, RtspServer::start().await?);
    publishes(&a, &["--url", camera.url()], NOTHING, &BOTH).await
}

#[tokio::test]
async fn the_picture_of_a_camera_of_the_network_alone() -> Result<()> {
    let (a, camera) = (node("roof").await?, RtspServer::start().await?);
    publishes(&a, &["--url", camera.url(), "--audio", "none"], NOTHING, &["video"]).await
}

#[tokio::test]
async fn what_another_server_has_by_rtmp() -> Result<()> {
    let (a, server) = (node("roof").await?, MediaServer::start().await?);
    let url = server.rtmp("hall");
    let _publisher = Ffmpeg::publish(&url, &Picture::default())?;
    publishes(&a, &["--url", &url], NOTHING, &BOTH).await
}

#[tokio::test]
async fn a_recording_that_a_web_server_has_as_hls() -> Result<()> {
    let (a, server) = (node("roof").await?, MediaServer::start().await?);
    let (file, url) = server.file("talk.m3u8");
    let recorded = Ffmpeg::record_hls(&file, &Picture { length: Some(8), ..Picture::default() })?;
    let (status, said) = recorded.ended().await?;
    ensure!(status.success(), "{said}");
    publishes(&a, &["--url", &url], NOTHING, &BOTH).await
}

#[tokio::test]
async fn what_another_encoder_has_by_srt() -> Result<()> {
    let (a, port) = (node("roof").await?, free_port()?);
    let _encoder = Ffmpeg::serve_srt(port, &Picture::default())?;
    publishes(&a, &["--url", &format!("srt://127.0.0.1:{port}")], NOTHING, &BOTH).await
}

#[tokio::test]
async fn a_picture_that_does_not_move_with_sound() -> Result<()> {
    let (a, home) = (node("roof").await?, tempfile::tempdir()?);
    let poster = home.path().join("poster.png");
    let (status, said) = Ffmpeg::draw(&poster)?.ended().await?;
    ensure!(status.success(), "{said}");
    let poster = poster.display().to_string();
    publishes(&a, &["--still", &poster, "--audio", "tone"], NOTHING, &BOTH).await
}

#[tokio::test]
async fn sound_alone() -> Result<()> {
    publishes(&node("roof").await?, &["--no-video", "--audio", "tone"], NOTHING, &["audio"]).await
}

#[tokio::test]
async fn a_microphone_by_pulseaudio_and_by_alsa() -> Result<()> {
    let (a, card) = (node("roof").await?, SoundCard::start().await?);
    for (name, audio) in [("pulse", "pulse:hall.monitor"), ("alsa", "alsa:hall")] {
        let arguments = ["--test-pattern", "--audio", audio, "--name", name];
        publishes(&a, &arguments, card.environment(), &BOTH).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_turned_picture_with_a_title_and_a_clock() -> Result<()> {
    let a = node("roof").await?;
    let arguments = ["--test-pattern", "--rotate", "90", "--title", "Häl 'l' ! sink", "--clock"];
    publishes(&a, &arguments, NOTHING, &BOTH).await
}

#[tokio::test]
async fn openh264_where_it_is_named() -> Result<()> {
    publishes(&node("roof").await?, &["--test-pattern", "--encoder", "openh264enc"], NOTHING, &BOTH).await
}

/// The device of v4l2loopback that the environment names, with a writer.
#[tokio::test]
#[ignore = "asks for the kernel module v4l2loopback: 'make test-devices'"]
async fn a_camera_of_video4linux() -> Result<()> {
    let device = std::env::var("V4L2LOOPBACK").unwrap_or_else(|_| "/dev/video0".to_owned());
    let writer = Ffmpeg::feed_v4l2(&device)?;
    let a = node("roof").await?;
    publishes(&a, &["--device", &device, "--audio", "none"], NOTHING, &["video"]).await?;
    writer.kill().await
}

/// The loopback of snd-aloop, whose other end plays a tone.
#[tokio::test]
#[ignore = "asks for the kernel module snd-aloop: 'make test-devices'"]
async fn a_sound_card_of_the_kernel() -> Result<()> {
    let player = Ffmpeg::feed_alsa("hw:Loopback,0")?;
    publishes(&node("roof").await?, &["--test-pattern", "--audio", "alsa:hw:Loopback,1"], NOTHING, &BOTH).await?;
    player.kill().await
}
