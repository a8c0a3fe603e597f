//! Who watches, and who brings it, told by nodes of each other.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::events::Events;

use crate::{node, publish, viewer_of};

#[tokio::test]
async fn viewers_of_two_nodes_add_up_on_both_and_each_says_who_brings_it() -> Result<()> {
    let mut a = node("publisher").await?;
    let b = viewer_of(&a).await?;
    // On one machine nobody finds another by himself: each has to be told of the other.
    a.set_peers(vec![b.web_address()]);
    a.terminate().await?;
    a.restart().await?;
    let key = a.add_key("demo").await?;
    let _publisher = publish(&a, &key)?;
    let (mut at_a, mut at_b) = (Events::of(&a).await?, Events::of(&b).await?);
    let slug = at_b.live_broadcast().await?;
    at_a.play(&slug).await?;
    at_b.play(&slug).await?;
    b.get_text(&format!("/hls/{slug}/index.m3u8?player=mse")).await?;
    let both = json!({ "here": 1, "all": 2 });
    let say_two = |event: &Value| (event["type"] == "statistics" && event["viewers"] == both).then_some(());
    at_a.until("both viewers, at the publisher's node", say_two).await?;
    at_b.until("both viewers, at the other node", say_two).await?;
    for node in [&a, &b] {
        let told = node.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
        ensure!(told["viewers"] == both, "others over HTTP: {told}");
    }

    let publisher = &a.status()["node"];
    let brought = b.get_json(&format!("/api/v1/broadcasts/{slug}/sources")).await?;
    let source = &brought["sources"][0];
    ensure!(source["peer"] == publisher["peer"] && source["feed"] == publisher["feed"], "another source: {brought}");
    ensure!(source["name"] == "publisher" && source["hops"] == 1, "not as it is: {brought}");
    ensure!(source["percent"] == 100 && source["publisher"] == true && brought["own"] == false, "odd: {brought}");
    let own = a.get_json(&format!("/api/v1/broadcasts/{slug}/sources")).await?;
    ensure!(own["own"] == true && own["sources"] == json!([]), "the publisher fetches it: {own}");

    drop(at_b);
    let alone = |event: &Value| (event["viewers"] == json!({ "here": 1, "all": 1 })).then_some(());
    at_a.until("one viewer less", alone).await?;
    Ok(())
}
