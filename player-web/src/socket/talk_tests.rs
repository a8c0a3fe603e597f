//! One socket over a connection in memory.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{DuplexStream, ReadBuf, duplex};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;

/// A connection, and the most that was handed to it at once: so much a socket holds for it.
struct Measured(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Measured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Measured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_max(bytes.len(), Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What the hub tells.
#[derive(Debug)]
struct Told {
    events: broadcast::Sender<Event>,
    directory: watch::Sender<Utf8Bytes>,
    node: watch::Sender<Utf8Bytes>,
}

impl Told {
    fn new() -> Self {
        Self { events: broadcast::Sender::new(4), directory: watch::Sender::default(), node: watch::Sender::default() }
    }

    async fn to(&self, io: Measured) {
        let feed = Feed {
            events: self.events.subscribe(),
            directory: self.directory.subscribe(),
            node: self.node.subscribe(),
        };
        let counter = ViewerCounter::default();
        let watches = Watches { hub: Hub::new(), counter, address: [10, 0, 0, 1].into(), all: HashMap::new() };
        talk(handshake::speak(io).await, feed, watches, &CancellationToken::new()).await;
    }
}

/// A long message that counts as alive as long as anything keeps it.
fn long(alive: &Arc<()>) -> Utf8Bytes {
    struct Kept(Vec<u8>, #[expect(dead_code, reason = "it counts")] Arc<()>);
    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Kept(vec![b'x'; 1 << 20], alive.clone())).try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_costs_a_fragment_however_much_there_is_to_tell_and_is_given_up() {
    let (here, _there) = duplex(64);
    let (told, most, alive) = (Told::new(), Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let mut talk = pin!(told.to(Measured(here, most.clone())));
    for _ in 0..100 {
        told.directory.send_replace(long(&alive));
        assert!(timeout(SEND_TIMEOUT / 200, talk.as_mut()).await.is_err(), "it is waited for");
    }
    let kept = Arc::strong_count(&alive) - 1;
    assert!(kept <= 4, "being sent, waiting, owed, and what all sockets share: {kept}");
    timeout(SEND_TIMEOUT, talk).await.expect("it is given up");
    assert!(most.load(Ordering::Relaxed) <= FRAGMENT_BYTES + 10, "a fragment with its header: {most:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_gets_each_message_whole() {
    let (here, there) = duplex(64);
    let told = Told::new();
    let mut client = WebSocketStream::from_raw_socket(there, Role::Client, None).await;
    let read = async {
        for expected in [1, FRAGMENT_BYTES, FRAGMENT_BYTES + 1, 3 * FRAGMENT_BYTES, 1] {
            let text = "ä".repeat(expected);
            told.directory.send_replace(text.clone().into());
            loop {
                let message = client.next().await.unwrap().unwrap().into_text().unwrap();
                if message.contains('ä') {
                    assert!(message == text, "{} of {} bytes", message.len(), text.len());
                    break;
                }
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = told.to(Measured(here, Arc::default())) => panic!("it goes on"),
    }
}
