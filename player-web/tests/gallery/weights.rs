//! What the pages weigh on their way to a phone.

use std::collections::BTreeMap;

use testkit::browser::{Browser, Settings};

use crate::support::gallery::LIVE;
use crate::{Gallery, of_broadcast};

/// The watch page with everything that it loads but the video, as sent: a phone on a slow link has it in two seconds.
const MOST_BYTES: u64 = 250_000;

#[tokio::test]
async fn the_watch_page_without_video_is_below_250_kb() {
    let gallery = Gallery::open();
    let path = of_broadcast("/watch", LIVE);
    let mut browser = Browser::open_with(&gallery.url(&path), &Settings::default()).await.unwrap();
    browser.wait_for("[data-player-state=playing]").await.unwrap();
    let weights = weigh(&mut browser).await;
    let total: u64 = weights.values().sum();
    assert!(weights.len() > 2, "the page loads nothing: {weights:?}");
    assert!(total < MOST_BYTES, "{total} bytes: {weights:#?}");
}

/// Bytes of the page and of what it loaded, as sent, headers among them; without what the player fetched of the broadcast.
async fn weigh(browser: &mut Browser) -> BTreeMap<String, u64> {
    let entries = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')] \
                   .map(({ name, transferSize }) => [new URL(name).pathname, transferSize])";
    let entries: Vec<(String, u64)> = serde_json::from_value(browser.eval(entries).await.unwrap()).unwrap();
    entries.into_iter().filter(|(path, _)| !path.starts_with("/hls/")).collect()
}
