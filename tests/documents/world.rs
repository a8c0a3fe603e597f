//! What is there before a page is read: another node, whose broadcast is over.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::MESHSTREAM;

/// How long the broadcasts are that are over, seconds: two segments.
const LENGTH: u32 = 5;

/// The rest of the mesh.
pub(crate) struct World {
    pub(crate) other: Node,
    /// Its broadcast.
    pub(crate) over: String,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let settings = Settings { name: "other".to_owned(), grace: Some("1s".to_owned()), ..Settings::default() };
        let other = Node::start(MESHSTREAM, settings).await?;
        let over = broadcast_once(&other).await?;
        Ok(Self { other, over })
    }

    /// A node of the page's reader.
    pub(crate) async fn reader(&self, name: &str) -> Result<Node> {
        let settings = Settings {
            name: name.to_owned(),
            grace: Some("1s".to_owned()),
            peers: vec![self.other.web_address()],
            ..Settings::default()
        };
        Node::start(MESHSTREAM, settings).await
    }
}

/// Publishes to a node until the broadcast is archived; returns its slug.
pub(crate) async fn broadcast_once(node: &Node) -> Result<String> {
    let name = "before";
    let key = node.add_key(name).await?;
    let mut events = Events::of(node).await?;
    let ffmpeg = Ffmpeg::publish(&node.rtmp(name, &key), &Picture { length: Some(LENGTH), ..Picture::default() })?;
    let slug = events.live_broadcast().await?;
    let (status, said) = ffmpeg.ended().await?;
    ensure!(status.success(), "ffmpeg failed: {said}");
    events.archived(node, &slug).await.context("the broadcast is not archived")?;
    Ok(slug)
}

/// A film of a few seconds.
pub(crate) async fn film(file: &Path) -> Result<()> {
    let status = tokio::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine"])
        .args(["-t", "8", "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .arg(file)
        .status()
        .await
        .context("ffmpeg is missing: run 'make test-deps' first")?;
    ensure!(status.success(), "ffmpeg made no film");
    Ok(())
}
