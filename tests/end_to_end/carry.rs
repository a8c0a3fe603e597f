//! Content that is carried by hand, and what the disk loses.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::kubo::Kubo;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, mirror_of, node, publish};

/// A node on which a broadcast has ended; its slug and the CID of its last manifest.
async fn published() -> Result<(Node, String, String)> {
    let settings = Settings { name: "publisher".to_owned(), grace: Some("1s".to_owned()), ..Settings::default() };
    let node = Node::start(MESHSTREAM, settings).await?;
    let key = node.add_key("demo").await?;
    let publisher = publish(&node, &key)?;
    let mut events = Events::of(&node).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(1).await?;
    publisher.kill().await?;
    let manifest = last_manifest(&mut events, &slug).await?;
    Ok((node, slug, manifest))
}

async fn last_manifest(events: &mut Events, slug: &str) -> Result<String> {
    let ended = |event: &Value| {
        let listed = event["broadcasts"].as_array()?.iter().find(|one| one["slug"] == slug)?;
        (listed["state"] == "ended").then(|| listed["manifest"].as_str().map(str::to_owned))
    };
    events.until("the end", ended).await?.context("no manifest is announced")
}

#[tokio::test]
async fn a_manifest_is_carried_to_a_node_without_peers_and_to_kubo() -> Result<()> {
    let (a, slug, manifest) = published().await?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
    let (one, two) = (file("one.car"), file("two.car"));
    a.cli(&["content", "export", &manifest, &text(&one)?]).await?;
    a.cli(&["content", "export", &manifest, &text(&two)?, "--car-version", "2"]).await?;

    let b = node("elsewhere").await?;
    let mut damaged = fs::read(&one)?;
    *damaged.last_mut().context("an empty file")? ^= 1;
    fs::write(file("damaged.car"), &damaged)?;
    let refused = b.cli(&["content", "import", &text(&file("damaged.car"))?]).await;
    let why = refused.err().context("a damaged file was imported")?.to_string();
    ensure!(why.contains("at byte") && why.contains("copy it again"), "refused with: {why}");
    ensure!(b.get_json("/api/v1/storage").await?["files"] == 0, "something of a damaged file was kept");

    fs::write(file("cut.car"), &fs::read(&one)?[..damaged.len() - 9])?;
    let cut = b.cli(&["content", "import", &text(&file("cut.car"))?]).await;
    ensure!(cut.is_err_and(|why| why.to_string().contains("not whole")), "a cut file is not said to be cut");
    let imported = b.cli_json(&["content", "import", &text(&two)?, "--json"]).await?;
    ensure!(imported["roots"][0]["cid"] == manifest, "imported: {imported}");
    let here = imported["progress"]["blocks_here"].as_u64().context("no number of blocks")?;
    ensure!(here > 0, "nothing was kept of the file that was cut off: {imported}");
    b.cli(&["content", "export", &manifest, &text(&file("again.car"))?]).await?;
    ensure!(fs::read(file("again.car"))? == fs::read(&one)?, "the second node writes another file");

    let mut kubo = Kubo::start(None).await?;
    kubo.import(&two).await?;
    let whole = file("manifest");
    kubo.get(&manifest, &whole).await?;
    let playlist = fs::read_to_string(whole.join("index.m3u8"))?;
    ensure!(playlist == a.get_text(&format!("/ipfs/{manifest}/index.m3u8")).await?, "another playlist: {playlist}");
    for segment in playlist.lines().filter(|line| line.ends_with(".m4s")) {
        let here = a.get_bytes(&format!("/hls/{slug}/{segment}")).await?;
        ensure!(fs::read(whole.join(segment))? == here, "{segment} has other bytes at Kubo");
    }
    Ok(())
}

#[tokio::test]
async fn a_bit_that_the_disk_turned_is_found_and_mended_by_a_peer_or_told() -> Result<()> {
    let settings = Settings { name: "publisher".to_owned(), grace: Some("1s".to_owned()), ..Settings::default() };
    let mut a = Node::start(MESHSTREAM, settings).await?;
    let mut b = mirror_of(&a).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut events = Events::of(&b).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(1).await?;
    publisher.kill().await?;
    last_manifest(&mut events, &slug).await?;
    ensure!(b.cli(&["storage", "check"]).await?.contains("All is well"), "something is wrong from the beginning");

    let damaged = turn_a_bit(&b)?;
    let told = b.cli(&["storage", "check"]).await.err().context("the check says that all is well")?.to_string();
    ensure!(told.contains("1 blocks are not as they should be"), "{told}");
    let mended = b.cli_json(&["storage", "check", "--repair", "--json"]).await?;
    let fault = &mended["faults"][0];
    ensure!(fault["kind"] == "damaged" && fault["repaired"] == true, "{mended}");
    ensure!(fault["cid"] == damaged.as_str(), "another block: {mended}");
    let part_of = fault["kept_for"][0].as_str().unwrap_or_default();
    ensure!(part_of.starts_with(&format!("{slug}/segment/")), "part of {part_of}");
    ensure!(b.cli(&["storage", "check"]).await?.contains("All is well"), "the repair did not hold");

    // Without the peer it is told, and by a node that does not run as well.
    a.kill().await?;
    turn_a_bit(&b)?;
    b.terminate().await?;
    let told = b.cli(&["storage", "check"]).await.err().context("the check says that all is well")?.to_string();
    ensure!(told.contains("1 blocks are not as they should be"), "{told}");
    b.restart().await?;
    ensure!(b.cli(&["storage", "check", "--repair"]).await.is_err(), "it was mended by nobody");
    ensure!(b.cli(&["storage", "check"]).await?.contains("All is well"), "what is lost is held still");
    Ok(())
}

/// Turns a bit in the largest block on disk; its CID.
fn turn_a_bit(node: &Node) -> Result<String> {
    let mut largest: Option<(u64, PathBuf)> = None;
    for shard in fs::read_dir(node.data_dir().join("ipfs/blockstore"))? {
        let shard = shard?.path();
        for file in shard.is_dir().then(|| fs::read_dir(&shard)).transpose()?.into_iter().flatten() {
            let file = file?;
            let size = file.metadata()?.len();
            if largest.as_ref().is_none_or(|(most, _)| size > *most) {
                largest = Some((size, file.path()));
            }
        }
    }
    let (_, path) = largest.context("no block on disk")?;
    let mut bytes = fs::read(&path)?;
    bytes[0] ^= 1;
    fs::write(&path, bytes)?;
    Ok(path.file_stem().and_then(|stem| stem.to_str()).context("a block without a name")?.to_owned())
}
