//! What a person sees who tries the program for the first time.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::MESHSTREAM;

/// Far beyond what a few segments take: only against hanging for ever.
const GUARD: Duration = Duration::from_secs(180);

/// Runs the demo until its viewer node has a segment, and returns what it said.
async fn demo(data_dir: &Path) -> Result<String> {
    let mut command = Command::new(MESHSTREAM);
    command.args(["demo", "--port", "0", "--target-duration", "1", "--segments", "1", "--data-dir"]).arg(data_dir);
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(GUARD, ended).await.context("the demo does not end")??;
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {said}{error}", output.status);
    Ok(said.into_owned())
}

#[tokio::test]
async fn a_demo_in_a_given_directory_leaves_its_nodes_there_and_goes_on_with_them() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let said = demo(directory.path()).await?;
    ensure!(said.contains("fetched by the viewer") && said.contains(&directory.path().display().to_string()), "{said}");
    let identity = |node: &str| std::fs::read(directory.path().join(node).join("identity/secret"));
    let before = (identity("publisher")?, identity("viewer")?);
    demo(directory.path()).await?;
    ensure!(before == (identity("publisher")?, identity("viewer")?), "the nodes are others");
    Ok(())
}
