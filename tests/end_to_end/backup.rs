//! A backup of a node that runs, taken by one that has nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use testkit::events::Events;

use crate::{MESHSTREAM, node, publish};

#[tokio::test]
async fn a_backup_makes_an_empty_node_the_one_that_was_lost() -> Result<()> {
    let mut lost = node("roof").await?;
    let key = lost.add_key("demo").await?;
    lost.cli(&["settings", "set", "storage.quota", "3GiB"]).await?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("roof.tar");
    let name = file.to_str().context("a path")?;
    let said = lost.cli(&["backup", name]).await?;
    ensure!(said.contains("1 stream keys") && said.contains("keep it secret"), "{said}");
    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600);
    ensure!(lost.cli(&["backup", name]).await.is_err(), "a backup is not overwritten");
    let secret = fs::read(lost.data_dir().join("identity/secret"))?;
    lost.terminate().await?;

    // Another machine, with a node of its own first.
    let new = dir.path().join("new");
    ensure!(meshstream(&new, &["key", "add", "hall"])?.status.success());
    let restored = meshstream(&new, &["restore", name])?;
    let said = String::from_utf8_lossy(&restored.stdout);
    ensure!(restored.status.success() && said.contains("ssb recover"), "{restored:?}");
    ensure!(fs::read(new.join("identity/secret"))? == secret);
    let keys = meshstream(&new, &["key", "list"])?;
    let keys = String::from_utf8_lossy(&keys.stdout);
    ensure!(keys.contains("demo") && keys.contains("hall"), "{keys}");
    let configuration = fs::read_to_string(new.join("restored-meshstream.toml"))?;
    ensure!(configuration.contains("name = \"roof\""), "{configuration}");
    ensure!(fs::read_to_string(new.join("settings.toml"))?.contains("3GiB"));
    ensure!(meshstream(&new, &["ssb", "recover", "--alone", "--wait", "1s"])?.status.success());

    // Who had a key publishes on.
    fs::remove_dir_all(lost.data_dir())?;
    fs::rename(&new, lost.data_dir())?;
    lost.restart().await?;
    let _publisher = publish(&lost, &key)?;
    Events::of(&lost).await?.live_broadcast().await?;

    // A node that is somebody already stays so.
    let other = dir.path().join("other");
    fs::create_dir(&other)?;
    let identity = fs::read_dir(lost.data_dir().join("identity"))?.count();
    let refused = meshstream(&lost.data_dir(), &["restore", name])?;
    ensure!(!refused.status.success(), "the node runs");
    ensure!(fs::read_dir(lost.data_dir().join("identity"))?.count() == identity);
    Ok(())
}

#[tokio::test]
async fn a_backup_is_refused_by_another_node_and_where_it_is_damaged() -> Result<()> {
    let (a, mut b) = (node("a").await?, node("b").await?);
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("a.tar");
    a.cli(&["backup", file.to_str().context("a path")?]).await?;
    b.terminate().await?;
    let secret = fs::read(b.data_dir().join("identity/secret"))?;
    let refused = meshstream(&b.data_dir(), &["restore", file.to_str().context("a path")?])?;
    ensure!(String::from_utf8_lossy(&refused.stderr).contains("is another one"), "{refused:?}");
    ensure!(fs::read(b.data_dir().join("identity/secret"))? == secret);
    let damaged = dir.path().join("damaged.tar");
    let bytes = fs::read(&file)?;
    fs::write(&damaged, &bytes[..bytes.len() / 2])?;
    let empty = dir.path().join("empty");
    let refused = meshstream(&empty, &["restore", damaged.to_str().context("a path")?])?;
    ensure!(!refused.status.success() && !empty.join("identity").exists(), "{refused:?}");
    Ok(())
}

/// The program on a data directory whose node does not run, without peers to find.
fn meshstream(data_dir: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(MESHSTREAM);
    command.args(["--config", "/dev/null", "--data-dir"]).arg(data_dir).args(arguments);
    command.env("MESHSTREAM_IPFS__LISTEN", "[\"/ip4/127.0.0.1/tcp/0\"]").env("MESHSTREAM_MESH__LAN_DISCOVERY", "false");
    Ok(command.output()?)
}
