//! Who may publish, and how the others are told.

use anyhow::{Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node};

/// Refused publishers see it at once, so a few seconds of picture are more than enough.
fn short() -> Picture {
    Picture { length: Some(5), ..Picture::default() }
}

#[tokio::test]
async fn wrong_missing_and_revoked_keys_are_refused_and_never_logged() -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let wrong = "0123456789abcdef0123456789abcdef";
    let refused = [
        ("a wrong key", a.rtmp("demo", wrong)),
        ("no key", a.rtmp("demo", "")),
        ("a name without a key", a.rtmp("other", &key)),
    ];
    for (what, url) in &refused {
        let (status, said) = Ffmpeg::publish(url, &short())?.ended().await?;
        ensure!(!status.success(), "{what}: ffmpeg published; it said {said}");
    }

    let revoked = a.cli_json(&["key", "revoke", "demo", "--json"]).await?;
    ensure!(revoked["revoked"] == "demo", "{revoked}");
    let (status, said) = Ffmpeg::publish(&a.rtmp("demo", &key), &short())?.ended().await?;
    ensure!(!status.success(), "a revoked key: ffmpeg published; it said {said}");

    let log = a.log();
    ensure!(!log.contains(&key) && !log.contains(wrong), "a key is in the log");
    ensure!(log.contains("refused"), "the log does not say why: {log}");
    Ok(())
}

#[tokio::test]
async fn revoking_a_key_disconnects_its_publisher() -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let publisher = Ffmpeg::publish(&a.rtmp("demo", &key), &Picture::default())?;
    Events::of(&a).await?.live_broadcast().await?;
    a.cli_json(&["key", "revoke", "demo", "--json"]).await?;
    let (status, said) = publisher.ended().await?;
    ensure!(!status.success(), "ffmpeg went on; it said {said}");
    Ok(())
}

#[tokio::test]
async fn an_address_outside_ingest_allow_is_refused() -> Result<()> {
    let settings = Settings { name: "closed".to_owned(), allow: vec!["10.1.2.0/24".to_owned()], ..Settings::default() };
    let a = Node::start(MESHSTREAM, settings).await?;
    let key = a.add_key("demo").await?;
    let (status, said) = Ffmpeg::publish(&a.rtmp("demo", &key), &short())?.ended().await?;
    ensure!(!status.success(), "ffmpeg published; it said {said}");
    Ok(())
}

#[tokio::test]
async fn several_publishers_are_several_broadcasts() -> Result<()> {
    let a = node("publisher").await?;
    let mut publishers = Vec::new();
    for name in ["hall", "garden"] {
        let key = a.add_key(name).await?;
        let picture = Picture { video: name == "hall", ..Picture::default() };
        publishers.push(Ffmpeg::publish(&a.rtmp(name, &key), &picture)?);
    }
    let mut events = Events::of(&a).await?;
    let titles = events
        .until("two live broadcasts", |event| {
            let live = event["broadcasts"].as_array()?.iter().filter(|broadcast| broadcast["state"] == "live");
            let mut titles: Vec<String> = live.filter_map(|live| live["title"].as_str().map(str::to_owned)).collect();
            titles.sort();
            (titles.len() == 2).then_some(titles)
        })
        .await?;
    ensure!(titles == ["garden", "hall"], "{titles:?}");
    Ok(())
}
