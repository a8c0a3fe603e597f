//! A real Kubo on the same network.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use testkit::events::Events;
use testkit::kubo::Kubo;

use crate::{node, publish};

#[tokio::test]
async fn a_kubo_reads_a_live_manifest_by_its_cid() -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(2).await?;
    let listing = a.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    let manifest = listing["manifest"].as_str().context("no manifest is announced")?;

    let mut kubo = Kubo::start(None).await?;
    kubo.connect(&a.ipfs_multiaddr()).await?;
    let folder = tempfile::tempdir()?;
    let whole = folder.path().join("manifest");
    kubo.get(manifest, &whole).await?;
    let playlist = fs::read_to_string(whole.join("index.m3u8"))?;
    let segments: Vec<&str> = playlist.lines().filter(|line| line.ends_with(".m4s")).collect();
    ensure!(!segments.is_empty(), "the manifest's playlist lists nothing: {playlist}");
    for segment in &segments {
        let here = a.get_bytes(&format!("/hls/{slug}/{segment}")).await?;
        ensure!(fs::read(whole.join(segment))? == here, "{segment} has other bytes at Kubo");
    }

    let first = segments[0];
    let cid = cid_of(&a, &format!("/hls/{slug}/{first}")).await?;
    let one = folder.path().join("one");
    kubo.get(&cid, &one).await?;
    ensure!(fs::read(&one)? == fs::read(whole.join(first))?, "by its own CID it has other bytes");

    // The playlist is a live one, for which ffmpeg would wait: what it lists is enough.
    let mut media = fs::read(whole.join("init-0.mp4"))?;
    for segment in &segments {
        media.extend(fs::read(whole.join(segment))?);
    }
    let joined = folder.path().join("joined.mp4");
    fs::write(&joined, media)?;
    let mut decoder = tokio::process::Command::new("ffmpeg");
    decoder.args(["-v", "error", "-i"]).arg(&joined).args(["-f", "null", "-"]);
    let output = decoder.output().await?;
    ensure!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The CID of a segment, which is its ETag.
async fn cid_of(node: &testkit::node::Node, path: &str) -> Result<String> {
    let response = reqwest::get(format!("{}{path}", node.web())).await?.error_for_status()?;
    let etag = response.headers().get("etag").context("no ETag")?.to_str()?;
    Ok(etag.trim_matches('"').to_owned())
}
