//! `meshstream demo`: a publisher node, a viewer node and a test broadcast, all on this machine.

mod test_picture;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt as _;
use stream_model::{
    BroadcastId, DirectoryChange, KeyError, MediaSequence, NewStreamKey, PlaylistChange, StreamKeys, StreamName,
};
use streamer::playback::Mirror;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::test_picture::TestPicture;
use crate::config::{Config, Layers};
use crate::log_book::Book;
use crate::node::{self, Node};
use crate::output;

/// The name under which the test picture is published.
const STREAM: &str = "demo";

/// Segments whose announcement is remembered until the viewer has them.
const MAX_PENDING: usize = 100;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Port of the viewer node's pages; 0 lets the system choose
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// Longest segment, in whole seconds; shorter ones show sooner
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    target_duration: u64,

    /// End after this many segments have reached the viewer, instead of at Ctrl-C
    #[arg(long)]
    segments: Option<u64>,
}

/// Where the demo's nodes keep what they have.
enum Home {
    /// Removed when the demo ends.
    Temporary(TempDir),
    /// Of the person at the terminal.
    Given(PathBuf),
}

impl Home {
    fn open(given: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = given {
            return Ok(Self::Given(path.to_owned()));
        }
        let made = tempfile::Builder::new().prefix("meshstream-demo-").tempdir();
        Ok(Self::Temporary(made.context("cannot make a temporary directory: name one for the demo with --data-dir")?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Given(path) => path,
        }
    }

    /// Leaves it as the person expects it, and says how that is.
    fn close(self) -> anyhow::Result<String> {
        match self {
            Self::Temporary(dir) => {
                dir.close().context("cannot remove the demo's temporary directory")?;
                Ok("ended; nothing is left behind".to_owned())
            }
            Self::Given(path) => Ok(format!(
                "ended; what the nodes have stays in {} and goes on with the next demo there",
                path.display()
            )),
        }
    }
}

/// Runs the demo until it is interrupted, in a directory that stays where one is given.
pub(crate) async fn run(options: Options, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let log_book = node::start_logging("warn");
    let stop = CancellationToken::new();
    node::stop_on_signals(&stop)?;
    let home = Home::open(data_dir)?;

    say("starting two nodes on this machine");
    let publisher = {
        let config = config(&home.path().join("publisher"), "publisher", &options, 0, None);
        Node::start(Layers::fixed(config), log_book.clone()).await?
    };
    let peer = publisher.report().await.listen.web.first().cloned().context("the publisher has no web listener")?;
    let viewer = match viewer(home.path(), &options, &peer, log_book).await {
        Ok(viewer) => viewer,
        Err(error) => {
            publisher.shutdown().await;
            return Err(error);
        }
    };

    let shown = show(&options, &publisher, &viewer, &stop).await;

    say("ending: closing the last segment and announcing the end");
    publisher.shutdown().await;
    viewer.shutdown().await;
    say(&home.close()?);
    shown
}

async fn viewer(home: &Path, options: &Options, peer: &str, log_book: Book) -> anyhow::Result<Node> {
    let config = config(&home.join("viewer"), "viewer", options, options.port, Some(peer));
    Node::start(Layers::fixed(config), log_book).await.with_context(|| {
        format!("cannot start the viewer node; if port {} is taken, choose another with --port", options.port)
    })
}

async fn show(options: &Options, publisher: &Node, viewer: &Node, stop: &CancellationToken) -> anyhow::Result<()> {
    let name: StreamName = STREAM.parse().context("the demo's stream name")?;
    let key = fresh_key(publisher.keys().as_ref(), name).await?;
    let rtmp = publisher.report().await.listen.rtmp.first().cloned().context("the publisher has no RTMP listener")?;
    let mut announced = publisher.directory().subscribe();
    let mut fetched = viewer.playlists().subscribe();

    let url = format!("rtmp://{rtmp}/live/{STREAM}?key={}", key.key.expose());
    let target_duration = Duration::from_secs(options.target_duration);
    let mut picture = TestPicture::publish(url, target_duration)?;
    let web = viewer.report().await.listen.web.first().cloned().context("the viewer has no web listener")?;
    let port = web.rsplit(':').next().unwrap_or_default();
    say(&format!("{} publishes a test picture to the publisher node at {rtmp}", picture.maker()));
    say("");
    say(&format!("    open  http://localhost:{port}/  to watch it on the viewer node; Ctrl-C ends the demo"));
    say("");

    let mut progress = Progress::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            error = picture.ended() => return Err(error),
            Some(change) = announced.next() => progress.handle_directory(change),
            Some(change) = fetched.next() => {
                for line in progress.handle_playlist(change) {
                    say(&line);
                }
                if options.segments.is_some_and(|wanted| progress.fetched >= wanted) {
                    return Ok(());
                }
            }
        }
    }
}

/// A key for the test picture. That of an earlier demo is not known any more: only its hash is kept.
async fn fresh_key(keys: &dyn StreamKeys, name: StreamName) -> Result<NewStreamKey, KeyError> {
    match keys.revoke(name.clone()).await {
        Ok(()) | Err(KeyError::NotFound(_)) => keys.add(name).await,
        Err(error) => Err(error),
    }
}

/// Which segments were announced and when, and how many the viewer has.
#[derive(Debug, Default)]
struct Progress {
    /// The test picture's: what is made from it, pictures to look through it with, is no news.
    broadcast: Option<BroadcastId>,
    announced: BTreeMap<MediaSequence, Instant>,
    fetched: u64,
}

impl Progress {
    fn handle_directory(&mut self, change: DirectoryChange) {
        if let DirectoryChange::Segment(broadcast, sequence) = change
            && *self.broadcast.get_or_insert(broadcast) == broadcast
        {
            self.announced.insert(sequence, Instant::now());
            if self.announced.len() > MAX_PENDING {
                self.announced.pop_first();
            }
        }
    }

    /// A line for each segment that the viewer lists now.
    fn handle_playlist(&mut self, change: PlaylistChange) -> Vec<String> {
        let Some(newest) = change.media_sequence.filter(|_| self.broadcast == Some(change.broadcast)) else {
            return Vec::new();
        };
        let later = self.announced.split_off(&newest.next());
        let listed = std::mem::replace(&mut self.announced, later);
        self.fetched += listed.len() as u64;
        let line = |(sequence, at): (MediaSequence, Instant)| {
            format!(
                "segment {sequence:>4}   published   announced   fetched by the viewer after {} ms",
                at.elapsed().as_millis()
            )
        };
        listed.into_iter().map(line).collect()
    }
}

fn config(dir: &Path, name: &str, options: &Options, web_port: u16, peer: Option<&str>) -> Config {
    let mut config = Config::default();
    config.node.name = name.to_owned();
    config.node.data_dir = dir.to_owned();
    config.ingest.listen = ([127, 0, 0, 1], 0).into();
    config.segment.target_duration = Duration::from_secs(options.target_duration);
    config.ipfs.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config.ssb.listen = ([127, 0, 0, 1], 0).into();
    // The publisher's pages are for the viewer node only; the viewer's are for whoever is near.
    config.web.listen = if peer.is_some() { ([0u16; 8], web_port).into() } else { ([127, 0, 0, 1], 0).into() };
    // The demo is between its two nodes.
    config.mesh.lan_discovery = false;
    config.mesh.cjdns_admin = String::new();
    config.mesh.yggdrasil_admin = String::new();
    config.mesh.peers = peer.map(str::to_owned).into_iter().collect();
    config.mesh.mirror = if peer.is_some() { Mirror::All } else { Mirror::Watched };
    config
}

/// Talks to the person at the terminal. Where nobody listens any more, the demo goes on until it is stopped.
fn say(line: &str) {
    let _nobody_listens = output::print(|out| writeln!(out, "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use stream_model::MessageKey;

    #[test]
    fn each_announced_segment_has_one_line_once_the_viewer_lists_it() {
        let broadcast = BroadcastId(MessageKey([1; 32]));
        let listed =
            |sequence| PlaylistChange { broadcast, media_sequence: Some(MediaSequence(sequence)), ended: false };
        let mut progress = Progress::default();
        for sequence in 0..3 {
            progress.handle_directory(DirectoryChange::Segment(broadcast, MediaSequence(sequence)));
        }
        assert_eq!(progress.handle_playlist(listed(1)).len(), 2);
        assert_eq!(progress.handle_playlist(listed(1)).len(), 0);
        assert_eq!(progress.handle_playlist(listed(2)).len(), 1);
        assert_eq!(progress.fetched, 3);
        let made_from_it = BroadcastId(MessageKey([2; 32]));
        progress.handle_directory(DirectoryChange::Segment(made_from_it, MediaSequence(3)));
        let change = PlaylistChange { broadcast: made_from_it, ..listed(3) };
        assert_eq!(progress.handle_playlist(change).len(), 0);
    }
}
