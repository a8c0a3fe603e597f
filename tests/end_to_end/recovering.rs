//! A player that loses its node for a while: killed and started again, or out of reach of the phone.

use anyhow::{Result, ensure};
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
