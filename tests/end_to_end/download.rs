//! Broadcasts as MP4 files, whole and in parts, from their publisher's node and from another one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};
use tokio::process::Command;

use crate::playing::lose_segment;
use crate::{MESHSTREAM, viewer_of};

#[tokio::test]
async fn an_ended_broadcast_is_a_file_here_and_there_and_the_other_picture_another_file() -> Result<()> {
    let grace = Some("20s".to_owned());
    let mut a =
        Node::start(MESHSTREAM, Settings { name: "publisher".to_owned(), grace, ..Settings::default() }).await?;
    let b = viewer_of(&a).await?;
    let url = a.rtmp("demo", &a.add_key("demo").await?);
    let publish = |size| Ffmpeg::publish(&url, &Picture { size, length: Some(7), ..Picture::default() });
    let mut at_b = Events::of(&b).await?;
    let first = publish((320, 180))?;
    let slug = at_b.live_broadcast().await?;
    first.ended().await?;
    publish((640, 360))?.ended().await?;
    let whole = at_b.archived(&b, &slug).await?;
    ensure!(!whole.is_empty(), "no archive");

    let folder = tempfile::tempdir()?;
    let base = format!("/api/v1/broadcasts/{slug}/download.mp4");
    // Nothing of it was watched at the viewer: it comes from the publisher while it is being sent.
    for (node, name) in [(&b, "there"), (&a, "here")] {
        let (path, headers) = curl(&format!("{}{base}", node.web()), &folder.path().join(name)).await?;
        ensure!(headers.contains("content-type: video/mp4") && headers.contains("filename=\"demo"), "{headers}");
        let length = plays(&path).await?;
        ensure!((6.0..8.5).contains(&length), "{length} s of 7 s: {headers}");
        let rest = headers.lines().find_map(|line| line.strip_prefix("link: <")?.split_once('>'));
        let (rest, _) = rest.with_context(|| format!("no word of the rest in {headers}"))?;
        let (path, headers) =
            curl(&format!("{}{rest}", node.web()), &folder.path().join(format!("{name}-rest"))).await?;
        ensure!(!headers.contains("rel=\"next\""), "{headers}");
        let length = plays(&path).await?;
        ensure!((6.0..8.5).contains(&length), "{length} s of 7 s: {headers}");
    }
    let (path, _) = curl(&format!("{}{base}?from=2.5&to=4", a.web()), &folder.path().join("part")).await?;
    let length = plays(&path).await?;
    ensure!((1.5..2.6).contains(&length), "{length} s of a segment of 2 s");

    lose_segment(&a, &slug, 1).await?;
    // What was read lately is in memory.
    a.terminate().await?;
    a.restart().await?;
    let broken = curl(&format!("{}{base}", a.web()), &folder.path().join("broken")).await;
    ensure!(broken.is_err(), "a file that breaks off looks like a whole one");
    let (path, _) = curl(&format!("{}{base}?missing=skip", a.web()), &folder.path().join("skipped")).await?;
    let length = plays(&path).await?;
    ensure!((4.0..6.5).contains(&length), "{length} s without a segment of 2 s");
    Ok(())
}

/// Downloads with curl; returns the file and the headers in lower case.
async fn curl(url: &str, path: &Path) -> Result<(PathBuf, String)> {
    let mut curl = Command::new("curl");
    // Whoever writes without end fills the disk.
    let bounds = ["--max-time", "120", "--max-filesize", "100M"];
    curl.args(["--silent", "--show-error", "--fail", "--dump-header", "-", "--output"]).arg(path).args(bounds).arg(url);
    let output = curl.output().await.context("curl has to be installed")?;
    ensure!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    Ok((path.to_owned(), String::from_utf8(output.stdout)?))
}

/// ffmpeg decodes all of it without a complaint; returns the seconds that the file says it has.
async fn plays(path: &Path) -> Result<f64> {
    let output =
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(["-f", "null", "-"]).output().await?;
    ensure!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]).arg(path);
    Ok(String::from_utf8(probe.output().await?.stdout)?.trim().parse()?)
}
