//! Pictures to look through a broadcast with: made by the publisher's node, fetched by others, shown while seeking.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{MESHSTREAM, viewer_of};

/// Of one picture, as they are made.
const SIZE: (u32, u32) = (256, 144);
const POSTER_SIZE: (u32, u32) = (512, 288);

/// With segments of 6 s, which have two pictures each.
async fn publisher() -> Result<Node> {
    let settings = Settings {
        name: "publisher".to_owned(),
        target_duration: Some("6s".to_owned()),
        grace: Some("1s".to_owned()),
        thumbnails: true,
        ..Settings::default()
    };
    Node::start(MESHSTREAM, settings).await
}

/// One that is going on, of which there are some pictures.
struct Broadcast {
    slug: String,
    events: Events,
    encoder: Ffmpeg,
}

impl Broadcast {
    async fn begin(node: &Node) -> Result<Self> {
        let key = node.add_key("demo").await?;
        let mut events = Events::of(node).await?;
        let encoder = Ffmpeg::publish(&node.rtmp("demo", &key), &Picture::default())?;
        let slug = events.live_broadcast().await?;
        events.subscribe(&slug).await?;
        Ok(Self { slug, events, encoder })
    }
}

/// Waits until a node knows at least so many pictures of a broadcast, which goes on: asks again with each segment that its
/// publisher's events tell of.
async fn all_are_known(node: &Node, events: &mut Events, slug: &str, at_least: usize) -> Result<Vec<String>> {
    loop {
        if let Ok(found) = pictures(node, slug).await
            && found.len() >= at_least
        {
            return Ok(found);
        }
        events.until("news", |_| Some(())).await?;
    }
}

/// The paths of all pictures of a broadcast, with what part of the JPEG they are.
async fn pictures(node: &Node, slug: &str) -> Result<Vec<String>> {
    let text = node.get_text(&format!("/hls/{slug}/thumbnails.vtt")).await?;
    ensure!(text.starts_with("WEBVTT\n"), "{text}");
    Ok(text.lines().filter_map(|line| line.strip_prefix("..")).map(|path| format!("/hls{path}")).collect())
}

/// Without the part of it that a path names.
fn file(path: &str) -> &str {
    path.split('#').next().unwrap_or_default()
}

/// Codec, width and height of a picture, as ffprobe reads them.
async fn probe(picture: &[u8]) -> Result<String> {
    let mut child = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no pipe")?.write_all(picture).await?;
    Ok(String::from_utf8(child.wait_with_output().await?.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn a_node_makes_pictures_of_its_broadcasts_which_others_fetch_and_the_archive_keeps() -> Result<()> {
    let a = publisher().await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let slug = broadcast.slug.clone();
    let found = all_are_known(&a, &mut broadcast.events, &slug, 4).await?;
    let part = |path: &str| path.split('#').nth(1).map(str::to_owned);
    let parts: Vec<_> = found.iter().take(2).map(|path| part(path)).collect();
    ensure!(parts == [Some("xywh=0,0,256,144".to_owned()), Some("xywh=256,0,256,144".to_owned())], "{found:?}");
    ensure!(file(&found[0]) == file(&found[1]) && file(&found[0]) != file(&found[2]), "{found:?}");

    let b = viewer_of(&a).await?;
    Events::of(&b).await?.listed(&slug).await?;
    all_are_known(&b, &mut broadcast.events, &slug, found.len()).await?;
    let sheet = b.get_bytes(file(&found[0])).await?;
    ensure!(probe(&sheet).await? == format!("mjpeg,{},{}", SIZE.0 * 2, SIZE.1), "{}", probe(&sheet).await?);
    ensure!(sheet == a.get_bytes(file(&found[0])).await?, "what came is another");
    let poster = b.get_bytes(&format!("/hls/{slug}/poster.jpg")).await?;
    ensure!(probe(&poster).await? == format!("mjpeg,{},{}", POSTER_SIZE.0, POSTER_SIZE.1), "{}", probe(&poster).await?);
    let listed = b.get_json("/api/v1/broadcasts").await?;
    ensure!(listed.as_array().is_some_and(|all| all.len() == 1), "pictures count as a broadcast: {listed}");
    let master = b.get_text(&format!("/hls/{slug}/main.m3u8?player=mse")).await?;
    ensure!(!master.contains("EXT-X-STREAM-INF"), "pictures count as a rendition: {master}");

    let Broadcast { mut events, encoder, .. } = broadcast;
    encoder.kill().await?;
    events.archived(&a, &slug).await?;
    let kept = pictures(&a, &slug).await?;
    ensure!(kept.len() >= found.len() && kept[..found.len()] == found[..], "{kept:?}");
    a.cli(&["archive", "withdraw", &slug, "--remove"]).await?;
    ensure!(a.get_bytes(file(&found[0])).await.is_err(), "what was removed is still there");
    Ok(())
}
