//! The player in pages of others.

use anyhow::{Result, ensure};
use testkit::browser::{Browser, Kind, PlayerState};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::site::Site;

use crate::playing::{Live, played_for};
use crate::{in_each_browser, node};

in_each_browser! {
    a_frame_in_a_foreign_page_plays,
}

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;

async fn a_frame_in_a_foreign_page_plays(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let player = live.page.replace("/watch/", "/embed/");
    let page = format!("<!doctype html><title>Elsewhere</title><iframe src=\"{player}\" allow=autoplay></iframe>");
    let site = Site::serve([("/", page)]).await?;
    let mut browser = Browser::open_in(kind, &site.url("/")).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    played_for(&mut browser, &start, 4.0 * SEGMENT).await?;
    Ok(())
}

#[tokio::test]
async fn an_element_on_a_foreign_page_says_what_is_so_without_a_websocket() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let element = format!("<meshstream-player broadcast='{}' autoplay></meshstream-player>", live.slug);
    let page = format!("<!doctype html><title>Elsewhere</title><script src='{}/player.js'></script>{element}", a.web());
    let site = Site::serve([("/", page)]).await?;
    let mut browser = Browser::open(&site.url("/"), true).await?;
    let said =
        |player: &PlayerState, state: &str, words: &str| player.state() == state && player.caption().contains(words);
    let start = browser.until("live", |player| said(player, "playing", "behind live")).await?;
    played_for(&mut browser, &start, SEGMENT).await?;
    let knows_live = "document.querySelector('meshstream-player').live";
    ensure!(browser.eval(knows_live).await? == true, "it is not live");

    let Live { slug, url, publisher, .. } = live;
    publisher.kill().await?;
    browser.until("waiting", |player| said(player, "waiting", "Waiting for the publisher")).await?;
    let publisher = Ffmpeg::publish(&url, &Picture::default())?;
    browser.until("live again", |player| said(player, "playing", "behind live")).await?;

    a.cli(&["broadcast", "end", &slug[..8]]).await?;
    publisher.ended().await?;
    let ended = browser.until("the end", |player| said(player, "ended", "has ended")).await?;
    ensure!(ended.pushes() == 0 && ended.loads() == 1, "not by asking alone: {ended:?}");
    browser.until_eval(knows_live, |live| *live == false).await?;
    browser.goto(&site.url("/")).await?;
    browser.until("what has ended", |player| said(player, "playing", "The broadcast has ended")).await?;
    Ok(())
}
