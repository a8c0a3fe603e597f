//! The past of a broadcast in the player: links to a moment, back to the beginning and to the live edge, parts that nobody has.

use anyhow::{Context as _, Result, ensure};
use testkit::browser::{Browser, Kind};
use testkit::encoder::Picture;
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::playing::{Live, lose_segment};
use crate::{MESHSTREAM, in_each_browser, node, viewer_of};

in_each_browser! {
    a_live_broadcast_opens_at_a_moment_goes_back_to_its_beginning_and_to_the_live_edge,
}

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;

async fn a_live_broadcast_opens_at_a_moment_goes_back_to_its_beginning_and_to_the_live_edge(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut events = Events::of(&a).await?;
    events.subscribe(&live.slug).await?;
    // More than the live playlist holds.
    events.segment(10).await?;

    let mut browser = Browser::open_in(kind, &format!("{}?t=5", live.page)).await?;
    let start = browser.until("the moment", |player| player.state() == "playing").await?;
    ensure!((5.0..10.0).contains(&start.current_time()) && start.playlist().ends_with("whole.m3u8"), "{start:?}");

    browser.press("go-live").await?;
    browser.until("the live edge", |player| player.playlist() == "index.m3u8" && player.state() == "playing").await?;
    browser.press("copy").await?;
    // The node is asked first where the live edge is.
    let written = "new Promise((done) => { const look = () => document.getElementById('moment').value \
                   ? done(document.getElementById('moment').value) : setTimeout(look, 50); look(); })";
    let link = browser.eval(written).await?;
    let seconds = link.as_str().and_then(|link| link.split_once("?t=")).context("no link to a moment")?.1;
    let seconds: f64 = seconds.trim_end_matches('s').parse().context("not in seconds")?;
    // The live edge was at 20 s at least when this began.
    ensure!(seconds > 14.0, "{seconds} s is not the live edge");

    browser.press("rewind").await?;
    let beginning = browser
        .until("the beginning", |player| player.playlist().ends_with("whole.m3u8") && player.state() == "playing")
        .await?;
    ensure!(beginning.current_time() < 2.0 * SEGMENT, "{beginning:?}");

    let place = a.get_json(&format!("/api/v1/broadcasts/{}/segments/3", live.slug)).await?;
    ensure!(place["held"] == true && place["from_ms"].as_u64().is_some_and(|from| from > 5_000), "{place}");
    let cid = place["segment"].as_str().context("no CID")?;
    let page = live.page.replace("/watch/", "/embed/");
    browser.goto(&format!("{page}?segment={cid}")).await?;
    let there = browser.until("the segment", |player| player.state() == "playing").await?;
    let from = place["from_ms"].as_f64().context("no beginning")? / 1000.0;
    ensure!((from - 0.1..from + 4.0).contains(&there.current_time()), "{from} s: {there:?}");
    Ok(())
}

#[tokio::test]
async fn a_part_that_nobody_has_is_said_and_passed_over() -> Result<()> {
    let grace = Some("1s".to_owned());
    let a = Node::start(MESHSTREAM, Settings { name: "publisher".to_owned(), grace, ..Settings::default() }).await?;
    let b = viewer_of(&a).await?;
    let mut at_b = Events::of(&b).await?;
    let live = Live::begin(&a, "demo", &Picture { length: Some(13), ..Picture::default() }).await?;
    at_b.archived(&b, &live.slug).await?;
    lose_segment(&a, &live.slug, 2).await?;

    let mut browser = Browser::open(&format!("{}/watch/{}", b.web(), live.slug), true).await?;
    browser.until("what is there", |player| player.current_time() > SEGMENT).await?;
    let waiting = browser.until("word of what is missing", |player| player.caption().starts_with("Nobody")).await?;
    ensure!(waiting.state() == "waiting" && waiting.caption().contains("skips it in"), "{waiting:?}");
    ensure!(browser.eval("document.getElementById('skip').hidden").await? == false, "no way to skip it");
    let passed = browser.until("passing it", |player| player.current_time() > 4.0 * SEGMENT).await?;
    ensure!(passed.loads() == 1, "the page was reloaded");
    Ok(())
}
