//! A player that loses its node for a while: killed and started again, or out of reach of the phone, which may sleep meanwhile.

use anyhow::{Context as _, Result, ensure};
use testkit::browser::{Browser, Kind};
use testkit::encoder::Picture;
use testkit::events::Events;

use crate::playing::{Live, played_for};
use crate::{in_each_browser, node, publish, viewer_of};

in_each_browser! {
    a_player_goes_on_when_its_node_is_back,
    a_player_goes_on_when_its_phone_is_back_in_reach,
}

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;
/// Segments that pass while a phone is in a pocket: more than a live playlist holds, and than a short absence.
const POCKET: u64 = 18;

async fn a_player_goes_on_when_its_node_is_back(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let mut b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let slug = Events::of(&b).await?.live_broadcast().await?;
    let mut browser = Browser::open_in(kind, &format!("{}/watch/{slug}", b.web())).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 2.0 * SEGMENT).await?;

    b.kill().await?;
    browser.until("the end of what is there", |player| player.state() != "playing" && player.in_hand() < 1.0).await?;
    b.restart().await?;
    let back = browser.until("playing", |player| player.state() == "playing").await?;
    ensure!(back.current_time() >= played.current_time(), "went back from {played:?} to {back:?}");
    let resumed = played_for(&mut browser, &back, 4.0 * SEGMENT).await?;
    ensure!(resumed.loads() == 1, "the page was reloaded");
    Ok(())
}

async fn a_player_goes_on_when_its_phone_is_back_in_reach(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = Browser::open_in(kind, &live.page).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 2.0 * SEGMENT).await?;

    browser.offline(true).await?;
    browser.until("the end of what is there", |player| player.state() != "playing" && player.in_hand() < 1.0).await?;
    browser.offline(false).await?;
    let back = browser.until("playing", |player| player.state() == "playing").await?;
    ensure!(back.current_time() >= played.current_time(), "went back from {played:?} to {back:?}");
    let resumed = played_for(&mut browser, &back, 4.0 * SEGMENT).await?;
    ensure!(resumed.loads() == 1, "the page was reloaded");
    Ok(())
}

#[tokio::test]
async fn a_phone_that_was_in_a_pocket_goes_on_at_the_live_edge() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut events = Events::of(&a).await?;
    events.subscribe(&live.slug).await?;
    let mut browser = Browser::open(&live.page, true).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    played_for(&mut browser, &start, SEGMENT).await?;
    let before = shown(&mut browser).await?;

    browser.freeze(true).await?;
    let newest = events.segment(1).await?;
    events.segment(newest + POCKET).await?;
    browser.freeze(false).await?;
    let back = browser.until("playing", |player| player.state() == "playing").await?;
    let played = played_for(&mut browser, &back, 2.0 * SEGMENT).await?;
    ensure!(played.loads() == 1 && played.caption().contains("behind live"), "{played:?}");
    ensure!(shown(&mut browser).await? > before + (POCKET as f64 - 4.0) * SEGMENT, "not at the live edge: {played:?}");

    // One that the viewer had paused waits for the viewer.
    browser.key("k").await?;
    browser.until("a pause", |player| player.state() == "paused").await?;
    browser.freeze(true).await?;
    let newest = events.segment(1).await?;
    events.segment(newest + 1).await?;
    browser.freeze(false).await?;
    browser.until_eval("document.visibilityState", |state| *state == "visible").await?;
    let paused = browser.until("another look", |_| true).await?;
    ensure!(paused.state() == "paused", "plays by itself: {paused:?}");
    Ok(())
}

/// Seconds from the beginning of the broadcast.
async fn shown(browser: &mut Browser) -> Result<f64> {
    let place = browser.eval("document.querySelector('meshstream-player').currentTime").await?;
    place.as_f64().context("no place")
}
