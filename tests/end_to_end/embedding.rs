//! The player in pages of others.

use anyhow::Result;
use testkit::browser::{Browser, Kind};
use testkit::encoder::Picture;
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
