//! The program as an encoder: GStreamer in a process of its own, publishing to a node as any encoder does.

mod service;
mod sources;
mod trouble;

use anyhow::{Context as _, Result, ensure};
use testkit::camera::Camera;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node};

/// A picture that costs little to encode.
const SMALL: [&str; 6] = ["--size", "320x180", "--rate", "25", "--bitrate", "300"];

fn pattern(node: &Node, more: &[&str]) -> Result<Camera> {
    Camera::start(node, &[&["--test-pattern"], &SMALL[..], more].concat())
}

/// The durations of the segments of a playlist, in seconds.
fn durations(playlist: &str) -> Vec<f64> {
    let lines = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    lines.filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

#[tokio::test]
async fn a_camera_gets_a_key_and_its_segments_are_as_long_as_they_may_be() -> Result<()> {
    let settings = Settings { name: "roof".to_owned(), target_duration: Some("3s".to_owned()), ..Settings::default() };
    let a = Node::start(MESHSTREAM, settings).await?;
    let mut events = Events::of(&a).await?;
    let camera = pattern(&a, &[])?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(2).await?;
    let playlist = a.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    let durations = durations(&playlist);
    ensure!(durations.iter().all(|seconds| (seconds - 3.0).abs() < 0.1), "{durations:?}");
    let (status, said) = camera.terminate().await?;
    ensure!(status.success(), "{status}: {said}");
    ensure!(said.contains("publishing"), "it says that it publishes: {said}");

    let keys = a.cli_json(&["key", "list", "--json"]).await?;
    ensure!(keys[0]["name"] == "camera", "{keys}");
    let again = pattern(&a, &["--audio", "none"])?;
    let mut events = Events::of(&a).await?;
    events.live_broadcast().await.context("it publishes with the key that it has")?;
    again.terminate().await?;
    ensure!(!a.log().contains("camera?key="), "the key is in the node's log");
    Ok(())
}

#[tokio::test]
async fn a_file_is_published_to_its_end() -> Result<()> {
    let a = node("roof").await?;
    let mut events = Events::of(&a).await?;
    let home = tempfile::tempdir()?;
    let file = home.path().join("talk.flv").display().to_string();
    let (status, said) = Ffmpeg::publish(&file, &Picture { length: Some(5), ..Picture::default() })?.ended().await?;
    ensure!(status.success(), "{said}");
    let url = format!("file://{file}");
    let camera = Camera::start(&a, &[&["--url", &url], &SMALL[..]].concat())?;
    let slug = events.live_broadcast().await?;
    let (status, said) = camera.ended().await?;
    ensure!(status.success(), "{status}: {said}");
    let playlist = a.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    let all: f64 = durations(&playlist).iter().sum();
    ensure!((4.0..6.0).contains(&all), "{all} s of {playlist}");
    Ok(())
}

#[tokio::test]
async fn what_is_missing_is_told() -> Result<()> {
    let mut a = node("roof").await?;
    let mut gone = Camera::start(&a, &["--url", "file:///nowhere/talk.mp4"])?;
    gone.says("file:///nowhere/talk.mp4 cannot be read").await?;
    gone.terminate().await?;
    let (status, said) = Camera::start(&a, &["--test-pattern", "--encoder", "fakesink"])?.ended().await?;
    ensure!(!status.success() && said.contains("leave --encoder out"), "{status}: {said}");
    a.cli(&["key", "revoke", "camera"]).await?;
    let mut refused = pattern(&a, &[])?;
    refused.says("the node does not take the stream").await?;
    refused.terminate().await?;
    a.kill().await?;
    let (status, said) = Camera::start(&a, &["--test-pattern"])?.ended().await?;
    ensure!(!status.success() && said.contains("meshstream run"), "{status}: {said}");
    Ok(())
}

#[tokio::test]
async fn devices_are_listed_for_people_and_programs() -> Result<()> {
    let a = node("roof").await?;
    let devices = a.cli_json(&["camera", "--list", "--json"]).await?;
    ensure!(devices.is_array(), "{devices}");
    let text = a.cli(&["camera", "--list"]).await?;
    ensure!(text.contains("--device") || text.contains("--audio") || text.contains("--test-pattern"), "{text}");
    Ok(())
}
