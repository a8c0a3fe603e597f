//! How long broadcasts stay, as the owner says it.

use anyhow::{Result, ensure};
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, publish};

#[tokio::test]
async fn an_owner_keeps_and_drops_a_broadcast() -> Result<()> {
    let settings = Settings { name: "publisher".to_owned(), grace: Some("1s".to_owned()), ..Settings::default() };
    let mut a = Node::start(MESHSTREAM, settings).await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(1).await?;
    let refused = a.cli(&["archive", "drop", &slug]).await;
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("goes on here")), "dropped while it goes on");
    let said = a.cli(&["archive", "drop", &slug[..8], "--after", "30d"]).await?;
    ensure!(said.contains("is dropped 30days after its end"), "{said}");

    publisher.kill().await?;
    events.archived(&a, &slug).await?;
    a.cli(&["archive", "keep", &slug]).await?;
    let listed = a.cli(&["archive", "list"]).await?;
    ensure!(listed.contains("is kept, and never makes room"), "{listed}");
    ensure!(a.get_json("/api/v1/storage").await?["files"] != 0, "nothing is stored");

    // The archivist notes that it is done after it has told of the last archive.
    while let Err(error) = a.cli(&["archive", "drop", &slug]).await {
        ensure!(format!("{error:#}").contains("is being archived"), "{error:#}");
    }
    let storage = a.get_json("/api/v1/storage").await?;
    ensure!(storage["files"] == 0, "still stored: {storage}");
    let running = a.cli(&["archive", "list"]).await?;
    ensure!(running.contains("was dropped"), "not told of: {running}");

    // The files tell the same where no node runs; nobody watches then.
    let documents = a.cli_json(&["archive", "list", "--json"]).await?;
    a.terminate().await?;
    ensure!(a.cli(&["archive", "list"]).await? == running, "otherwise without a node");
    ensure!(a.cli_json(&["archive", "list", "--json"]).await? == documents, "otherwise in JSON");
    let refused = a.cli(&["archive", "mirrors"]).await;
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("no node runs")), "mirrors of no node");
    Ok(())
}
