//! A link between two peers that can be cut: nobody is told, and what is sent is lost.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// What arrives is passed on.
    Whole,
    /// What arrives is taken and lost; connections stay open.
    Cut,
    /// Connections of before are gone.
    Broken,
}

struct Shared {
    target: Mutex<SocketAddr>,
    /// The state of the connections made since the last change to [`Link::Whole`].
    link: Mutex<watch::Sender<Link>>,
}

/// Passes TCP connections on to an address; ended with it.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Listens beside `target`, on an address of the same family.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((target.ip(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let link = Mutex::new(watch::Sender::new(Link::Whole));
        let shared = Arc::new(Shared { target: Mutex::new(target), link });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, task }
    }

    /// Whoever dials from now on reaches another address.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = target;
    }

    /// Loses what is sent from now on, in both directions.
    pub(crate) fn cut(&self) {
        self.shared.link.lock().unwrap().send_replace(Link::Cut);
    }

    /// Ends what was cut, and takes new connections.
    pub(crate) fn mend(&self) {
        let mut link = self.shared.link.lock().unwrap();
        link.send_replace(Link::Broken);
        *link = watch::Sender::new(Link::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((near, _)) = listener.accept().await {
        let target = *shared.target.lock().unwrap();
        let link = shared.link.lock().unwrap().subscribe();
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(target).await else { return };
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            let mut broken = link.clone();
            tokio::select! {
                _ = async { tokio::join!(pass(near_read, far_write, &link), pass(far_read, near_write, &link)) } => {}
                _ = broken.wait_for(|link| *link == Link::Broken) => {}
            }
        });
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    link: &watch::Receiver<Link>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if *link.borrow() == Link::Whole && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    if *link.borrow() == Link::Whole {
        let _already_closed = to.shutdown().await;
    }
}
