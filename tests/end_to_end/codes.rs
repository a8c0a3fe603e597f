//! The QR codes of a node, read by a real reader.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::node;

/// Width of a module in pixels, about as on a screen.
const PIXELS: usize = 8;

/// What the reader finds in what these elements of GStreamer's make of a file.
async fn read(file: &Path, decoder: &[String]) -> Result<String> {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["--messages", "filesrc", &format!("location={}", file.display()), "!"]).args(decoder);
    let output = command.args(["!", "videoconvert", "!", "zbar", "!", "fakesink"]).output().await;
    let output = output.context("cannot run gst-launch-1.0: run 'make test-deps' first")?;
    // A text with other than letters and digits is in quotes, with backslashes before those.
    let said = String::from_utf8_lossy(&output.stdout).replace('\\', "");
    let found = said.split_once("symbol=(string)").and_then(|(_, rest)| rest.split_once(", ")).map(|(found, _)| found);
    let found = found.with_context(|| format!("no code: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(found.trim_matches('"').to_owned())
}

async fn read_svg(svg: &str) -> Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    // A page says how large it is.
    std::fs::write(file.path(), svg.replacen("<svg ", "<svg width=\"400\" height=\"400\" ", 1))?;
    read(file.path(), &["rsvgdec".to_owned()]).await
}

/// As a terminal with a dark background shows half blocks.
async fn read_terminal(text: &str) -> Result<String> {
    let lines = text.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>();
    let width = lines.first().context("nothing was printed")?.chars().count() * PIXELS;
    let mut pixels = Vec::new();
    for line in &lines {
        for lit in [['█', '▀'], ['█', '▄']] {
            let row = line.chars().flat_map(|char| [if lit.contains(&char) { u8::MAX } else { 0 }; PIXELS]);
            pixels.extend(row.collect::<Vec<_>>().repeat(PIXELS));
        }
    }
    let height = pixels.len() / width;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), pixels)?;
    let decoder =
        ["rawvideoparse".to_owned(), "format=gray8".to_owned(), format!("width={width}"), format!("height={height}")];
    read(file.path(), &decoder).await
}

#[tokio::test]
async fn a_reader_finds_the_nodes_addresses_in_its_codes() -> Result<()> {
    let node = node("roof").await?;
    let home = format!("{}/", node.web());
    ensure!(read_svg(&node.get_text("/qr.svg").await?).await? == home, "the node's page");
    let watch = format!("{}/watch/abc?t=90", node.web());
    let code = node.get_text("/qr.svg?for=/watch/abc%3Ft%3D90").await?;
    ensure!(read_svg(&code).await? == watch, "one of its pages: {}", read_svg(&code).await?);
    let printed = node.cli(&["status", "--qr"]).await?;
    let read = read_terminal(&printed).await?;
    ensure!(printed.trim_end().ends_with(&read), "{read} is not {printed}");
    Ok(())
}
