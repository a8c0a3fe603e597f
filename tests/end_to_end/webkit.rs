//! Playing in WebKitGTK, which is the nearest to an iPhone that runs here: `make test-webkit`, since it takes packages of its
//! own, and says little of what Apple makes of the same engine.

use anyhow::{Result, ensure};
use testkit::browser::{Browser, Kind, MediaSource, PlayerState, Settings as BrowserSettings};
use testkit::encoder::Picture;
use testkit::events::Events;
use testkit::node::{Node, Settings};
use testkit::site::Site;

use crate::playing::{Live, played_for};
use crate::{MESHSTREAM, node};

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn the_watch_page_plays_live_in_webkit() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = Browser::open_in(Kind::WebKit, &live.page).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = plays_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    ensure!(played.loads() == 1, "{played:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn a_video_element_of_a_foreign_page_plays_the_live_playlist_natively_in_webkit() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let playlist = format!("{}/hls/{}/index.m3u8", a.web(), live.slug);
    let page = format!("<!doctype html><title>Elsewhere</title><video src=\"{playlist}\" autoplay muted></video>");
    let site = Site::serve([("/", page)]).await?;
    let mut browser = Browser::open_in(Kind::WebKit, &site.url("/")).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    played_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn a_managed_media_source_plays_in_webkit_which_has_one() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let settings = BrowserSettings { media_source: MediaSource::Managed, ..Kind::WebKit.into() };
    let mut browser = Browser::open_with(&live.page, &settings).await?;
    let start = browser.until("a picture", shows_a_picture).await?;
    let played = plays_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    ensure!(played.managed_sources().0 > 0, "{played:?}");
    Ok(())
}

/// Opens a page in a WebKit without Media Source Extensions, as an iPhone before iOS 17.1 is.
async fn open_without_media_source(url: &str) -> Result<Browser> {
    let settings = BrowserSettings { media_source: MediaSource::None, ..Kind::WebKit.into() };
    let mut browser = Browser::open_with(url, &settings).await?;
    ensure!(browser.eval("'MediaSource' in window || 'ManagedMediaSource' in window").await? == false, "it has them");
    Ok(browser)
}

/// That the browser itself plays a playlist, given to it as it is.
async fn plays_natively(browser: &mut Browser, playlist: &str) -> Result<()> {
    let source =
        "(document.querySelector('meshstream-player').shadowRoot ?? document).querySelector('video').currentSrc";
    let source = browser.eval(source).await?;
    ensure!(source.as_str().is_some_and(|source| source.ends_with(playlist)), "not by itself: {source}");
    Ok(())
}

/// Waits until the player has played on for some seconds, and says that it plays: on a busy machine it may stand for a moment.
async fn plays_for(browser: &mut Browser, from: &PlayerState, seconds: f64) -> Result<PlayerState> {
    let target = from.current_time() + seconds;
    let plays = |player: &PlayerState| player.current_time() >= target && player.state() == "playing";
    browser.until(&format!("playing at {target:.1} s"), plays).await
}

fn shows_a_picture(player: &PlayerState) -> bool {
    player.width() == 320 && player.current_time() > 0.0
}

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn the_watch_page_plays_live_natively_where_there_is_no_media_source_as_in_webkit() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = open_without_media_source(&live.page).await?;
    let start = browser.until("a picture", shows_a_picture).await?;
    let played = plays_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    ensure!(played.caption().contains("behind live"), "{played:?}");
    plays_natively(&mut browser, "/main.m3u8").await?;

    browser.press("rewind").await?;
    browser.until("the beginning", |player| player.state() == "playing" && player.current_time() < SEGMENT).await?;
    plays_natively(&mut browser, "/main-whole.m3u8").await?;
    browser.press("go-live").await?;
    let back = browser.until("the live edge", |player| player.state() == "playing").await?;
    played_for(&mut browser, &back, SEGMENT).await?;
    plays_natively(&mut browser, "/main.m3u8").await?;
    Ok(())
}

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn a_moment_of_what_has_ended_is_shown_natively_in_webkit() -> Result<()> {
    let grace = Some("1s".to_owned());
    let a = Node::start(MESHSTREAM, Settings { name: "publisher".to_owned(), grace, ..Settings::default() }).await?;
    let mut events = Events::of(&a).await?;
    let live = Live::begin(&a, "demo", &Picture { length: Some(12), ..Picture::default() }).await?;
    events.archived(&a, &live.slug).await?;
    let mut browser = open_without_media_source(&format!("{}?t=6", live.page)).await?;
    // It plays until there, and takes that for the end now and then (CONTRIBUTING.md).
    let start = browser.until("the moment", |player| player.current_time() >= 6.0).await?;
    ensure!(start.current_time() < 9.0 && start.width() == 320, "not where the link leads: {start:?}");
    plays_natively(&mut browser, "/main-whole.m3u8").await?;
    Ok(())
}

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn a_native_player_goes_on_when_its_node_is_back_in_webkit() -> Result<()> {
    let mut a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = open_without_media_source(&live.page).await?;
    browser.until("a picture", shows_a_picture).await?;

    a.kill().await?;
    browser.until("the end of what is there", |player| player.state() != "playing").await?;
    a.restart().await?;
    let _publisher = live.again()?;
    let back = browser.until("playing", |player| player.state() == "playing").await?;
    let resumed = played_for(&mut browser, &back, SEGMENT / 2.0).await?;
    ensure!(resumed.loads() == 1, "the page was reloaded");
    Ok(())
}

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn the_element_plays_natively_on_a_page_of_another_origin_in_webkit() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let element = format!("<meshstream-player broadcast='{}' autoplay></meshstream-player>", live.slug);
    let page = format!("<!doctype html><title>Elsewhere</title><script src='{}/player.js'></script>{element}", a.web());
    let site = Site::serve([("/", page)]).await?;
    let mut browser = open_without_media_source(&site.url("/")).await?;
    let start = browser.until("a picture", shows_a_picture).await?;
    plays_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    plays_natively(&mut browser, "/main.m3u8").await?;
    Ok(())
}
