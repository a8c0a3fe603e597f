//! Renditions of a broadcast: encoded here, announced, and chosen by who watches.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::browser::{Browser, Kind};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};
use tokio::process::Command;

use crate::{MESHSTREAM, in_each_browser, node, viewer_of};

in_each_browser! {
    who_watches_chooses_among_the_renditions,
    renditions_that_come_while_somebody_watches_are_offered,
}

/// A smaller picture, and the sound alone.
const LADDER: &str = "
[[rendition]]
name = \"90p\"
height = 90
bitrate = \"100 kbit/s\"

[[rendition]]
name = \"Sound\"
audio_only = true
";

async fn publisher() -> Result<Node> {
    let settings = Settings { name: "publisher".to_owned(), tables: LADDER.to_owned(), ..Settings::default() };
    Node::start(MESHSTREAM, settings).await
}

/// A broadcast with renditions, and who publishes it.
struct Broadcast {
    slug: String,
    events: Events,
    encoder: Ffmpeg,
    url: String,
}

impl Broadcast {
    async fn begin(node: &Node) -> Result<Self> {
        let key = node.add_key("demo").await?;
        let url = node.rtmp("demo", &key);
        let mut events = Events::of(node).await?;
        let encoder = Ffmpeg::publish(&url, &Picture::default())?;
        let slug = events.live_broadcast().await?;
        events.subscribe(&slug).await?;
        Ok(Self { slug, events, encoder, url })
    }

    /// Waits until a node lists all of its renditions, while the broadcast goes on.
    async fn variants(&mut self, node: &Node) -> Result<BTreeMap<String, Variant>> {
        let mut segment = 0;
        loop {
            segment = self.events.segment(segment + 1).await?;
            // Where there are none yet, it is the media playlist.
            let text = node.get_text(&format!("/hls/{}/main.m3u8?player=mse", self.slug)).await?;
            let variants = variants(&text);
            if variants.len() == 3 {
                return Ok(variants);
            }
            ensure!(segment < 60, "after {segment} segments there is only {text}");
        }
    }

    /// Waits until all of these have a segment of at least this number, and returns its number.
    async fn all_have(&mut self, node: &Node, slugs: &[String], at_least: u64) -> Result<u64> {
        let mut newest = self.events.segment(at_least).await?;
        for slug in slugs {
            while sequences(&whole(node, slug).await?).last().is_none_or(|last| *last < at_least) {
                newest = self.events.segment(newest + 1).await?;
                ensure!(newest < at_least + 60, "{slug} does not get as far as {at_least}");
            }
        }
        Ok(at_least)
    }
}

/// A variant stream of a multivariant playlist.
#[derive(Debug)]
struct Variant {
    attributes: String,
    slug: Option<String>,
}

/// By what they are: `original`, `picture`, `sound`.
fn variants(text: &str) -> BTreeMap<String, Variant> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") else { continue };
        let uri = lines.next().unwrap_or_default();
        let slug = uri.strip_prefix("../").and_then(|path| path.split('/').next()).map(str::to_owned);
        let kind = match (&slug, attributes.contains("RESOLUTION")) {
            (None, _) => "original",
            (Some(_), true) => "picture",
            (Some(_), false) => "sound",
        };
        found.insert(kind.to_owned(), Variant { attributes: attributes.to_owned(), slug });
    }
    found
}

fn slug_of(variants: &BTreeMap<String, Variant>, kind: &str) -> Result<String> {
    variants.get(kind).and_then(|variant| variant.slug.clone()).with_context(|| format!("no {kind} in {variants:?}"))
}

async fn whole(node: &Node, slug: &str) -> Result<String> {
    node.get_text(&format!("/hls/{slug}/whole.m3u8")).await
}

fn sequences(playlist: &str) -> Vec<u64> {
    let names = playlist.lines().filter_map(|line| line.strip_suffix(".m4s"));
    names.filter_map(|number| number.parse().ok()).collect()
}

/// Durations and dates of the segments that are there, by number.
fn times(playlist: &str) -> BTreeMap<u64, (String, String)> {
    let (mut duration, mut date) = (String::new(), String::new());
    let mut found = BTreeMap::new();
    for line in playlist.lines() {
        if let Some(text) = line.strip_prefix("#EXTINF:") {
            duration = text.to_owned();
        } else if let Some(text) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            date = text.to_owned();
        } else if let Some(number) = line.strip_suffix(".m4s").and_then(|number| number.parse().ok()) {
            found.insert(number, (duration.clone(), date.clone()));
        }
    }
    found
}

/// What ffprobe says of the first picture or sound of a segment, and of its track.
async fn probe(node: &Node, slug: &str, sequence: u64, track: &str) -> Result<Value> {
    let home = tempfile::tempdir()?;
    let mut file = node.get_bytes(&format!("/hls/{slug}/init-0.mp4")).await?;
    file.extend(node.get_bytes(&format!("/hls/{slug}/{sequence}.m4s")).await?);
    let path = home.path().join("segment.mp4");
    tokio::fs::write(&path, file).await?;
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-select_streams", track, "-show_streams", "-show_packets"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot start ffprobe")?;
    ensure!(output.status.success(), "ffprobe: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Seconds at which the packets of a track are shown.
fn shown(probe: &Value) -> Result<Vec<f64>> {
    let packets = probe["packets"].as_array().context("no packets")?;
    let times = packets.iter().map(|packet| packet["pts_time"].as_str()?.parse::<f64>().ok());
    let mut times = times.collect::<Option<Vec<_>>>().context("a packet without a time")?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

#[tokio::test]
async fn renditions_have_the_segments_of_the_original_with_less_in_them() -> Result<()> {
    let a = publisher().await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let variants = broadcast.variants(&a).await?;
    let attributes = |kind: &str| variants.get(kind).map(|variant| variant.attributes.clone()).unwrap_or_default();
    ensure!(attributes("original").contains("RESOLUTION=320x180"), "{variants:?}");
    ensure!(attributes("picture").contains("RESOLUTION=160x90"), "{variants:?}");
    ensure!(attributes("picture").contains("CODECS=\"avc1."), "{variants:?}");
    ensure!(attributes("sound").ends_with("CODECS=\"mp4a.40.2\""), "{variants:?}");

    let (picture, sound) = (slug_of(&variants, "picture")?, slug_of(&variants, "sound")?);
    let at = broadcast.all_have(&a, &[picture.clone(), sound.clone()], 3).await?;
    let original = times(&whole(&a, &broadcast.slug).await?);
    for slug in [&picture, &sound] {
        let rendition = times(&whole(&a, slug).await?);
        for (number, times) in &rendition {
            ensure!(original.get(number) == Some(times), "segment {number} of {slug}: {rendition:?} of {original:?}");
        }
        ensure!(rendition.contains_key(&at), "{rendition:?}");
    }

    let (of_original, of_picture) = (probe(&a, &broadcast.slug, at, "v").await?, probe(&a, &picture, at, "v").await?);
    ensure!(of_picture["streams"][0]["width"] == 160, "{}", of_picture["streams"]);
    ensure!(of_picture["packets"][0]["flags"].as_str().is_some_and(|flags| flags.starts_with('K')), "no keyframe");
    let (one, other) = (shown(&of_original)?, shown(&of_picture)?);
    ensure!(one.len() == other.len(), "{} pictures became {}", one.len(), other.len());
    ensure!(one.iter().zip(&other).all(|(one, other)| (one - other).abs() < 0.001), "{one:?} became {other:?}");
    for slug in [&picture, &sound] {
        let (of_original, of_rendition) = (probe(&a, &broadcast.slug, at, "a").await?, probe(&a, slug, at, "a").await?);
        ensure!(shown(&of_original)? == shown(&of_rendition)?, "the sound of {slug} is at other times");
    }
    ensure!(probe(&a, &sound, at, "v").await?["streams"].as_array().is_some_and(Vec::is_empty));

    let listed = a.get_json("/api/v1/broadcasts").await?;
    ensure!(listed.as_array().is_some_and(|all| all.len() == 1), "renditions are no broadcasts to people: {listed}");
    let details = a.get_json(&format!("/api/v1/broadcasts/{}", broadcast.slug)).await?;
    ensure!(details["renditions"][0]["name"] == "90p" && details["renditions"][1]["name"] == "Sound", "{details}");
    Ok(())
}

#[tokio::test]
async fn a_viewers_node_fetches_the_rendition_that_is_watched_and_not_the_original() -> Result<()> {
    let a = publisher().await?;
    let b = viewer_of(&a).await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let variants = broadcast.variants(&b).await?;
    let sound = slug_of(&variants, "sound")?;
    let mut at_b = Events::of(&b).await?;
    at_b.subscribe(&sound).await?;
    b.get_text(&format!("/hls/{sound}/index.m3u8?player=mse")).await?;
    let first = at_b.segment(1).await?;
    at_b.segment(first + 2).await?;
    let held = b.get_json(&format!("/api/v1/broadcasts/{}", broadcast.slug)).await?["held_segments"].clone();
    ensure!(held == 0, "{held} segments of the original were fetched");
    Ok(())
}

/// A node that makes renditions of what another publishes, which it follows.
async fn transcoder_of(publisher: &Node) -> Result<Node> {
    let settings = Settings {
        name: "relay".to_owned(),
        peers: vec![publisher.web_address()],
        mirror_all: true,
        transcode: Some("here"),
        tables: LADDER.to_owned(),
        ..Settings::default()
    };
    let node = Node::start(MESHSTREAM, settings).await?;
    follow(&node, publisher).await?;
    Ok(node)
}

async fn follow(who: &Node, whom: &Node) -> Result<()> {
    let feed = whom.status()["node"]["feed"].as_str().context("no feed")?;
    who.cli(&["feed", "follow", feed]).await?;
    Ok(())
}

#[tokio::test]
async fn a_node_on_the_way_makes_the_renditions_that_a_publisher_does_not_for_those_who_follow_it() -> Result<()> {
    let grace = Some("1s".to_owned());
    let a = Node::start(MESHSTREAM, Settings { name: "publisher".to_owned(), grace, ..Settings::default() }).await?;
    let b = transcoder_of(&a).await?;
    let c = viewer_of(&b).await?;
    follow(&c, &b).await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let variants = broadcast.variants(&c).await?;
    let sound = slug_of(&variants, "sound")?;
    let picture = slug_of(&variants, "picture")?;
    let mut at_c = Events::of(&c).await?;
    at_c.subscribe(&picture).await?;
    c.get_text(&format!("/hls/{picture}/index.m3u8?player=mse")).await?;
    let first = at_c.segment(1).await?;
    let at = at_c.segment(first + 2).await?;
    let original = times(&whole(&a, &broadcast.slug).await?);
    let encoded = times(&whole(&b, &picture).await?);
    ensure!(encoded.contains_key(&at), "{encoded:?}");
    ensure!(encoded.iter().all(|(number, times)| original.get(number) == Some(times)), "{encoded:?} of {original:?}");
    ensure!(probe(&c, &picture, at, "v").await?["streams"][0]["width"] == 160);
    let at_a = a.get_text(&format!("/hls/{}/main.m3u8?player=mse", broadcast.slug)).await?;
    ensure!(!at_a.contains("STREAM-INF"), "the publisher does not follow who encodes: {at_a}");

    let mut ends = Vec::new();
    for slug in [&picture, &sound] {
        let mut events = Events::of(&b).await?;
        events.subscribe(slug).await?;
        ends.push(events);
    }
    broadcast.encoder.kill().await?;
    for events in &mut ends {
        events.until("the end", |event| (event["type"] == "playlist" && event["ended"] == true).then_some(())).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_encoder_that_crashes_costs_the_renditions_a_segment_and_the_original_nothing() -> Result<()> {
    let a = publisher().await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let variants = broadcast.variants(&a).await?;
    let picture = slug_of(&variants, "picture")?;
    let before = broadcast.events.segment(1).await?;
    a.kill_child("rendition-worker").await?;
    broadcast.all_have(&a, std::slice::from_ref(&picture), before + 5).await?;
    let original = whole(&a, &broadcast.slug).await?;
    ensure!(!original.contains("EXT-X-GAP") && !original.contains("EXT-X-DISCONTINUITY\n"), "{original}");
    Ok(())
}

#[tokio::test]
async fn where_encoding_takes_longer_than_the_media_plays_pictures_are_left_out_for_a_while_and_the_original_goes_on()
-> Result<()> {
    let a = publisher().await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let variants = broadcast.variants(&a).await?;
    let (picture, sound) = (slug_of(&variants, "picture")?, slug_of(&variants, "sound")?);
    let before = broadcast.events.segment(1).await?;
    a.pause_child("rendition-worker").await?;
    // It is ended by then, and the next is not asked for anything for a minute.
    let after = broadcast.all_have(&a, std::slice::from_ref(&sound), before + 20).await?;
    let encoded = sequences(&whole(&a, &picture).await?);
    ensure!(encoded.last().is_some_and(|last| *last < before + 3), "encoded beyond {before}: {encoded:?}");
    ensure!(a.log().contains("the processor does not keep up"), "nobody is told");
    broadcast.all_have(&a, std::slice::from_ref(&picture), after + 10).await?;
    ensure!(a.log().contains("the rendition is tried again"), "nobody is told");
    let original = whole(&a, &broadcast.slug).await?;
    ensure!(!original.contains("EXT-X-GAP") && !original.contains("EXT-X-DISCONTINUITY\n"), "{original}");
    Ok(())
}

#[tokio::test]
async fn who_takes_a_broadcast_back_takes_back_its_renditions() -> Result<()> {
    let grace = Some("1s".to_owned());
    let settings = Settings { name: "publisher".to_owned(), tables: LADDER.to_owned(), grace, ..Settings::default() };
    let a = Node::start(MESHSTREAM, settings).await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let variants = broadcast.variants(&a).await?;
    let renditions = [slug_of(&variants, "picture")?, slug_of(&variants, "sound")?];
    broadcast.all_have(&a, &renditions, 3).await?;
    let Broadcast { slug, mut events, encoder, .. } = broadcast;
    let mut of_renditions = Vec::new();
    for slug in &renditions {
        let mut events = Events::of(&a).await?;
        events.subscribe(slug).await?;
        of_renditions.push(events);
    }
    encoder.kill().await?;
    for events in &mut of_renditions {
        events.until("the end", |event| (event["type"] == "playlist" && event["ended"] == true).then_some(())).await?;
    }
    events.archived(&a, &slug).await?;
    a.cli(&["archive", "withdraw", &slug, "--remove"]).await?;
    for slug in &renditions {
        let details = a.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
        ensure!(details["withdrawn"].is_string() && details["held_segments"] == 0, "{details}");
    }
    Ok(())
}

#[tokio::test]
async fn renditions_go_on_after_a_restart_of_their_node() -> Result<()> {
    let mut a = publisher().await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let before = broadcast.variants(&a).await?;
    a.kill().await?;
    let Broadcast { slug, encoder, url, .. } = broadcast;
    encoder.kill().await?;
    a.restart().await?;
    let mut events = Events::of(&a).await?;
    events.subscribe(&slug).await?;
    let encoder = Ffmpeg::publish(&url, &Picture::default())?;
    let mut broadcast = Broadcast { slug, events, encoder, url };
    let next = broadcast.events.segment(0).await? + 1;
    let after = broadcast.variants(&a).await?;
    for kind in ["picture", "sound"] {
        let slug = slug_of(&before, kind)?;
        ensure!(slug == slug_of(&after, kind)?, "another {kind}: {before:?}, {after:?}");
        broadcast.all_have(&a, &[slug], next).await?;
    }
    Ok(())
}

async fn who_watches_chooses_among_the_renditions(kind: Kind) -> Result<()> {
    let a = publisher().await?;
    let mut broadcast = Broadcast::begin(&a).await?;
    let variants = broadcast.variants(&a).await?;
    let slugs = [slug_of(&variants, "picture")?, slug_of(&variants, "sound")?];
    broadcast.all_have(&a, &slugs, 3).await?;
    let page = format!("{}/watch/{}", a.web(), broadcast.slug);
    let mut browser = Browser::open_in(kind, &page).await?;
    browser.until("the picture of the original", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    choose(&mut browser, "90p").await?;
    let small = browser.until("the smaller picture", |player| player.width() == 160).await?;
    browser.until("it plays", |player| player.current_time() > small.current_time() + 3.0).await?;
    choose(&mut browser, "sound").await?;
    let alone = browser.until("sound alone", |player| player.width() == 0 && player.current_time() > 0.0).await?;
    browser.until("it is heard", |player| player.current_time() > alone.current_time() + 3.0).await?;
    choose(&mut browser, "180p").await?;
    browser.until("the picture again", |player| player.width() == 320 && player.state() == "playing").await?;
    Ok(())
}

async fn renditions_that_come_while_somebody_watches_are_offered(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let broadcast = Broadcast::begin(&a).await?;
    let page = format!("{}/watch/{}", a.web(), broadcast.slug);
    let mut browser = Browser::open_in(kind, &page).await?;
    browser.until("it plays", |player| player.width() == 320 && player.current_time() > 0.0).await?;
    let b = transcoder_of(&a).await?;
    follow(&a, &b).await?;
    let offered = "document.getElementById('renditions').textContent";
    browser.until_eval(offered, |choices| choices.as_str().is_some_and(|choices| choices.contains("90"))).await?;
    browser.until("it goes on", |player| player.current_time() > 0.0 && player.state() == "playing").await?;
    choose(&mut browser, "90p").await?;
    browser.until("the smaller picture", |player| player.width() == 160).await?;
    Ok(())
}

/// Chooses the rendition whose name in the menu has these letters, apart from the isolates around what has another direction.
async fn choose(browser: &mut Browser, name: &str) -> Result<()> {
    let choose = format!(
        "(menu => {{
            const text = option => option.text.toLowerCase().replace(/[\\u2066-\\u2069]/g, '');
            const found = [...menu.options].find(option => text(option).includes('{name}'));
            if (found) {{ menu.value = found.value; menu.dispatchEvent(new Event('change')); }}
            return found ? 'chosen' : [...menu.options].map(option => option.text).join();
        }})(document.getElementById('renditions'))"
    );
    let chosen = browser.eval(&choose).await?;
    ensure!(chosen == "chosen", "no {name} in {chosen}");
    Ok(())
}
