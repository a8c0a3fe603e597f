//! Broadcasts that outlive their publisher: mirrored, republished, carried by hand, and played as new ones.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::kubo::Kubo;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, mirror_of, node, publish, viewer_of};

/// A guard against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(60);
/// How often a player asks again for what is not here yet.
const PLAYER_RETRY: Duration = Duration::from_millis(500);

/// What a viewer of the publisher's node got.
struct Seen {
    slug: String,
    playlist: String,
    segments: Vec<(String, Vec<u8>)>,
}

/// A node on which somebody publishes until so many segments are there, and one that knows it.
async fn published(segments: u64) -> Result<(Node, Node, Seen)> {
    let a = node("publisher").await?;
    let b = mirror_of(&a).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut events = Events::of(&b).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(segments).await?;
    publisher.kill().await?;
    let (playlist, segments) = play(&a, &slug, usize::MAX).await?;
    Ok((a, b, Seen { slug, playlist, segments }))
}

/// The whole of a broadcast as a player gets it.
async fn play(node: &Node, slug: &str, most: usize) -> Result<(String, Vec<(String, Vec<u8>)>)> {
    let playlist = node.get_text(&format!("/hls/{slug}/whole.m3u8")).await?;
    let mut segments = Vec::new();
    for uri in playlist.lines().filter(|line| line.ends_with(".m4s")).take(most) {
        segments.push((uri.to_owned(), node.get_bytes(&format!("/hls/{slug}/{uri}")).await?));
    }
    Ok((playlist, segments))
}

impl Seen {
    /// Waits until a node plays all of this.
    async fn is_played_by(&self, node: &Node) -> Result<()> {
        let mut events = Events::of(node).await?;
        let known = |event: &Value| {
            let broadcasts = event["broadcasts"].as_array()?;
            broadcasts.iter().any(|one| one["slug"] == self.slug.as_str()).then_some(())
        };
        events.until("the broadcast", known).await?;
        let played = async {
            loop {
                // A publisher that is killed may have announced a segment more, which nobody got.
                match play(node, &self.slug, self.segments.len()).await {
                    Ok((_, segments)) if segments.len() == self.segments.len() => return segments,
                    // Not all that lists or has its segments is here yet. As a player does, ask again.
                    _ => tokio::time::sleep(PLAYER_RETRY).await,
                }
            }
        };
        let segments = tokio::time::timeout(GUARD, played).await.context("it is not played in whole")?;
        ensure!(segments == self.segments, "other bytes than the publisher's");
        Ok(())
    }
}

fn mirrors(broadcast: &Value) -> usize {
    broadcast["mirrors"].as_array().map_or(0, Vec::len)
}

/// Waits until a node knows of so many mirrors. No event tells of them.
async fn is_mirrored_by(node: &Node, slug: &str, count: usize) -> Result<()> {
    let known = async {
        while mirrors(&node.get_json(&format!("/api/v1/broadcasts/{slug}")).await?) != count {
            tokio::time::sleep(PLAYER_RETRY).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(GUARD, known).await.with_context(|| format!("there are not {count} mirrors"))?
}

#[tokio::test]
async fn a_broadcast_is_found_and_played_after_its_publisher_is_gone_for_good() -> Result<()> {
    let (mut a, b, _) = published(3).await?;
    let mut at_b = Events::of(&b).await?;
    ensure!(a.terminate().await?.success(), "the publisher's node did not end cleanly");
    a.restart().await?;
    let slug = a.get_json("/api/v1/broadcasts").await?[0]["slug"].as_str().context("no broadcast")?.to_owned();
    let archives = at_b.archived(&b, &slug).await?;
    let whole = archives.iter().find(|archive| archive["kind"] == "broadcast").context("no whole")?["manifest"].clone();
    let (playlist, segments) = play(&a, &slug, usize::MAX).await?;
    let seen = Seen { slug: slug.clone(), playlist, segments };

    let said = b.cli(&["archive", "mirror", &slug[..8]]).await?;
    ensure!(said.contains(whole.as_str().unwrap_or_default()), "{said}");
    let republished = b.cli_json(&["archive", "republish", &slug, "--credit", "The town", "--json"]).await?;
    ensure!(republished["manifest"] == whole, "another manifest is republished: {republished}");
    a.kill().await?;
    drop(a);

    let c = viewer_of(&b).await?;
    seen.is_played_by(&c).await?;
    let at_c = c.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    ensure!(
        at_c["own"] == false
            && at_c["publisher"] == b.get_json(&format!("/api/v1/broadcasts/{slug}")).await?["publisher"]
    );
    ensure!(mirrors(&at_c) == 1, "{at_c:#}");
    ensure!(at_c["republications"][0]["credit"] == "The town", "{at_c:#}");
    ensure!(c.get_text(&format!("/hls/{slug}/whole.m3u8")).await? == seen.playlist, "another playlist");
    let listed = c.cli(&["archive", "list"]).await?;
    ensure!(listed.contains("mirrored by @") && listed.contains("The town"), "{listed}");

    // A Pi with no network: what is carried there is played by a Kubo and found by its neighbours.
    let folder = tempfile::tempdir()?;
    let car = folder.path().join("show.car");
    let path = car.to_str().context("a path in UTF-8")?;
    b.cli(&["archive", "export", &slug, path]).await?;
    let mut kubo = Kubo::start(None).await?;
    kubo.import(&car).await?;

    let d = node("far away").await?;
    let mut damaged = std::fs::read(&car)?;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let broken = folder.path().join("broken.car");
    std::fs::write(&broken, damaged)?;
    ensure!(d.cli(&["archive", "import", broken.to_str().unwrap_or_default()]).await.is_err(), "damage is taken");
    ensure!(d.get_json("/api/v1/storage").await?["files"] == 0, "something of a damaged file was kept");
    let imported = d.cli_json(&["archive", "import", path, "--json"]).await?;
    ensure!(imported["segments"] == seen.segments.len(), "{imported}");
    seen.is_played_by(&d).await?;
    let e = mirror_of(&d).await?;
    seen.is_played_by(&e).await?;
    let at_e = e.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    ensure!(mirrors(&at_e) >= 1 && at_e["archives"].as_array().is_some_and(|all| !all.is_empty()), "{at_e:#}");

    // And played as a new broadcast.
    let mut at_e = Events::of(&e).await?;
    let new = d.cli_json(&["archive", "rebroadcast", &slug, "--title", "Again", "--json"]).await?;
    let live = at_e.live_broadcast().await?;
    ensure!(new["slug"] == live.as_str(), "{new}");
    at_e.subscribe(&live).await?;
    at_e.segment(0).await?;
    let first = e.get_bytes(&format!("/hls/{live}/0.m4s")).await?;
    ensure!(first == seen.segments[0].1, "other bytes than what is played again");
    d.cli(&["archive", "rebroadcast", &slug, "--stop"]).await?;
    at_e.until("its end", |event| {
        let listed = event["broadcasts"].as_array()?.iter().find(|one| one["slug"] == live.as_str())?;
        (listed["state"] == "ended").then_some(())
    })
    .await
}

#[tokio::test]
async fn a_broadcast_whose_publisher_died_without_a_word_is_republished_and_played() -> Result<()> {
    let (mut a, b, seen) = published(3).await?;
    a.kill().await?;
    drop(a);
    let slug = &seen.slug;
    // Nothing but its live messages vouches for it.
    let at_b = b.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    ensure!(at_b["archives"].as_array().is_some_and(Vec::is_empty), "{at_b:#}");
    let republished = b.cli_json(&["archive", "republish", slug, "--credit", "A camera", "--json"]).await?;
    ensure!(republished["segments"].as_u64() >= Some(4), "{republished}");

    let c = viewer_of(&b).await?;
    seen.is_played_by(&c).await?;
    let at_c = c.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    ensure!(at_c["republications"][0]["manifest"] == republished["manifest"], "{at_c:#}");
    Ok(())
}

#[tokio::test]
async fn a_withdrawn_broadcast_is_given_up_by_its_mirrors() -> Result<()> {
    let settings = Settings { name: "publisher".to_owned(), grace: Some("1s".to_owned()), ..Settings::default() };
    let a = Node::start(MESHSTREAM, settings).await?;
    let b = viewer_of(&a).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut at_a = Events::of(&a).await?;
    let slug = at_a.live_broadcast().await?;
    at_a.subscribe(&slug).await?;
    at_a.segment(1).await?;
    publisher.kill().await?;
    let mut events = Events::of(&b).await?;
    events.archived(&b, &slug).await?;
    b.cli(&["archive", "mirror", &slug]).await?;
    is_mirrored_by(&b, &slug, 1).await?;
    a.cli(&["archive", "withdraw", &slug, "--reason", "by mistake"]).await?;
    let withdrawn = |event: &Value| {
        let listed = event["broadcasts"].as_array()?;
        (!listed.iter().any(|one| one["slug"] == slug.as_str())).then_some(())
    };
    events.until("the withdrawal", withdrawn).await?;
    at_a.until("the withdrawal", withdrawn).await?;
    ensure!(b.get_json(&format!("/api/v1/broadcasts/{slug}")).await?["withdrawn"] == "by mistake");
    // The mirror says that it holds it no more once it does not.
    is_mirrored_by(&b, &slug, 0).await?;
    let at_b = b.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    ensure!(at_b["held_segments"] == 0, "something is kept of what was withdrawn: {at_b:#}");
    Ok(())
}
