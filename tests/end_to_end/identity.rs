//! A node's identity: in use once on a machine, taken to another data directory, and its feed got back from peers.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node, viewer_of};

#[tokio::test]
async fn an_identity_runs_once_and_moves_with_its_feed() -> Result<()> {
    let mut a = node("first").await?;
    let b = viewer_of(&a).await?;
    a.cli(&["post", "before the move"]).await?;
    until_posted(&b, "before the move").await?;

    let settings = Settings { name: "second".to_owned(), peers: vec![b.web_address()], ..Settings::default() };
    let mut c = Node::start(MESHSTREAM, settings).await?;
    c.terminate().await?;
    fs::remove_dir_all(c.data_dir())?;
    copy(&a.data_dir(), &c.data_dir())?;
    match c.restart().await {
        Ok(()) => bail!("a copy of a running node runs"),
        Err(error) => ensure!(error.to_string().contains("same identity"), "refused otherwise: {error}"),
    }

    let file = c.data_dir().with_file_name("exported");
    let name = file.to_str().context("no text")?;
    a.cli(&["ssb", "export", name]).await?;
    let feed = a.status()["node"]["feed"].clone();
    a.terminate().await?;
    fs::remove_dir_all(c.data_dir())?;
    c.cli(&["ssb", "import", name]).await?;
    match start_and_post(&mut c).await {
        Ok(()) => bail!("it appended to a feed that it has not"),
        Err(error) => ensure!(error.to_string().contains("ssb recover"), "refused otherwise: {error}"),
    }
    ensure!(c.status()["node"]["feed"] == feed, "another identity");
    c.terminate().await?;

    let recovered = c.cli_json(&["ssb", "recover", "--json"]).await?;
    // It took them back while it ran, or does so now.
    let whole = recovered["messages"].as_u64() >= Some(2) && recovered["agreeing"] == 1 && recovered["differing"] == 0;
    ensure!(whole, "not recovered: {recovered}");
    start_and_post(&mut c).await?;
    until_posted(&b, "after the move").await
}

async fn start_and_post(node: &mut Node) -> Result<()> {
    node.restart().await?;
    node.cli(&["post", "after the move"]).await.map(drop)
}

/// Asks until a post is there; the process that is waited for does the work meanwhile.
async fn until_posted(node: &Node, text: &str) -> Result<()> {
    let posted = async {
        loop {
            let timeline = node.get_json("/api/v1/timeline").await?;
            let posts: &Vec<Value> = timeline["posts"].as_array().context("no posts")?;
            if posts.iter().any(|post| post["text"] == text) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(GUARD, posted).await.with_context(|| format!("'{text}' did not come"))?
}

/// A guard against hanging, not a measure.
const GUARD: std::time::Duration = std::time::Duration::from_secs(60);

/// Copies files and folders; not the control socket.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
