//! Where the swarm listens: on the configured addresses as soon as the machine has them, and confined to the addresses of
//! devices where the owner names some.
//!
//! libp2p cannot bind its sockets to a device. A listener on the addresses of a device refuses what is for other addresses of
//! this machine, but not what comes for these by another device: that takes the firewall.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use connexa::prelude::Multiaddr;
use connexa::prelude::transport::transport::ListenerId;
use rust_ipfs::Ipfs;

use crate::ports;

/// How often addresses and devices are looked at: one that came is listened on within this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Addresses that are listened on at once: each of them is a socket.
const MAX_LISTENERS: usize = 16;

pub(crate) struct Listening {
    ipfs: Ipfs,
    configured: Vec<Multiaddr>,
    /// The same with a port where that was left to the system.
    settled: Vec<Multiaddr>,
    devices: Vec<String>,
    open: BTreeMap<Multiaddr, ListenerId>,
    /// What was said last of an address, so that a lasting trouble is told once.
    troubles: BTreeMap<Multiaddr, String>,
}

impl Listening {
    /// Listens on what is there already.
    pub(crate) async fn start(
        ipfs: Ipfs,
        configured: Vec<Multiaddr>,
        devices: Vec<String>,
    ) -> Result<Self, (Multiaddr, String)> {
        let settled = ports::settle(&configured, !devices.is_empty());
        let (open, troubles) = (BTreeMap::new(), BTreeMap::new());
        let mut this = Self { ipfs, configured, settled, devices, open, troubles };
        for address in this.wanted() {
            let mut listening = this.ipfs.add_listening_address(address.clone()).await;
            let place = this.settled.iter().position(|settled| *settled == address);
            if let (Err(_), Some(configured)) = (&listening, place.map(|place| this.configured[place].clone()))
                && configured != address
            {
                // Somebody was faster: then each address has a port of its own.
                listening = this.ipfs.add_listening_address(configured).await;
            }
            let listener = listening.map_err(|error| (address.clone(), format!("{error:#}")))?;
            this.open.insert(address, listener);
        }
        if this.open.len() < this.settled.len() || this.open.is_empty() {
            let (addresses, devices) = (&this.configured, &this.devices);
            tracing::warn!(
                ?addresses,
                ?devices,
                "ipfs waits for addresses to listen on that this machine does not have yet"
            );
        }
        Ok(this)
    }

    /// The port of the first address, also while that is waited for; `None` where the system chose it.
    pub(crate) fn port(&self) -> Option<u16> {
        self.settled.iter().find_map(ports::port)
    }

    /// Whether what is listened on can change.
    pub(crate) fn is_to_be_followed(&self) -> bool {
        !self.devices.is_empty() || self.open.len() < self.settled.len()
    }

    /// Follows what becomes of addresses and devices, until dropped.
    pub(crate) async fn follow(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let wanted = self.wanted();
            // An address that went may come back on another device.
            let gone = self.open.extract_if(.., |address, _| !self.devices.is_empty() && !wanted.contains(address));
            for (address, listener) in gone.collect::<Vec<_>>() {
                tracing::info!(%address, "ipfs no longer listens on an address that its devices do not have");
                // Fails where it has ended by itself.
                let _ = self.ipfs.remove_listening_address(listener).await;
            }
            self.troubles.retain(|address, _| wanted.contains(address));
            for address in wanted {
                if !self.open.contains_key(&address) {
                    self.listen(address).await;
                }
            }
        }
    }

    async fn listen(&mut self, address: Multiaddr) {
        match self.ipfs.add_listening_address(address.clone()).await {
            Ok(listener) => {
                tracing::info!(%address, "ipfs listens on an address that came");
                self.troubles.remove(&address);
                self.open.insert(address, listener);
            }
            Err(error) => {
                let text = format!("{error:#}");
                if self.troubles.get(&address) != Some(&text) {
                    tracing::warn!(%address, error = text, "ipfs cannot listen on an address; it is tried again until it can");
                    self.troubles.insert(address, text);
                }
            }
        }
    }

    /// What is to be listened on, of what the machine has now.
    fn wanted(&self) -> Vec<Multiaddr> {
        let mut wanted = if self.devices.is_empty() {
            self.settled.clone()
        } else {
            let addresses = addresses_of(&self.devices);
            let on_devices = |configured| addresses.iter().filter_map(move |ip| ports::at(configured, *ip));
            self.settled.iter().flat_map(on_devices).collect()
        };
        wanted.retain(ports::is_here);
        wanted.truncate(MAX_LISTENERS);
        wanted
    }
}

/// The addresses of these devices. None that are link-local: a multiaddr of TCP names no device.
fn addresses_of(devices: &[String]) -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the machine's addresses are not known");
        Vec::new()
    });
    let named = interfaces.into_iter().filter(|interface| devices.contains(&interface.name));
    named.filter(|interface| !interface.is_link_local()).map(|interface| interface.ip()).collect()
}
