//! The player's own controls: its time line, keys, what it remembers, and the element on a page of another origin.

use anyhow::{Result, ensure};
use testkit::browser::{Browser, Kind, MediaSource, Settings as BrowserSettings};
use testkit::encoder::{FRAME_RATE, Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};
use testkit::site::Site;

use crate::playing::{Live, played_for};
use crate::{MESHSTREAM, in_each_browser, node, viewer_of};

in_each_browser! {
    the_element_plays_on_a_page_of_another_origin,
    a_managed_media_source_plays_where_there_is_no_other,
}

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;
/// Seconds of a broadcast that has ended: longer than what is too short to be remembered.
const LENGTH: u32 = 24;

#[tokio::test]
async fn the_time_line_shows_what_is_elsewhere_obeys_keys_and_the_place_is_remembered() -> Result<()> {
    let grace = Some("1s".to_owned());
    let a = Node::start(MESHSTREAM, Settings { name: "publisher".to_owned(), grace, ..Settings::default() }).await?;
    let b = viewer_of(&a).await?;
    let mut at_b = Events::of(&b).await?;
    let live = Live::begin(&a, "demo", &Picture { length: Some(LENGTH), ..Picture::default() }).await?;
    at_b.archived(&b, &live.slug).await?;
    let timeline = b.get_json(&format!("/api/v1/broadcasts/{}/timeline", live.slug)).await?;
    ensure!(timeline["ended"] == true && timeline["spans"][0]["state"] == "elsewhere", "{timeline}");
    ensure!(timeline["hours"].as_array().is_some_and(|hours| !hours.is_empty()), "{timeline}");

    let page = format!("{}/watch/{}", b.web(), live.slug);
    let mut browser = Browser::open(&page, true).await?;
    browser.until("a picture", |player| player.state() == "playing" && player.width() == 320).await?;
    browser.wait_for("#bar .elsewhere").await?;
    let role = "document.getElementById('bar').getAttribute('role') + document.getElementById('bar').tabIndex";
    ensure!(browser.eval(role).await? == "slider0", "the time line is no slider");

    browser.key("l").await?;
    let on = browser.until("10 s on", |player| player.current_time() >= 10.0 && player.state() == "playing").await?;
    ensure!(on.current_time() < 20.0, "{on:?}");
    browser.eval("document.getElementById('bar').focus()").await?;
    browser.key("Home").await?;
    browser
        .until("the beginning", |player| player.current_time() < 2.0 * SEGMENT && player.state() == "playing")
        .await?;
    browser.key("k").await?;
    browser.until("a pause", |player| player.state() == "paused").await?;
    browser.key("k").await?;
    browser.until("playing", |player| player.state() == "playing").await?;
    browser.key("?").await?;
    ensure!(browser.eval("document.getElementById('keys').hidden").await? == false, "no help");
    browser.key("m").await?;
    browser.until("sound", |player| !player.sound_offered()).await?;

    browser.key("l").await?;
    let remembered = "JSON.parse(localStorage.getItem('meshstream-player') || '{}').places?.[0]?.[1] ?? 0";
    let place = browser.until_eval(remembered, |value| value.as_f64().is_some_and(|place| place >= 10.0)).await?;
    browser.goto(&page).await?;
    let again = browser.until("the place", |player| player.state() == "playing" && player.current_time() > 0.0).await?;
    let place = place.as_f64().unwrap_or_default();
    ensure!(again.current_time() >= place, "{place} s were remembered: {again:?}");
    ensure!(!again.sound_offered(), "the sound that was on is off: {again:?}");
    Ok(())
}

#[tokio::test]
async fn a_broadcast_that_the_publisher_left_and_came_back_to_is_played_to_its_end() -> Result<()> {
    let a = node("publisher").await?;
    // The picture ends a little before the sound, as where an encoder loses its power: a hole that is played over.
    let before = Picture { length: Some(8), frames: Some(8 * FRAME_RATE - 1), ..Picture::default() };
    let live = Live::begin(&a, "demo", &before).await?;
    let mut browser = Browser::open(&live.page, true).await?;
    browser.until("a picture", |player| player.state() == "playing").await?;
    live.publisher.ended().await?;
    browser.until("the end of what is there", |player| player.state() == "waiting").await?;
    let after = Picture { length: Some(5), ..Picture::default() };
    Ffmpeg::publish(&live.url, &after)?.ended().await?;
    a.cli(&["broadcast", "end", &live.slug[..8]]).await?;
    let ended = browser.until("the end", |player| player.state() == "ended").await?;
    ensure!(ended.loads() == 1, "the page was reloaded: {ended:?}");

    let holes = "(() => { const { buffered } = document.getElementById('video');
        return Array.from({ length: buffered.length - 1 }, (_, i) => buffered.start(i + 1) - buffered.end(i)); })()";
    let holes = browser.eval(holes).await?;
    let small = |hole: &serde_json::Value| hole.as_f64().is_some_and(|seconds| seconds < 0.1);
    ensure!(holes.as_array().is_some_and(|holes| holes.len() == 1 && holes.iter().all(small)), "other holes: {holes}");
    Ok(())
}

async fn the_element_plays_on_a_page_of_another_origin(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let element = format!("<meshstream-player broadcast='{}' autoplay></meshstream-player>", live.slug);
    let page = format!("<!doctype html><title>Elsewhere</title><script src='{}/player.js'></script>{element}", a.web());
    let site = Site::serve([("/", page)]).await?;
    let mut browser = Browser::open_in(kind, &site.url("/")).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 3.0 * SEGMENT).await?;
    ensure!(played.state() == "playing" && played.caption().contains("behind live"), "{played:?}");
    let style =
        "getComputedStyle(document.querySelector('meshstream-player').shadowRoot.querySelector('.stage')).position";
    ensure!(browser.eval(style).await? == "relative", "the style sheet is not there");
    let place = browser.eval("document.querySelector('meshstream-player').currentTime").await?;
    ensure!(place.as_f64().is_some_and(|place| place > 0.0), "{place}");
    Ok(())
}

async fn a_managed_media_source_plays_where_there_is_no_other(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut events = Events::of(&a).await?;
    events.subscribe(&live.slug).await?;
    // More than a managed source asks for at once.
    events.segment(12).await?;
    let settings = BrowserSettings { media_source: MediaSource::Managed, ..kind.into() };
    let mut browser = Browser::open_with(&live.page, &settings).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 3.0 * SEGMENT).await?;
    ensure!(played.managed_sources().0 > 0 && played.state() == "playing", "{played:?}");
    // Without this Safari does not open it, unless another device could play it too.
    let remote = "document.getElementById('video').disableRemotePlayback";
    ensure!(browser.eval(remote).await? == true, "Safari would wait for another source");

    // It says that it has enough, and is heard; and what it asks for after that comes.
    browser.press("rewind").await?;
    let enough = browser.until("enough", |player| player.managed_sources().1 > 0 && player.in_hand() > 0.0).await?;
    let played = played_for(&mut browser, &enough, 8.0 * SEGMENT).await?;
    ensure!(played.loads() == 1 && played.state() == "playing", "{played:?}");
    Ok(())
}
