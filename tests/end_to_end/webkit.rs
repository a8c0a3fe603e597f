//! Playing in WebKitGTK, which is the nearest to an iPhone that runs here: `make test-webkit`, since it takes packages of its
//! own, and says little of what Apple makes of the same engine.

use anyhow::{Result, ensure};
use testkit::browser::{Browser, Kind};
use testkit::encoder::Picture;
use testkit::site::Site;

use crate::node;
use crate::playing::{Live, played_for};

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;

#[tokio::test]
#[ignore = "takes WebKitGTK: make test-webkit"]
async fn the_watch_page_plays_live_in_webkit() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = Browser::open_in(Kind::WebKit, &live.page).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    ensure!(played.state() == "playing" && played.loads() == 1, "{played:?}");
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
async fn the_element_plays_natively_where_a_browser_has_no_media_source_as_in_webkit() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let page = format!(
        "<!doctype html><title>Elsewhere</title>\
         <script>delete window.MediaSource; delete window.ManagedMediaSource; delete window.WebKitMediaSource</script>\
         <script src=\"{}/player.js\"></script>\
         <meshstream-player broadcast=\"{}\" autoplay></meshstream-player>",
        a.web(),
        live.slug
    );
    let site = Site::serve([("/", page)]).await?;
    let mut browser = Browser::open_in(Kind::WebKit, &site.url("/")).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    ensure!(played.state() == "playing", "{played:?}");
    let source = "document.querySelector('meshstream-player').shadowRoot.querySelector('video').currentSrc";
    let source = browser.eval(source).await?;
    ensure!(source.as_str().is_some_and(|source| source.contains("index.m3u8")), "not by itself: {source}");
    Ok(())
}
