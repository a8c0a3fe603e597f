//! The connections of a listener: counted, joined, and each alone with its panics.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::task::{Id, JoinError, JoinSet};

#[derive(Debug)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    addresses: HashMap<Id, IpAddr>,
    per_address: HashMap<IpAddr, usize>,
    max: usize,
    max_per_address: usize,
}

impl Connections {
    pub(super) fn new(max: usize, max_per_address: usize) -> Self {
        let (addresses, per_address) = Default::default();
        Self { tasks: JoinSet::new(), addresses, per_address, max, max_per_address }
    }

    /// Whether there is room for one more from this address.
    pub(super) fn has_room(&self, address: IpAddr) -> bool {
        let here = self.per_address.get(&address).copied().unwrap_or(0);
        self.tasks.len() < self.max && here < self.max_per_address
    }

    pub(super) fn spawn(&mut self, address: IpAddr, connection: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(connection);
        self.addresses.insert(task.id(), address);
        *self.per_address.entry(address).or_default() += 1;
        gauge!("meshstream_ingest_connections").set(self.tasks.len() as f64);
    }

    /// Waits for the end of one; for ever while there is none. May be cancelled.
    pub(super) async fn join_next(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.handle_end(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits for the end of all, and ends by force what is left after `deadline`.
    pub(super) async fn join_all(&mut self, deadline: Duration) {
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.handle_end(ended);
            }
        };
        if tokio::time::timeout(deadline, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }

    fn handle_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!("an RTMP connection ended with a panic");
                    counter!("meshstream_ingest_panics_total").increment(1);
                }
                error.id()
            }
        };
        let Some(address) = self.addresses.remove(&id) else { return };
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
        gauge!("meshstream_ingest_connections").set(self.tasks.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

    #[tokio::test]
    async fn connections_are_bounded_in_all_and_per_address() {
        let mut connections = Connections::new(3, 2);
        let (release, _) = tokio::sync::broadcast::channel::<()>(1);
        for address in [HERE, HERE, THERE] {
            assert!(connections.has_room(address));
            let mut released = release.subscribe();
            connections.spawn(address, async move {
                let _ = released.recv().await;
            });
            if address == HERE && connections.tasks.len() == 2 {
                assert!(!connections.has_room(HERE));
                assert!(connections.has_room(THERE));
            }
        }
        assert!(!connections.has_room(THERE));
        drop(release);
        connections.join_next().await;
        connections.join_next().await;
        connections.join_next().await;
        assert!(connections.has_room(HERE));
        assert!(connections.per_address.is_empty() && connections.addresses.is_empty());
    }

    #[tokio::test]
    async fn a_panic_ends_its_connection_alone_and_frees_its_place() {
        let mut connections = Connections::new(2, 1);
        connections.spawn(HERE, async { panic!("a bug") });
        connections.join_next().await;
        assert!(connections.has_room(HERE));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_ended() {
        let mut connections = Connections::new(2, 2);
        connections.spawn(HERE, std::future::pending());
        connections.join_all(Duration::from_secs(2)).await;
        assert!(connections.tasks.is_empty());
    }
}
