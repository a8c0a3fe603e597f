//! What an owner says of broadcasts before, during and after them, as another node hears it; and what it does not show.

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node, publish, viewer_of};

/// Waits until the directory of a node has made something of itself.
async fn directory<T>(events: &mut Events, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
    events.until(what, |event| (event["type"] == "directory").then(|| wanted(event)).flatten()).await
}

fn titles(event: &Value, of: &str) -> Vec<String> {
    let entries = event[of].as_array().cloned().unwrap_or_default();
    entries.iter().filter_map(|entry| entry["title"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn what_is_planned_begins_changes_its_name_and_is_ended_on_every_node() -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let b = viewer_of(&a).await?;
    let mut events = Events::of(&b).await?;

    let planned = a
        .cli_json(&["schedule", "add", "Keynote", "2h", "--description", "at ten", "--stream", "demo", "--json"])
        .await?;
    let upcoming = |event: &Value| titles(event, "upcoming").contains(&"Keynote".to_owned()).then_some(());
    directory(&mut events, "what is planned", upcoming).await?;
    let listed = b.get_json("/api/v1/upcoming").await?;
    ensure!(listed[0]["id"] == planned["id"] && listed[0]["own"] == false, "{listed}");
    ensure!(a.cli(&["schedule", "list"]).await?.contains("this node"), "not said whose it is");

    let publisher = publish(&a, &key)?;
    let begun = |event: &Value| {
        let live = event["broadcasts"].as_array()?.iter().find(|one| one["title"] == "Keynote")?;
        let over = titles(event, "upcoming").is_empty();
        over.then(|| live["slug"].as_str().map(str::to_owned)).flatten()
    };
    let slug = directory(&mut events, "the broadcast that fulfils it", begun).await?;
    ensure!(b.get_json("/api/v1/upcoming").await?.as_array().is_some_and(Vec::is_empty), "still planned");

    a.cli(&["broadcast", "set", &slug[..8], "--title", "Keynote, part 2"]).await?;
    let renamed = |event: &Value| titles(event, "broadcasts").contains(&"Keynote, part 2".to_owned()).then_some(());
    directory(&mut events, "the new title", renamed).await?;
    let broadcast = b.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
    ensure!(broadcast["description"] == "at ten", "the description stays: {broadcast}");

    a.cli(&["broadcast", "end", &slug[..8]]).await?;
    let ended = |event: &Value| {
        event["broadcasts"].as_array()?.iter().find(|one| one["slug"] == slug && one["state"] == "ended").map(drop)
    };
    directory(&mut events, "the end", ended).await?;
    publisher.ended().await?;
    let (_, said) = publish(&a, &key)?.ended().await?;
    ensure!(a.log().contains("the owner of this node ended the broadcast"), "the next try is not refused: {said}");

    a.cli(&["broadcast", "admit", "demo"]).await?;
    let _publisher = publish(&a, &key)?;
    directory(&mut events, "another broadcast", |event| {
        event["broadcasts"].as_array()?.iter().find(|one| one["slug"] != slug && one["state"] == "live").map(drop)
    })
    .await
}

#[tokio::test]
async fn what_is_hidden_on_a_node_is_hidden_there_alone_and_stays_so_over_a_restart() -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let mut b = viewer_of(&a).await?;
    let mut events = Events::of(&b).await?;
    let _publisher = publish(&a, &key)?;
    let slug = events.live_broadcast().await?;

    b.cli(&["hide", &slug[..8]]).await?;
    directory(&mut events, "a directory without it", |event| titles(event, "broadcasts").is_empty().then_some(()))
        .await?;
    let shown = async |node: &testkit::node::Node| -> Result<bool> {
        let listed = node.get_json("/api/v1/broadcasts").await?;
        Ok(listed.as_array().is_some_and(|all| all.iter().any(|one| one["slug"] == slug)))
    };
    ensure!(!shown(&b).await? && shown(&a).await?, "hidden in the wrong place");
    ensure!(b.get_text(&format!("/watch/{slug}")).await.is_err(), "its page is shown");

    b.terminate().await?;
    b.restart().await?;
    ensure!(!shown(&b).await?, "shown again after a restart");
    ensure!(b.cli(&["hidden"]).await?.contains(&slug), "not listed");
    b.cli(&["unhide", &slug]).await?;
    Events::of(&b).await?.listed(&slug).await
}

#[tokio::test]
async fn a_publisher_that_is_away_is_waited_for_as_the_owner_says_meanwhile() -> Result<()> {
    // Longer than is waited for here.
    let grace = Some("1h".to_owned());
    let a = Node::start(MESHSTREAM, Settings { name: "publisher".to_owned(), grace, ..Settings::default() }).await?;
    let mut events = Events::of(&a).await?;
    let publisher = publish(&a, &a.add_key("demo").await?)?;
    let slug = events.live_broadcast().await?;
    publisher.kill().await?;
    a.cli(&["settings", "set", "ingest.grace", "1s"]).await?;
    events.archived(&a, &slug).await?;
    Ok(())
}

#[tokio::test]
async fn settings_take_effect_at_once_or_with_the_next_start_and_a_broken_file_keeps_no_node_from_it() -> Result<()> {
    let mut a = node("publisher").await?;
    let quota = async |node: &testkit::node::Node| -> Result<Value> {
        Ok(node.get_json("/api/v1/node").await?["storage"]["quota_bytes"].clone())
    };
    let said = a.cli(&["settings", "set", "storage.quota", "3GiB"]).await?;
    ensure!(said.contains("in effect now") && quota(&a).await? == 3_u64 << 30, "{said}");
    for (key, value) in [
        ("storage.max_files", "9000"),
        ("storage.reserve", "64MiB"),
        ("archive.keep", "false"),
        ("archive.honour_withdrawals", "false"),
        ("mesh.mirror", "all"),
        ("mesh.max_upload", "8 Mbit/s"),
        ("mesh.max_upload_per_peer", "4 Mbit/s"),
        ("ssb.hops", "2"),
        ("ssb.announce_post", "false"),
        ("web.public_url", "http://roof.example"),
        ("web.gateway", "open"),
        ("node.location", "{ latitude = 43.65, longitude = -79.38 }"),
    ] {
        let said = a.cli(&["settings", "set", key, value]).await?;
        ensure!(said.contains("in effect now"), "{key}: {said}");
    }
    let report = a.get_json("/api/v1/node").await?;
    ensure!(report["storage"]["max_files"] == 9000 && report["storage"]["reserve_bytes"] == 64_u64 << 20, "{report}");
    ensure!(a.get_json("/nodeinfo.json").await?["location"]["latitude"] == 43.65, "not told where it stands");
    let said = a.cli(&["settings", "set", "node.name", "roof"]).await?;
    ensure!(said.contains("until it is started again"), "{said}");
    a.cli(&["settings", "unset", "node.name"]).await?;
    let refused = a.cli(&["settings", "set", "storage.quota", "much"]).await;
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("storage.quota")), "nonsense was set");
    a.terminate().await?;
    a.restart().await?;
    ensure!(quota(&a).await? == 3_u64 << 30, "forgotten over a restart");
    ensure!(a.cli(&["logs"]).await?.contains("INFO"), "no log");

    a.terminate().await?;
    a.cli(&["settings", "unset", "storage.quota"]).await?;
    std::fs::write(a.data_dir().join("settings.toml"), "[storage\n")?;
    a.restart().await?;
    ensure!(a.data_dir().join("settings.toml.broken").exists(), "not set aside");
    let warned = a.cli(&["logs", "--level", "warn"]).await?;
    ensure!(warned.contains("the settings cannot be used and are set aside"), "{warned}");
    Ok(())
}
