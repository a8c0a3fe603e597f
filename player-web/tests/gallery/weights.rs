//! What the pages weigh on their way to a phone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use testkit::browser::{Browser, Settings};

use crate::pages::pages;
use crate::{Gallery, screenshots};

/// A page with everything that it loads but video, as sent: a phone on a slow link has it in two seconds.
const MOST_BYTES: u64 = 250_000;

/// Leaves the weights beside the screenshots, as a table.
#[tokio::test]
async fn no_page_weighs_more_than_250_kb_without_video() {
    let gallery = Gallery::open();
    let mut browser = Browser::open_with(&gallery.url("/"), &Settings::default()).await.unwrap();
    browser.forget_files().await.unwrap();
    let mut table = "| page | page itself | scripts | style | rest | all |\n|---|---|---|---|---|---|\n".to_owned();
    for page in pages() {
        browser.goto(&gallery.url(&page.path)).await.unwrap();
        browser.wait_for(page.shows).await.unwrap();
        let weights = weigh(&mut browser).await;
        let [itself, scripts, style, rest] = ["page", "js", "css", "rest"].map(|kind| weights.get(kind).unwrap_or(&0));
        let all = itself + scripts + style + rest;
        let _ = writeln!(table, "| {} | {itself} | {scripts} | {style} | {rest} | {all} |", page.name);
        assert!(*itself > 0 && *style > 0, "{} loads nothing: {weights:?}", page.name);
        assert!(all < MOST_BYTES, "{} weighs {all} bytes: {weights:?}", page.name);
    }
    std::fs::write(screenshots().join("weights.md"), table).unwrap();
}

/// Bytes of the page and of what it loaded by kind, as sent, headers among them; without what the player fetched of the broadcast.
async fn weigh(browser: &mut Browser) -> BTreeMap<String, u64> {
    let entries = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')] \
                   .map(({ name, entryType, transferSize }) => \
                       [entryType === 'navigation' ? 'page' : new URL(name).pathname, transferSize])";
    let entries: Vec<(String, u64)> = serde_json::from_value(browser.eval(entries).await.unwrap()).unwrap();
    let mut weights = BTreeMap::new();
    for (path, bytes) in entries.into_iter().filter(|(path, _)| !path.starts_with("/hls/")) {
        let kind = ["page", "js", "css"].into_iter().find(|kind| path.ends_with(kind)).unwrap_or("rest");
        *weights.entry(kind.to_owned()).or_default() += bytes;
    }
    weights
}
