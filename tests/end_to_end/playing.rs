//! What a viewer may meet: sound alone, a picture alone, another picture, gaps, the end, no WebSocket.

use std::cell::Cell;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::browser::{Browser, Kind, PlayerState};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, in_each_browser, node, publish, viewer_of};

in_each_browser! {
    sound_alone_and_a_picture_alone_play_and_go_on_without_the_websocket,
    at_the_end_of_what_a_publisher_left_the_player_stands_still,
    after_a_return_with_another_picture_the_player_has_as_much_in_hand_as_before,
    an_ended_broadcast_says_so_and_plays_again_from_its_beginning,
}

/// Seconds of a segment.
const SEGMENT: f64 = 2.0;

/// Has a video say that it is a little further than it is, as Firefox does now and then by a part of a frame of sound: at the
/// end it is beyond what the playlist lists. Where it is sent to from then on is noted.
const BEYOND_THE_END: &str = "(() => {
    const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'currentTime');
    window.sought = [];
    Object.defineProperty(document.getElementById('video'), 'currentTime', {
        get() { return get.call(this) + 0.2; },
        set(time) { window.sought.push(time); set.call(this, time); },
    });
})()";

async fn sound_alone_and_a_picture_alone_play_and_go_on_without_the_websocket(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let sound_alone = Picture { video: false, ..Picture::default() };
    let radio = Live::begin(&a, "radio", &sound_alone).await?;
    let mut browser = Browser::open_in(kind, &radio.page).await?;
    let start = browser.until("sound", |player| player.caption().starts_with("Playing sound only")).await?;
    ensure!(start.width() == 0 && start.sound_offered(), "{start:?}");
    let played = played_for(&mut browser, &start, 2.0 * SEGMENT).await?;
    browser.drop_websockets().await?;
    played_for(&mut browser, &played, 3.0 * SEGMENT).await?;
    radio.publisher.kill().await?;

    let picture_alone = Picture { audio: false, ..Picture::default() };
    let silent = Live::begin(&a, "silent", &picture_alone).await?;
    browser.goto(&silent.page).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let played = played_for(&mut browser, &start, 3.0 * SEGMENT).await?;
    ensure!(!played.sound_offered(), "sound is offered where there is none");
    Ok(())
}

async fn at_the_end_of_what_a_publisher_left_the_player_stands_still(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = Browser::open_in(kind, &live.page).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    played_for(&mut browser, &start, SEGMENT).await?;
    browser.eval(BEYOND_THE_END).await?;

    live.publisher.kill().await?;
    browser.until("the end of what is there", |player| player.state() == "waiting").await?;
    let playlists = Cell::new(0);
    while playlists.get() < 3 {
        // At the next look.
        browser.until("a look", |_| true).await?;
        let requests = browser.requests().await?;
        playlists.set(playlists.get() + requests.iter().filter(|url| url.contains("/index.m3u8")).count());
    }
    let sought = browser.eval("window.sought").await?;
    ensure!(sought == json!([]), "the player went to {sought}");
    Ok(())
}

async fn after_a_return_with_another_picture_the_player_has_as_much_in_hand_as_before(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let live = Live::begin(&a, "demo", &Picture::default()).await?;
    let mut browser = Browser::open_in(kind, &live.page).await?;
    let start = browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let before = most_in_hand(&mut browser, &start, 3.0 * SEGMENT).await?;

    live.publisher.kill().await?;
    browser.until("the end of what is there", |player| player.state() == "waiting").await?;
    let larger = Picture { size: (640, 360), ..Picture::default() };
    let _publisher = Ffmpeg::publish(&live.url, &larger)?;
    let back =
        browser.until("the other picture", |player| player.width() == 640 && player.state() == "playing").await?;
    let after = most_in_hand(&mut browser, &back, 4.0 * SEGMENT).await?;

    // One segment less, and each that is a little late would be seen.
    ensure!(before > 1.5 * SEGMENT && after > 1.5 * SEGMENT, "{before} s in hand before, {after} s after");
    ensure!(after < before + 2.0 * SEGMENT, "{after} s in hand: further behind live than the {before} s before");
    ensure!(back.loads() == 1, "the page was reloaded");
    let playlist = a.get_text(&format!("/hls/{}/whole.m3u8", live.slug)).await?;
    ensure!(playlist.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n"), "{playlist}");
    Ok(())
}

#[tokio::test]
async fn a_segment_that_does_not_come_is_a_gap_that_the_player_passes() -> Result<()> {
    let a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let (mut at_a, mut at_b) = (Events::of(&a).await?, Events::of(&b).await?);
    let slug = at_b.live_broadcast().await?;
    at_a.subscribe(&slug).await?;
    at_b.subscribe(&slug).await?;
    let mut browser = Browser::open(&format!("{}/watch/{slug}", b.web()), true).await?;
    browser.until("a picture", |player| player.current_time() > 0.0).await?;

    // While B stands still A loses a segment that B then hears of.
    let newest = at_b.segment(1).await?;
    b.pause().await?;
    let lost = at_a.segment(newest + 2).await?;
    lose_segment(&a, &slug, lost).await?;
    b.resume().await?;
    at_b.segment(lost + 1).await?;
    let said = browser.until("word of the gap", |player| player.state() == "gap").await?;
    ensure!(said.caption().contains("was lost"), "{said:?}");

    let playlist = b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    ensure!(playlist.contains(&format!("#EXT-X-GAP\n#EXTINF:2.000,\n{lost}.m4s\n")), "{lost} is no gap in {playlist}");
    let behind_it = (lost + 1) as f64 * SEGMENT;
    let passed = browser.until("passing the gap", |player| player.current_time() > behind_it).await?;
    let resumed = played_for(&mut browser, &passed, 3.0 * SEGMENT).await?;
    ensure!(resumed.loads() == 1, "the page was reloaded");
    browser.until("an end of the word of it", |player| player.state() == "playing").await?;
    browser.goto(&format!("{}/watch/{slug}", b.web())).await?;
    // Whether others have it, B cannot tell: its time line does not call it lost.
    browser.wait_for("#bar .span.elsewhere").await?;
    Ok(())
}

async fn an_ended_broadcast_says_so_and_plays_again_from_its_beginning(kind: Kind) -> Result<()> {
    let grace = Some("1s".to_owned());
    let a = Node::start(MESHSTREAM, Settings { name: "publisher".to_owned(), grace, ..Settings::default() }).await?;
    let short = Picture { length: Some(8), ..Picture::default() };
    let live = Live::begin(&a, "demo", &short).await?;
    let mut browser = Browser::open_in(kind, &live.page).await?;
    let ended = browser.until("the end", |player| player.state() == "ended").await?;
    ensure!(ended.caption().contains("Press play"), "not what to do next: {}", ended.caption());

    browser.play().await?;
    browser.until("the beginning", |player| player.state() == "playing" && player.current_time() < SEGMENT).await?;
    let again = browser.until("the end again", |player| player.state() == "ended").await?;
    ensure!(again.playlist().ends_with("whole.m3u8"), "of a long broadcast {} is only the end", again.playlist());
    ensure!(again.current_time() > 7.0, "what played again is shorter: {again:?}");
    ensure!(again.loads() == 1, "the page was reloaded");
    Ok(())
}

/// A broadcast under way.
pub(crate) struct Live {
    pub(crate) slug: String,
    /// Where to watch it.
    pub(crate) page: String,
    /// Where to publish it.
    pub(crate) url: String,
    pub(crate) publisher: Ffmpeg,
}

impl Live {
    pub(crate) async fn begin(node: &Node, name: &str, picture: &Picture) -> Result<Self> {
        let url = node.rtmp(name, &node.add_key(name).await?);
        let publisher = Ffmpeg::publish(&url, picture)?;
        let of_that_name = |event: &Value| {
            let broadcast = event["broadcasts"].as_array()?.iter().find(|broadcast| broadcast["title"] == name)?;
            broadcast["slug"].as_str().map(str::to_owned)
        };
        let slug = Events::of(node).await?.until(name, of_that_name).await?;
        Ok(Self { page: format!("{}/watch/{slug}", node.web()), slug, url, publisher })
    }

    /// Publishes it again, after the publisher or its node was away.
    pub(crate) fn again(&self) -> Result<Ffmpeg> {
        Ffmpeg::publish(&self.url, &Picture::default())
    }
}

/// Waits until the player has played on for some seconds.
pub(crate) async fn played_for(browser: &mut Browser, from: &PlayerState, seconds: f64) -> Result<PlayerState> {
    let target = from.current_time() + seconds;
    browser.until(&format!("playing on to {target:.1} s"), |player| player.current_time() >= target).await
}

/// Lets the player play on for some seconds, and returns the most that it had in hand meanwhile.
async fn most_in_hand(browser: &mut Browser, from: &PlayerState, seconds: f64) -> Result<f64> {
    let target = from.current_time() + seconds;
    let most = Cell::new(0.0_f64);
    let watched = |player: &PlayerState| {
        most.set(most.get().max(player.in_hand()));
        player.current_time() >= target
    };
    browser.until(&format!("playing on to {target:.1} s"), watched).await?;
    Ok(most.get())
}

/// Removes the block from a node's disk without which a segment cannot be read.
pub(crate) async fn lose_segment(node: &Node, slug: &str, media_sequence: u64) -> Result<()> {
    let url = format!("{}/hls/{slug}/{media_sequence}.m4s", node.web());
    let response = reqwest::Client::new().head(url).send().await?.error_for_status()?;
    let cid = response.headers().get("etag").context("no ETag")?.to_str()?.trim_matches('"').to_owned();
    for folder in fs::read_dir(node.data_dir().join("ipfs/blockstore"))? {
        let block = folder?.path().join(format!("{cid}.data"));
        if block.exists() {
            return Ok(fs::remove_file(block)?);
        }
    }
    bail!("{cid} is not on the node's disk")
}
