//! A listener on loopback with its keys, and clients of it that write bytes.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use stream_model::{StreamKeys as _, StreamName};
use streamer::ingest::{Config, Listener, Publishers};
use streamer::keys::KeyStore;
use streamer::media::{MediaEvent, Publication, Sample, TrackKind};
use testkit::rtmp_hostile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A guard against hanging: far above what any step takes.
const GUARD: Duration = Duration::from_secs(60);

pub(crate) async fn guarded<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(GUARD, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen"),
    }
}

pub(crate) struct Node {
    pub(crate) keys: KeyStore,
    pub(crate) address: SocketAddr,
    pub(crate) publishers: Publishers,
    publications: mpsc::Receiver<Publication>,
    stop: CancellationToken,
    listener: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(&directory.path().join("streamer.sqlite3")).unwrap();
        let mut config = Config { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() };
        configure(&mut config);
        let (sender, publications) = mpsc::channel(8);
        let listener = Listener::bind(config, keys.clone(), sender).unwrap();
        let (address, publishers) = (listener.local_addr(), listener.publishers());
        let stop = CancellationToken::new();
        let listener = tokio::spawn(listener.run(stop.clone()));
        Self { keys, address, publishers, publications, stop, listener, _directory: directory }
    }

    /// Makes a key and returns what to publish to: `NAME?key=KEY`.
    pub(crate) async fn add(&self, name: &str) -> String {
        let made = self.keys.add(name.parse().unwrap()).await.unwrap();
        format!("{name}?key={}", made.key.expose())
    }

    pub(crate) async fn revoke(&self, name: &str) {
        self.keys.revoke(name.parse().unwrap()).await.unwrap();
    }

    pub(crate) fn url(&self, stream: &str) -> String {
        format!("rtmp://{}/live/{stream}", self.address)
    }

    pub(crate) async fn publication(&mut self) -> Publication {
        guarded("a publication", self.publications.recv()).await.unwrap()
    }

    /// Asserts that nobody was let in so far.
    pub(crate) fn assert_no_publication(&mut self) {
        assert!(self.publications.try_recv().is_err());
        assert!(self.publishers.list().is_empty());
    }

    /// Stops the listener and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        guarded("the end of the listener", self.listener).await.unwrap();
    }
}

/// All events up to the end.
pub(crate) async fn all_events(publication: &mut Publication) -> Vec<MediaEvent> {
    let mut events = Vec::new();
    while let Some(event) = guarded("the end of a publication", publication.events.recv()).await {
        events.push(event);
    }
    events
}

/// Samples up to and including the first one that `last` accepts.
pub(crate) async fn samples_until(publication: &mut Publication, last: impl Fn(&Sample) -> bool) -> Vec<Sample> {
    let mut samples = Vec::new();
    loop {
        match guarded("the expected sample", publication.events.recv()).await {
            Some(MediaEvent::Sample(sample)) => {
                let end = last(&sample);
                samples.push(sample);
                if end {
                    return samples;
                }
            }
            Some(_) => {}
            None => panic!("the publication ended before the expected sample"),
        }
    }
}

/// A client that writes bytes as they are given.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: guarded("a connection", TcpStream::connect(address)).await.unwrap() }
    }

    /// A client that publishes video. Its publication is returned as well.
    pub(crate) async fn publish(node: &mut Node, stream: &str) -> (Self, Publication) {
        let mut client = Self::connect(node.address).await;
        client.send(&rtmp_hostile::publisher(stream)).await;
        client.send(&video_config()).await;
        let publication = node.publication().await;
        let name: StreamName = stream.split('?').next().unwrap().parse().unwrap();
        assert_eq!(publication.name, name);
        (client, publication)
    }

    /// Writes what the node takes; it may close the connection meanwhile.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = guarded("taking bytes", self.stream.write_all(bytes)).await;
    }

    /// Everything the node says until it closes the connection.
    pub(crate) async fn answers_until_closed(&mut self) -> Vec<u8> {
        let mut answers = Vec::new();
        let _ = guarded("the end of the connection", self.stream.read_to_end(&mut answers)).await;
        answers
    }

    /// Sends a frame of video and waits until it has come out of the publication.
    pub(crate) async fn assert_goes_on(&mut self, publication: &mut Publication, timestamp: u32) {
        self.send(&frame(timestamp, 100)).await;
        samples_until(publication, |sample| sample.timestamp == timestamp).await;
    }
}

/// Message of an AVC sequence header.
pub(crate) fn video_config() -> Vec<u8> {
    rtmp_hostile::message(6, 9, 1, 0, &[0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe0, 0], 128)
}

/// Message of a keyframe.
pub(crate) fn frame(timestamp: u32, length: usize) -> Vec<u8> {
    let mut body = vec![0x17, 1, 0, 0, 0];
    body.resize(5 + length, 0x65);
    rtmp_hostile::message(6, 9, 1, timestamp, &body, 128)
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

pub(crate) fn count(samples: &[Sample], track: TrackKind) -> usize {
    samples.iter().filter(|sample| sample.track == track).count()
}
