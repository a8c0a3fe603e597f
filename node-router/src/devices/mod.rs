//! The networks that this machine is in: who wants to know is told of links that come and go, at once where the kernel tells
//! (Linux), else within [`LOOK_EVERY`].
//!
//! Comes in: the kernel's word that something changed, and what the system lists. Goes out: [`Change`]s, few of them however often
//! an interface flaps.

mod changes;
#[cfg(target_os = "linux")]
mod netlink;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use if_addrs::{IfAddr, IfOperStatus};
use metrics::counter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use changes::Change;
use changes::{Changes, Network};

/// How often is looked where the kernel says nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Least time between two looks: what comes up does so in several steps, and each look lists all devices.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// Changes that wait for the mesh's task.
const MAX_WAITING: usize = 4;

/// Tells of changes until cancelled.
pub(crate) fn watch(tasks: &TaskTracker, cancel: &CancellationToken) -> mpsc::Receiver<Change> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    // Before anybody acts on what there is now, so that no change is missed.
    let (prompts, changes) = (Prompts::open(), Changes::new(networks()));
    tasks.spawn(run(prompts, changes, sender, cancel.clone()));
    receiver
}

async fn run(mut prompts: Prompts, mut changes: Changes, sender: mpsc::Sender<Change>, cancel: CancellationToken) {
    loop {
        let due = changes.waits_until().map(|at| at.saturating_duration_since(Instant::now()));
        let wait = due.map_or(LOOK_EVERY, |due| due.min(LOOK_EVERY));
        let prompted = tokio::select! {
            () = cancel.cancelled() => return,
            () = prompts.next() => true,
            () = tokio::time::sleep(wait) => false,
        };
        changes.handle_look(networks(), prompted, Instant::now());
        if let Some(change) = changes.poll_change(Instant::now()) {
            counter!("meshstream_mesh_network_changes_total").increment(1);
            tracing::debug!(came = change.came, went = change.went(), "the networks of this machine have changed");
            tokio::select! {
                () = cancel.cancelled() => return,
                sent = sender.send(change) => if sent.is_err() { return },
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LEAST_PAUSE) => {}
        }
    }
}

/// Who says that it is time to look: the kernel, or nobody.
struct Prompts {
    #[cfg(target_os = "linux")]
    kernel: Option<netlink::Kernel>,
}

impl Prompts {
    #[cfg(target_os = "linux")]
    fn open() -> Self {
        let warn =
            |error: &_| tracing::warn!(%error, "the kernel tells nothing of links: they are looked at every 5 s");
        Self { kernel: netlink::Kernel::open().inspect_err(warn).ok() }
    }

    #[cfg(not(target_os = "linux"))]
    fn open() -> Self {
        Self {}
    }

    #[cfg(target_os = "linux")]
    async fn next(&mut self) {
        if let Some(kernel) = &mut self.kernel {
            match kernel.changed().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "the kernel tells nothing of links any more: they are looked at every 5 s");
                    self.kernel = None;
                }
            }
        }
        std::future::pending().await
    }

    #[cfg(not(target_os = "linux"))]
    async fn next(&mut self) {
        std::future::pending().await
    }
}

/// The links that this machine is on.
#[derive(Debug)]
pub(crate) struct Surroundings(Vec<Network>);

impl Surroundings {
    /// Asks the system for those of the named devices; without names, of all.
    pub(crate) fn look(names: &[String]) -> Self {
        Self(networks_of(|name| names.is_empty() || names.iter().any(|wanted| wanted == name)))
    }

    /// Whether a place is another machine's on one of the links.
    pub(crate) fn has(&self, place: SocketAddr) -> bool {
        let own = self.0.iter().any(|network| network.ip == place.ip());
        !own && self.0.iter().any(|network| network.reaches(place))
    }
}

fn networks() -> Vec<Network> {
    networks_of(|_| true)
}

/// Of devices that are up and have a carrier.
fn networks_of(wanted: impl Fn(&str) -> bool) -> Vec<Network> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the network interfaces");
        Vec::new()
    });
    let network = |interface: if_addrs::Interface| {
        let (ip, prefix): (IpAddr, u8) = match &interface.addr {
            IfAddr::V4(v4) => (v4.ip.into(), v4.prefixlen),
            IfAddr::V6(v6) => (v6.ip.into(), v6.prefixlen),
        };
        // `Unknown` is what the system library says of those that are not running.
        let usable = interface.oper_status == IfOperStatus::Up && !ip.is_loopback() && wanted(&interface.name);
        usable.then_some(Network { index: interface.index?, ip, prefix })
    };
    interfaces.into_iter().filter_map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_link_are_the_machines_of_its_network_but_not_this_one() {
        let network = |index, ip: &str, prefix| Network { index, ip: ip.parse().unwrap(), prefix };
        let links = Surroundings(vec![network(2, "10.0.0.1", 24), network(2, "fe80::1", 64)]);
        for (place, on_link) in [
            ("10.0.0.2:80", true),
            ("10.0.0.1:80", false),
            ("10.0.1.2:80", false),
            ("127.0.0.1:80", false),
            ("8.8.8.8:53", false),
            ("[fe80::2%2]:80", true),
            ("[fe80::2%3]:80", false),
            ("[::1]:80", false),
        ] {
            assert_eq!(links.has(place.parse().unwrap()), on_link, "{place}");
        }
    }
}
