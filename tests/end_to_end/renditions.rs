//! Sound alone where picture and sound are one: the picture is hidden.

use anyhow::{Result, ensure};
use testkit::browser::Browser;
use testkit::encoder::Picture;

use crate::playing::{Live, played_for};
use crate::{choose, node};

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;

#[tokio::test]
async fn where_picture_and_sound_are_one_the_picture_is_hidden_and_fetched_all_the_same() -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = Browser::open(&live.page, true).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    choose(&mut browser, "renditions", 1).await?;
    let heard = browser.until("sound alone", |player| player.caption().starts_with("Playing sound only")).await?;
    played_for(&mut browser, &start, 2.0 * SEGMENT).await?;
    // Only its controls are left.
    let height = browser.eval("document.getElementById('video').clientHeight").await?;
    ensure!(height.as_f64().is_some_and(|height| height < 100.0), "the picture is to be seen: {height}, {heard:?}");
    choose(&mut browser, "renditions", 0).await?;
    browser.until("the picture", |player| player.caption().starts_with("Playing, ")).await?;
    Ok(())
}
