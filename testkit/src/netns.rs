//! A mesh on one machine: nodes in network namespaces, joined by emulated links.
//!
//! Needs root and `/dev/net/tun`. One network exists at a time in a process, since each has many processes and threads.
//! Namespaces carry the id of the process that made them: they are removed when the network is dropped, and those of
//! processes that were killed when the next network is made.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command as StdCommand;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};

use crate::link::{Counters, Link, Settings};
use crate::skip::skip_but_in_ci;

/// What the names of all our namespaces begin with. Nothing else on the machine may begin so.
const PREFIX: &str = "meshstream-test-";

/// The name of the switch that the nodes of a LAN are linked with. It is none of them.
pub const SWITCH: &str = "switch";

/// The first of the seeds of the links' randomness: a link loses the same frames in each run, as far as the same frames
/// are offered to it.
const SEED: u64 = 0x6d65_7368;

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A network namespace, by the name that `ip netns` knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// A command that runs a program in this namespace; the process that it starts becomes the program.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    fn create(name: String) -> Result<Self> {
        let namespace = Self(name);
        ip(&["netns", "add", &namespace.0])?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    fn ip(&self, arguments: &[&str]) -> Result<String> {
        ip(&[&["-n", &self.0], arguments].concat())
    }

    /// Ends what runs in it, and removes it. What is gone already is no failure.
    fn remove(&self) {
        for pid in ip(&["netns", "pids", &self.0]).unwrap_or_default().lines() {
            let _ = StdCommand::new("kill").args(["-KILL", pid]).output();
        }
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

/// An end of a link.
#[derive(Debug)]
struct End {
    node: String,
    address: Ipv4Addr,
}

#[derive(Debug)]
struct Joint {
    link: Link,
    ends: [End; 2],
}

/// Namespaces and the links between them. Removed when dropped, with whatever still runs in the namespaces.
#[derive(Debug)]
pub struct Network {
    // Dropped in this order: links, then namespaces.
    joints: Vec<Joint>,
    namespaces: Vec<(String, Namespace)>,
    _alone: MutexGuard<'static, ()>,
}

impl Network {
    /// A network without nodes, once no other is left. `None`, with a word on standard error, where namespaces are not
    /// permitted.
    ///
    /// # Errors
    /// Where they are not permitted in CI (the environment variable `CI` is `true`): there, nothing is skipped.
    pub async fn new() -> Result<Option<Self>> {
        let alone = ONE_AT_A_TIME.lock().await;
        if let Err(error) = permitted() {
            let error = error.context("network namespaces need root and /dev/net/tun");
            skip_but_in_ci(&format!("{error:#}"))?;
            return Ok(None);
        }
        remove_leftovers();
        Ok(Some(Self { joints: Vec::new(), namespaces: Vec::new(), _alone: alone }))
    }

    /// Nodes in a row, each linked with the next one.
    ///
    /// # Errors
    /// As for [`Network::new`] and [`Network::join`].
    pub async fn line(nodes: &[&str], settings: Settings) -> Result<Option<Self>> {
        let pairs = nodes.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>();
        Self::of(nodes, &pairs, settings).await
    }

    /// Nodes in a row whose ends are linked, too.
    ///
    /// # Errors
    /// As for [`Network::new`] and [`Network::join`].
    pub async fn ring(nodes: &[&str], settings: Settings) -> Result<Option<Self>> {
        let next = nodes.iter().cycle().skip(1);
        let pairs = nodes.iter().copied().zip(next.copied()).collect::<Vec<_>>();
        Self::of(nodes, &pairs, settings).await
    }

    /// The first node linked with each of the others.
    ///
    /// # Errors
    /// As for [`Network::new`] and [`Network::join`].
    pub async fn star(nodes: &[&str], settings: Settings) -> Result<Option<Self>> {
        let pairs = nodes.iter().skip(1).map(|leaf| (nodes[0], *leaf)).collect::<Vec<_>>();
        Self::of(nodes, &pairs, settings).await
    }

    /// Nodes at one switch: a LAN of all of them, `10.78.0.0/24`. Whom a node is linked with is [`SWITCH`]. Its device is
    /// `eth0`, by whose name JavaScript's ssb-lan picks it.
    ///
    /// # Errors
    /// As for [`Network::new`] and [`Network::join`].
    pub async fn lan(nodes: &[&str], settings: Settings) -> Result<Option<Self>> {
        let Some(mut network) = Self::new().await? else { return Ok(None) };
        network.add(SWITCH)?;
        let switch = network.namespace(SWITCH)?.clone();
        switch.ip(&["link", "add", "lan", "type", "bridge"])?;
        switch.ip(&["link", "set", "dev", "lan", "up"])?;
        for (number, node) in nodes.iter().enumerate() {
            network.add(node)?;
            network.join(node, SWITCH, settings)?;
            let device = format!("link{number}");
            switch.ip(&["address", "flush", "dev", &device])?;
            switch.ip(&["link", "set", "dev", &device, "master", "lan"])?;
            let host = u8::try_from(number + 1).context("more nodes than addresses")?;
            let address = Ipv4Addr::new(10, 78, 0, host);
            let namespace = network.namespace(node)?;
            namespace.ip(&["address", "flush", "dev", &device])?;
            namespace.ip(&["link", "set", "dev", &device, "down"])?;
            namespace.ip(&["link", "set", "dev", &device, "name", "eth0"])?;
            namespace.ip(&["address", "add", &format!("{address}/24"), "broadcast", "+", "dev", "eth0"])?;
            namespace.ip(&["link", "set", "dev", "eth0", "up"])?;
            network.joints[number].ends[0].address = address;
        }
        Ok(Some(network))
    }

    async fn of(nodes: &[&str], pairs: &[(&str, &str)], settings: Settings) -> Result<Option<Self>> {
        let Some(mut network) = Self::new().await? else { return Ok(None) };
        for node in nodes {
            network.add(node)?;
        }
        for (a, b) in pairs {
            network.join(a, b, settings)?;
        }
        Ok(Some(network))
    }

    /// Adds a node, linked with none.
    ///
    /// # Errors
    /// Where the namespace cannot be made.
    pub fn add(&mut self, node: &str) -> Result<()> {
        let namespace = Namespace::create(format!("{PREFIX}{}-{node}", std::process::id()))?;
        self.namespaces.push((node.to_owned(), namespace));
        Ok(())
    }

    /// Links two nodes. Each link is a subnet of its own, `10.77.N.0/24`, and has link-local IPv6 addresses. Its
    /// device is `linkN` at both.
    ///
    /// # Errors
    /// Where the devices cannot be made, or there is no such node.
    pub fn join(&mut self, a: &str, b: &str, settings: Settings) -> Result<()> {
        let number = u8::try_from(self.joints.len()).context("more links than subnets")?;
        let link = Link::new(settings, SEED + u64::from(number))?;
        let ends = [a, b].map(str::to_owned);
        let mut host = 0;
        let ends = ends.map(|node| {
            host += 1;
            End { node, address: Ipv4Addr::new(10, 77, number, host) }
        });
        let device = format!("link{number}");
        for (index, end) in ends.iter().enumerate() {
            let namespace = self.namespace(&end.node)?;
            ip(&["link", "set", "dev", link.name(index), "netns", &namespace.0, "name", &device])?;
            namespace.ip(&["address", "add", &format!("{}/24", end.address), "broadcast", "+", "dev", &device])?;
            namespace.ip(&["link", "set", "dev", &device, "up"])?;
        }
        self.joints.push(Joint { link, ends });
        Ok(())
    }

    /// The namespace of a node.
    ///
    /// # Errors
    /// Where there is no such node.
    pub fn namespace(&self, node: &str) -> Result<&Namespace> {
        let found = self.namespaces.iter().find(|(name, _)| name == node);
        Ok(&found.with_context(|| format!("there is no node {node}"))?.1)
    }

    /// The address of node `a` on its link to `b`.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn address(&self, a: &str, b: &str) -> Result<Ipv4Addr> {
        let (joint, end) = self.joint(a, b)?;
        Ok(joint.ends[end].address)
    }

    /// Cuts the link between two nodes: everything is lost, and the devices do not say so.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn cut(&self, a: &str, b: &str) -> Result<()> {
        self.joint(a, b)?.0.link.cut();
        Ok(())
    }

    /// Ends the cut of a link.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn heal(&self, a: &str, b: &str) -> Result<()> {
        self.joint(a, b)?.0.link.heal();
        Ok(())
    }

    /// Pulls the plug of node `a` on its link to `b`: its device is down, and what it had of IPv6 addresses is gone.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn unplug(&self, a: &str, b: &str) -> Result<()> {
        self.set_device(a, b, "down")
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn plug(&self, a: &str, b: &str) -> Result<()> {
        self.set_device(a, b, "up")
    }

    /// Leaves the ends of a link nothing but their link-local IPv6 addresses.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn remove_ipv4(&self, a: &str, b: &str) -> Result<()> {
        for (one, other) in [(a, b), (b, a)] {
            let address = self.address(one, other)?;
            let device = format!("link{}", address.octets()[2]);
            self.namespace(one)?.ip(&["-4", "address", "flush", "dev", &device])?;
        }
        Ok(())
    }

    /// Has a node's firewall drop what it sends to these UDP ports.
    ///
    /// # Errors
    /// Where there is no such node, or no nftables.
    pub fn drop_udp(&self, node: &str, ports: &[u16]) -> Result<()> {
        let ports = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let rules = format!(
            "table inet meshstream_test {{ chain out {{ type filter hook output priority 0; udp dport {{ {ports} }} drop; }}; }}"
        );
        let namespace = self.namespace(node)?;
        let output = StdCommand::new("ip").args(["netns", "exec", &namespace.0, "nft", &rules]).output()?;
        ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    fn set_device(&self, a: &str, b: &str, state: &str) -> Result<()> {
        let address = self.address(a, b)?;
        let device = format!("link{}", address.octets()[2]);
        self.namespace(a)?.ip(&["link", "set", "dev", &device, state]).map(drop)
    }

    /// Changes the link between two nodes, in both directions.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn set(&self, a: &str, b: &str, settings: Settings) -> Result<()> {
        self.joint(a, b)?.0.link.set(settings);
        Ok(())
    }

    /// What node `a` has sent to `b`.
    ///
    /// # Errors
    /// Where they are not linked.
    pub fn sent(&self, a: &str, b: &str) -> Result<Counters> {
        let (joint, end) = self.joint(a, b)?;
        Ok(joint.link.counters(end))
    }

    /// The link between two nodes, and which of its ends is the first node's.
    fn joint(&self, a: &str, b: &str) -> Result<(&Joint, usize)> {
        let find = |joint: &Joint| {
            let [first, second] = [&joint.ends[0].node, &joint.ends[1].node];
            if first == a && second == b { Some(0) } else { (first == b && second == a).then_some(1) }
        };
        let found = self.joints.iter().find_map(|joint| Some((joint, find(joint)?)));
        found.with_context(|| format!("{a} and {b} are not linked"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for (_, namespace) in &self.namespaces {
            namespace.remove();
        }
    }
}

/// Tries what a network needs, in a namespace of its own.
fn permitted() -> Result<()> {
    let trial = Namespace::create(format!("{PREFIX}{}-trial", std::process::id()))?;
    let moved =
        Link::new(Settings::default(), 0).and_then(|link| ip(&["link", "set", "dev", link.name(0), "netns", &trial.0]));
    trial.remove();
    moved.map(drop)
}

/// Removes the namespaces of processes that do not run any more.
fn remove_leftovers() {
    let names = ip(&["netns", "list"]).unwrap_or_default();
    let names = names.lines().filter_map(|line| line.split(' ').next());
    for name in names {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        // One that was killed and not waited for yet has no program any more.
        if pid.is_some_and(|pid| std::fs::read_link(Path::new("/proc").join(pid).join("exe")).is_err()) {
            Namespace(name.to_owned()).remove();
        }
    }
}

/// Runs iproute2 and returns what it prints.
fn ip(arguments: &[&str]) -> Result<String> {
    let output = StdCommand::new("ip").args(arguments).output().context("cannot run ip: install iproute2")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8(output.stdout)?)
}
