//! The access point of a node, and its mesh point: which files, services and settings that takes. Pure.

mod channel;
mod files;
mod name;
pub(crate) mod settings;
mod units;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use anyhow::Context as _;

use self::name::{NetworkName, Prefix};
use self::settings::Settings;
use super::machine::{Machine, Needed};
use super::plan::{Content, Item, Origin, Plan};
use crate::config::Config;
use crate::portal;

/// The record's name.
pub(crate) const NAME: &str = "access-point";

/// Where the settings are looked for.
pub(crate) const FILE: &str = "/etc/meshstream/access-point.toml";

/// What the units start.
pub(crate) const NEEDED: [Needed; 8] = [
    ("hostapd", "hostapd"),
    ("dnsmasq", "dnsmasq-base"),
    ("nft", "nftables"),
    ("radvd", "radvd"),
    ("iw", "iw"),
    ("ip", "iproute2"),
    ("rfkill", "rfkill"),
    // Without it the kernel knows no country, and allows what all of them do: hardly anything on 5 GHz.
    ("/lib/firmware/regulatory.db-debian", "wireless-regdb"),
];

/// What is chosen once, and stays whatever address the machine has later: people and phones remember it.
const SUFFIX: &str = "suffix";
const PREFIX: &str = "ipv6_prefix";

pub(crate) const HOSTS: &str = "/etc/hosts";

/// All that one access point is made of.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) name: NetworkName,
    pub(crate) prefix: Prefix,
}

impl Point<'_> {
    /// The node's address in the prefix.
    fn address6(&self) -> Ipv6Addr {
        self.prefix.first()
    }

    fn portal(&self) -> portal::AccessPoint {
        portal::AccessPoint { device: self.settings.device.to_string(), address: self.settings.address }
    }
}

/// What is wanted of a machine, and what was chosen for it. `chosen` is what was once chosen; `hosts` is `/etc/hosts` as its owner
/// has it.
///
/// # Errors
/// Where the name of the network cannot be made.
pub(crate) fn plan(
    settings: &Settings,
    config: &Config,
    machine: &Machine,
    chosen: &BTreeMap<String, String>,
    hosts: Option<&str>,
) -> anyhow::Result<(Plan, BTreeMap<String, String>)> {
    let suffix = match (&settings.suffix, chosen.get(SUFFIX)) {
        (Some(suffix), _) => suffix.clone(),
        (None, Some(suffix)) => suffix.clone(),
        (None, None) => name::last_group(machine, settings.device.as_str()).with_context(|| {
            format!(
                "cannot name the network: neither cjdns nor Yggdrasil runs here, and there is no device {}. Set 'suffix' in the \
                 file, for example suffix = \"1a2b\"",
                settings.device
            )
        })?,
    };
    let name = NetworkName::new(&settings.mesh, &suffix)?;
    let prefix = match (settings.ipv6_prefix, chosen.get(PREFIX).and_then(|text| text.parse().ok())) {
        (Some(prefix), _) | (None, Some(prefix)) => prefix,
        (None, None) => Prefix::derived(machine, settings.device.as_str(), &name),
    };
    let chosen = BTreeMap::from([(SUFFIX.to_owned(), suffix), (PREFIX.to_owned(), prefix.to_string())]);
    let point = Point { settings, name, prefix };
    let mut config = config.clone();
    if settings.hostname && config.node.name == machine.host_name {
        // The node goes by the machine's name, which changes now.
        config.node.name = point.name.to_string();
    }
    let mut plan = Plan { notes: notes(&point, &config, machine), ..Plan::default() };
    files::add(&mut plan, &point, &config);
    others(&mut plan, &point, machine);
    units::add(&mut plan, &point, machine);
    if settings.hostname {
        host_name(&mut plan, &point, hosts);
    }
    Ok((plan, chosen))
}

/// Programs that manage network devices let go of ours.
fn others(plan: &mut Plan, point: &Point<'_>, machine: &Machine) {
    let devices: Vec<String> = point.settings.devices().map(ToString::to_string).collect();
    let head = files::HEAD;
    if machine.network_manager {
        let unmanaged = devices.iter().map(|device| format!("interface-name:{device}")).collect::<Vec<_>>().join(";");
        let text = format!("{head}\n[keyfile]\nunmanaged-devices+={unmanaged}\n");
        plan.own("/etc/NetworkManager/conf.d/meshstream.conf", text, None);
    }
    if machine.networkd {
        let names = devices.join(" ");
        let text = format!("{head}\n[Match]\nName={names}\n\n[Link]\nUnmanaged=yes\n");
        plan.own("/etc/systemd/network/05-meshstream.network", text, None);
    }
}

fn host_name(plan: &mut Plan, point: &Point<'_>, hosts: Option<&str>) {
    let content = Content::Setting { text: format!("{}\n", point.name) };
    plan.items.push(Item { path: "/etc/hostname".into(), content, checker: None });
    let Some((text, edit)) = name::hosts_edit(hosts.unwrap_or_default(), &point.name) else { return };
    let origin = if hosts.is_some() { Origin::There } else { Origin::Made };
    let content = Content::Edited { text, edits: vec![edit], origin };
    plan.items.push(Item { path: HOSTS.into(), content, checker: None });
}

fn notes(point: &Point<'_>, config: &Config, machine: &Machine) -> Vec<String> {
    let mut notes =
        vec![format!("the network is called {}, and this machine is {} there", point.name, point.settings.address)];
    notes.extend(portal::obstacles(config, &point.portal()));
    for device in point.settings.devices() {
        if !machine.devices.is_empty() && !machine.has_device(device.as_str()) {
            notes.push(format!("there is no device {device} now: what needs it starts when it appears"));
        }
        let words: Vec<&str> = machine.interfaces.split_whitespace().collect();
        if words
            .windows(2)
            .any(|pair| matches!(pair[0], "iface" | "auto" | "allow-hotplug") && pair[1] == device.as_str())
        {
            notes.push(format!(
                "/etc/network/interfaces sets up {device}, too: take it out there, since two programs cannot"
            ));
        }
    }
    if machine.dnsmasq_service {
        notes.push(format!(
            "dnsmasq.service serves all devices of this machine, so that the access point's own cannot: run 'systemctl disable \
             --now dnsmasq', or add 'bind-dynamic' and 'except-interface={}' to its settings",
            point.settings.device
        ));
    }
    if point.settings.passphrase.is_none() {
        notes.push(
            "the network is open: everybody nearby can join it, and hear what is not encrypted otherwise".to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests;
