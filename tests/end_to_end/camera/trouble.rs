//! What goes wrong with cameras: encoders that die, hang or do not keep up, sources that go away.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use streamer::camera::read_stamp;
use testkit::camera::Camera;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::Node;
use testkit::source::{MediaServer, RtspServer, SoundCard, last_picture};

use super::{SMALL, pattern};
use crate::node;

/// Waits for the broadcast of a camera and for a segment of it.
async fn on_air(a: &Node) -> Result<(Events, String, u64)> {
    let mut events = Events::of(a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    let newest = events.segment(1).await?;
    Ok((events, slug, newest))
}

/// Whether the broadcast went on, with a discontinuity.
async fn has_gone_on(a: &Node, slug: &str) -> Result<()> {
    let playlist = a.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    ensure!(playlist.contains("#EXT-X-DISCONTINUITY\n"), "no discontinuity in {playlist}");
    ensure!(!playlist.contains("#EXT-X-ENDLIST"), "ended: {playlist}");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_is_killed_is_started_again_and_the_broadcast_goes_on() -> Result<()> {
    let a = node("roof").await?;
    let camera = pattern(&a, &[])?;
    let (mut events, slug, before) = on_air(&a).await?;
    camera.kill_worker().await?;
    events.segment(before + 3).await?;
    has_gone_on(&a, &slug).await?;
    let (status, said) = camera.terminate().await?;
    ensure!(status.success() && said.contains("signal: 9"), "{status}: {said}");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_stands_still_is_ended_and_started_again() -> Result<()> {
    let a = node("roof").await?;
    let mut camera = pattern(&a, &[])?;
    let (mut events, slug, before) = on_air(&a).await?;
    camera.stop_worker().await?;
    camera.says("nothing came for 10 s").await?;
    events.segment(before + 3).await?;
    has_gone_on(&a, &slug).await?;
    camera.terminate().await?;
    Ok(())
}

#[tokio::test]
async fn a_network_camera_that_goes_away_and_returns_continues_the_broadcast() -> Result<()> {
    let a = node("roof").await?;
    let source = RtspServer::start().await?;
    let url = source.url().to_owned();
    let mut camera = Camera::start(&a, &[&["--url", &url], &SMALL[..]].concat())?;
    let (mut events, slug, before) = on_air(&a).await?;
    let again = source.kill().await?;
    camera.says("the camera stopped").await?;
    let _source = again().await?;
    events.segment(before + 3).await?;
    has_gone_on(&a, &slug).await?;
    camera.terminate().await?;
    Ok(())
}

#[tokio::test]
async fn a_publisher_elsewhere_that_ends_is_waited_for() -> Result<()> {
    let a = node("roof").await?;
    let server = MediaServer::start().await?;
    let url = server.rtmp("hall");
    let publisher = Ffmpeg::publish(&url, &Picture::default())?;
    let mut camera = Camera::start(&a, &[&["--url", &url], &SMALL[..]].concat())?;
    let (mut events, slug, before) = on_air(&a).await?;
    publisher.kill().await?;
    camera.says("the camera stopped").await?;
    let _publisher = Ffmpeg::publish(&url, &Picture::default())?;
    events.segment(before + 3).await?;
    has_gone_on(&a, &slug).await?;
    camera.terminate().await?;
    Ok(())
}

#[tokio::test]
async fn a_microphone_that_is_unplugged_is_told_of_and_taken_again() -> Result<()> {
    let a = node("roof").await?;
    let mut card = SoundCard::start().await?;
    let arguments = [&["--test-pattern", "--audio", "pulse:hall.monitor"], &SMALL[..]].concat();
    let mut camera = Camera::start_in(&a, &arguments, card.environment())?;
    let (mut events, slug, before) = on_air(&a).await?;
    card.unplug().await?;
    camera.says("the device hall.monitor is not there").await?;
    card.plug_in().await?;
    events.segment(before + 3).await?;
    has_gone_on(&a, &slug).await?;
    camera.terminate().await?;
    Ok(())
}

/// Pictures are left out, and what is seen stays near to what is: an encoder with a tenth of its time that did not leave them
/// out would take ten times as long for this.
#[tokio::test]
async fn an_encoder_that_does_not_keep_up_leaves_pictures_out_and_stays_near() -> Result<()> {
    const AWHILE: Duration = Duration::from_secs(15);
    let a = node("roof").await?;
    let arguments =
        ["--test-pattern", "--size", "1280x720", "--rate", "30", "--bitrate", "800", "--encoder", "x264enc"];
    let mut camera = Camera::start(&a, &arguments)?;
    let (mut events, slug, newest) = on_air(&a).await?;
    let slowness = camera.slow_down()?;
    camera.says("pictures are left out").await?;
    let until = SystemTime::now().duration_since(UNIX_EPOCH)? + AWHILE;
    let mut newest = newest;
    loop {
        newest = events.segment(newest + 1).await.context("the stream goes on")?;
        if made_at(&a, &slug).await? > until {
            break;
        }
    }
    slowness.end().await?;
    events.segment(newest + 2).await?;
    camera.terminate().await?;
    Ok(())
}

/// When the newest picture was made, as it says itself.
async fn made_at(a: &Node, slug: &str) -> Result<Duration> {
    let playlist = a.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    let init = playlist.lines().rfind(|line| line.starts_with("#EXT-X-MAP:")).context("no initialization section")?;
    let init = init.split('"').nth(1).context("no URI")?;
    let mut media = a.get_bytes(&format!("/hls/{slug}/{init}")).await?;
    // Not each begins with a keyframe while pictures are left out.
    let segments: Vec<&str> = playlist.lines().filter(|line| line.ends_with(".m4s")).collect();
    for segment in &segments[segments.len().saturating_sub(4)..] {
        media.extend(a.get_bytes(&format!("/hls/{slug}/{segment}")).await?);
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), media)?;
    let (width, height) = (1_280, 720);
    let picture = last_picture(file.path(), width, height).await?;
    let stamp = read_stamp(&picture, width as usize, height as usize).context("no time in the picture")?;
    Ok(Duration::from_millis(stamp))
}
