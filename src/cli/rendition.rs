//! The process that encodes renditions: this program, asked by the node that runs it.

#[cfg(feature = "gstreamer")]
use anyhow::Context as _;

/// How it is asked for.
pub(crate) const WORKER: &str = "rendition-worker";

/// Encodes what the node asks for on standard input, until that ends.
#[cfg(feature = "gstreamer")]
pub(super) fn work() -> anyhow::Result<()> {
    use std::io::{BufReader, BufWriter, stdin, stdout};

    streamer::renditions::work(BufReader::new(stdin()), BufWriter::new(stdout().lock()))
        .context("the node does not listen to this encoder")
}

#[cfg(not(feature = "gstreamer"))]
pub(super) fn work() -> anyhow::Result<()> {
    anyhow::bail!("this meshstream was built without GStreamer")
}
