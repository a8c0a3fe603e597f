//! The main job: from an encoder through two nodes to a browser.

use anyhow::{Context as _, Result, ensure};
use testkit::browser::{Browser, Kind, PlayerState};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, in_each_browser, node, publish, viewer_of};

in_each_browser! {
    a_browser_on_another_node_plays_on_through_a_publishers_return,
}

/// Seconds of a segment in most tests.
const SEGMENT: f64 = 2.0;

async fn a_browser_on_another_node_plays_on_through_a_publishers_return(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let slug = Events::of(&b).await?.live_broadcast().await?;
    let mut browser = Browser::open_in(kind, &format!("{}/watch/{slug}", b.web())).await?;

    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 4.0 * SEGMENT).await?;

    publisher.kill().await?;
    let _publisher = publish(&a, &key)?;
    let resumed = played_for(&mut browser, &played, 4.0 * SEGMENT).await?;
    ensure!(resumed.loads() == 1, "the page was reloaded");

    let playlist = b.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    ensure!(playlist.contains("#EXT-X-DISCONTINUITY\n"), "no discontinuity in {playlist}");
    Ok(())
}

#[tokio::test]
async fn the_embedded_player_plays_without_a_websocket() -> Result<()> {
    let a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let slug = Events::of(&b).await?.live_broadcast().await?;
    let mut browser = Browser::open(&format!("{}/embed/{slug}", b.web()), false).await?;
    let start = browser.until("a picture", |player| player.current_time() > 0.0).await?;
    played_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    Ok(())
}

#[tokio::test]
async fn segments_of_the_default_length_play() -> Result<()> {
    let start = |name: &str, peers: Vec<String>| {
        let target_duration = Some("15s".to_owned());
        Node::start(MESHSTREAM, Settings { name: name.to_owned(), target_duration, peers, ..Settings::default() })
    };
    let a = start("publisher", Vec::new()).await?;
    let b = start("viewer", vec![a.web_address()]).await?;
    let key = a.add_key("demo").await?;
    let picture = Picture { keyframe_interval: 2, ..Picture::default() };
    let _publisher = Ffmpeg::publish(&a.rtmp("demo", &key), &picture)?;
    let slug = Events::of(&b).await?.live_broadcast().await?;
    let mut browser = Browser::open(&format!("{}/watch/{slug}", b.web()), true).await?;
    let start = browser.until("a picture", |player| player.current_time() > 0.0).await?;
    played_for(&mut browser, &start, 20.0).await?;
    let playlist = b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    ensure!(playlist.contains("#EXT-X-TARGETDURATION:15\n"), "{playlist}");
    ensure!(playlist.contains("#EXTINF:14"), "a 2 s GOP does not give 14 s segments: {playlist}");
    Ok(())
}

#[tokio::test]
async fn segments_carry_what_a_player_needs() -> Result<()> {
    let a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let mut events = Events::of(&b).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    // Asking for the playlist is what makes a node fetch a broadcast that it does not mirror.
    let playlist = b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    let uri = playlist.lines().find(|line| line.ends_with(".m4s")).context("no segment is listed")?;

    let url = format!("{}/hls/{slug}/{uri}", b.web());
    let whole = reqwest::get(&url).await?.error_for_status()?;
    let etag = whole.headers().get("etag").context("no ETag")?.clone();
    ensure!(whole.headers()["access-control-allow-origin"] == "*", "no CORS");
    let bytes = whole.bytes().await?;
    let part = reqwest::Client::new().get(&url).header("range", "bytes=4-7").send().await?;
    ensure!(part.status() == 206 && part.bytes().await? == bytes[4..8], "a range is not the range");

    let cid = etag.to_str()?.trim_matches('"').to_owned();
    let from_gateway = a.get_bytes(&format!("/ipfs/{cid}")).await;
    // A bare segment has no name that tells its type: whatever the gateway says, it never says other bytes.
    ensure!(from_gateway.map_or(true, |gateway| gateway == bytes), "the gateway serves other bytes");
    Ok(())
}

/// Waits until the player has played on for some seconds.
async fn played_for(browser: &mut Browser, from: &PlayerState, seconds: f64) -> Result<PlayerState> {
    let target = from.current_time() + seconds;
    browser.until(&format!("playing on to {target:.1} s"), |player| player.current_time() >= target).await
}
