//! The first picture is shown while most of the first segment is still on its way.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use testkit::browser::{Browser, Kind};
use testkit::encoder::Picture;
use testkit::events::Events;
use testkit::node::{Node, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::playing::{Live, played_for};
use crate::{MESHSTREAM, in_each_browser};

in_each_browser! {
    a_live_picture_is_shown_before_its_segment_is_here,
    an_archive_is_shown_before_its_first_segment_is_here,
}

/// Seconds of a segment: each has six parts.
const SEGMENT: f64 = 6.0;

/// The least that a player gets of a segment before it looks at it is some 128 KiB: a part has more.
const PICTURE: Picture = Picture { size: (640, 360), keyframe_interval: 2, kbps: 1500, ..Picture::SMALL };

async fn a_live_picture_is_shown_before_its_segment_is_here(kind: Kind) -> Result<()> {
    let a = publisher().await?;
    let live = Live::begin(&a, "demo", &PICTURE).await?;
    let mut events = Events::of(&a).await?;
    events.subscribe(&live.slug).await?;
    // More than the player begins behind the edge.
    events.segment(3).await?;
    shown_before_it_is_here(kind, &a, &live.slug).await
}

async fn an_archive_is_shown_before_its_first_segment_is_here(kind: Kind) -> Result<()> {
    let a = publisher().await?;
    let mut events = Events::of(&a).await?;
    let live = Live::begin(&a, "demo", &Picture { length: Some(14), ..PICTURE }).await?;
    events.archived(&a, &live.slug).await?;
    shown_before_it_is_here(kind, &a, &live.slug).await
}

async fn publisher() -> Result<Node> {
    let (name, target_duration, grace) = ("publisher".to_owned(), Some("6s".to_owned()), Some("1s".to_owned()));
    Node::start(MESHSTREAM, Settings { name, target_duration, grace, ..Settings::default() }).await
}

async fn shown_before_it_is_here(kind: Kind, node: &Node, slug: &str) -> Result<()> {
    let bytes = node.get_bytes(&format!("/hls/{slug}/0.m4s")).await?.len();
    let mut relay = Relay::start(node.web_address().parse()?, bytes / 2).await?;
    let mut browser = Browser::open_in(kind, &format!("http://{}/watch/{slug}", relay.address)).await?;
    let shown = browser.until("a picture", |player| player.width() == 640 && player.current_time() > 0.0).await?;
    let shown = played_for(&mut browser, &shown, SEGMENT / 12.0).await?;
    relay.held_back().await?;
    relay.let_go();
    let played = played_for(&mut browser, &shown, 1.5 * SEGMENT).await?;
    ensure!(played.loads() == 1, "the page was reloaded");
    Ok(())
}

/// A way to a node on which of each media segment comes only the beginning, until it is let go.
struct Relay {
    address: SocketAddr,
    is_held_back: watch::Receiver<bool>,
    is_let_go: watch::Sender<bool>,
    _accepting: AbortOnDropHandle<()>,
}

impl Relay {
    async fn start(node: SocketAddr, beginning: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (is_let_go, let_go) = watch::channel(false);
        let (held_back, is_held_back) = watch::channel(false);
        let accepting = async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass_on(client, node, beginning, let_go.clone(), held_back.clone()));
            }
        };
        let _accepting = AbortOnDropHandle::new(tokio::spawn(accepting));
        Ok(Self { address, is_held_back, is_let_go, _accepting })
    }

    /// Returns once something is held back.
    async fn held_back(&mut self) -> Result<()> {
        self.is_held_back.wait_for(|held_back| *held_back).await.context("the relay ended")?;
        Ok(())
    }

    fn let_go(&self) {
        self.is_let_go.send_replace(true);
    }
}

async fn pass_on(
    client: TcpStream,
    node: SocketAddr,
    beginning: usize,
    mut let_go: watch::Receiver<bool>,
    held_back: watch::Sender<bool>,
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_node, mut to_node) = TcpStream::connect(node).await?.into_split();
    let left = AtomicUsize::new(usize::MAX);
    let ask = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return to_node.shutdown().await;
            }
            // Browsers send a request in one piece.
            let line = buffer[..read].split(|byte| *byte == b'\r').next().unwrap_or_default();
            let is_segment = String::from_utf8_lossy(line).contains(".m4s ");
            left.store(if is_segment { beginning } else { usize::MAX }, Ordering::Relaxed);
            to_node.write_all(&buffer[..read]).await?;
        }
    };
    let answer = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_node.read(&mut buffer).await?;
            if read == 0 {
                return to_client.shutdown().await;
            }
            if left.load(Ordering::Relaxed) < read {
                held_back.send_replace(true);
                let _ = let_go.wait_for(|let_go| *let_go).await;
                left.store(usize::MAX, Ordering::Relaxed);
            }
            if left.load(Ordering::Relaxed) != usize::MAX {
                left.fetch_sub(read, Ordering::Relaxed);
            }
            to_client.write_all(&buffer[..read]).await?;
        }
    };
    tokio::try_join!(ask, answer).map(|_| ())
}
