//! The daemons of overlay networks: what is added to their settings, so that they have a node's peers. Pure but for the daemons'
//! own tools, which make settings and read them.

mod document;
pub(crate) mod settings;
pub(crate) mod tools;

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};

use self::document::{Container, Step, container, value};
use self::settings::{Cjdns, CjdnsPeer, Yggdrasil};
use super::check::Checker;
use super::plan::{Content, Edit, Item, Origin, Plan};

/// The record's name.
pub(crate) const NAME: &str = "mesh";

/// Where the settings are looked for.
pub(crate) const FILE: &str = "/etc/meshstream/mesh.toml";

/// A daemon of an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Daemon {
    Yggdrasil,
    Cjdns,
}

impl Daemon {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Yggdrasil, Self::Cjdns];

    /// As people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yggdrasil => "Yggdrasil",
            Self::Cjdns => "cjdns",
        }
    }

    /// Its settings.
    pub(crate) fn file(self) -> PathBuf {
        match self {
            Self::Yggdrasil => "/etc/yggdrasil/yggdrasil.conf".into(),
            Self::Cjdns => "/etc/cjdroute.conf".into(),
        }
    }

    /// The units that may start it, the usual one first.
    pub(crate) fn units(self) -> &'static [&'static str] {
        match self {
            Self::Yggdrasil => &["yggdrasil.service"],
            Self::Cjdns => &["cjdns.service", "cjdroute.service"],
        }
    }

    /// How it comes onto a machine.
    pub(crate) fn install(self) -> &'static str {
        match self {
            Self::Yggdrasil => "run 'apt-get install yggdrasil'",
            Self::Cjdns => {
                "Debian has no package of it: https://github.com/cjdelisle/cjdns says how to build and install it"
            }
        }
    }

    fn checker(self) -> Checker {
        match self {
            Self::Yggdrasil => Checker::Yggdrasil,
            Self::Cjdns => Checker::Cjdroute,
        }
    }
}

/// Entries for one list or object of a daemon's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addition {
    path: Vec<Step<'static>>,
    /// Name, and value; the names of a list's entries are their texts.
    entries: Vec<(String, Value)>,
}

/// What is missing in the settings of Yggdrasil.
///
/// # Errors
/// Where they are not understood.
pub(crate) fn for_yggdrasil(text: &str, settings: &Yggdrasil) -> anyhow::Result<Vec<Addition>> {
    let peers = settings.peers.iter().map(|peer| (peer.clone(), Value::from(peer.as_str())));
    let known = regexes(text)?;
    let discover = settings.discover.iter().map(|device| {
        let regex = format!("^{}$", device.as_str().replace('.', "\\."));
        let interface = json!({ "Regex": regex, "Beacon": true, "Listen": true, "Port": 0 });
        (regex, interface)
    });
    let discover = discover.filter(|(regex, _)| !known.contains(regex));
    let additions = [
        Addition { path: vec![Step::Key("Peers")], entries: peers.collect() },
        Addition { path: vec![Step::Key("MulticastInterfaces")], entries: discover.collect() },
    ];
    additions.into_iter().filter_map(|addition| addition.missing(text).transpose()).collect()
}

/// The devices that Yggdrasil looks for nodes on already.
fn regexes(text: &str) -> anyhow::Result<Vec<String>> {
    const LIST: Step<'_> = Step::Key("MulticastInterfaces");
    let list = container(text, &[LIST])?;
    let regex = |index| value(text, &[LIST, Step::Index(index), Step::Key("Regex")]);
    Ok((0..list.entries.len()).filter_map(|index| regex(index).ok()).collect())
}

/// What is missing in the settings of cjdns. A peer belongs to the interface of its kind of address.
///
/// # Errors
/// Where they are not understood, or have no such interface.
pub(crate) fn for_cjdns(text: &str, settings: &Cjdns) -> anyhow::Result<Vec<Addition>> {
    let mut additions = Vec::new();
    for v6 in [false, true] {
        let of_kind: Vec<&CjdnsPeer> = settings.peer.iter().filter(|peer| peer.address.is_ipv6() == v6).collect();
        if of_kind.is_empty() {
            continue;
        }
        let index = udp_interface(text, v6)?;
        additions.push(Addition {
            path: vec![Step::Key("interfaces"), Step::Key("UDPInterface"), Step::Index(index), Step::Key("connectTo")],
            entries: of_kind.into_iter().map(|peer| (peer.address.to_string(), credentials(peer))).collect(),
        });
    }
    let known = beacons(text);
    let discover =
        settings.discover.iter().filter(|device| !known.iter().any(|bind| bind == device.as_str() || bind == "all"));
    additions.push(Addition {
        path: vec![Step::Key("interfaces"), Step::Key("ETHInterface")],
        entries: discover
            .map(|device| (device.to_string(), json!({ "bind": device.as_str(), "beacon": 2, "connectTo": {} })))
            .collect(),
    });
    additions.into_iter().filter_map(|addition| addition.missing(text).transpose()).collect()
}

fn credentials(peer: &CjdnsPeer) -> Value {
    let mut value = json!({ "password": peer.password, "publicKey": peer.public_key });
    if let Some(login) = &peer.login {
        value["login"] = login.as_str().into();
    }
    value
}

fn udp_interface(text: &str, v6: bool) -> anyhow::Result<usize> {
    const PATH: [Step<'_>; 2] = [Step::Key("interfaces"), Step::Key("UDPInterface")];
    let list = container(text, &PATH)?;
    let is_of_kind = |index: &usize| {
        let bind = value(text, &[PATH[0], PATH[1], Step::Index(*index), Step::Key("bind")]);
        bind.is_ok_and(|bind| bind.starts_with('[') == v6)
    };
    (0..list.entries.len()).find(is_of_kind).with_context(|| {
        let kind = if v6 { "IPv6" } else { "IPv4" };
        format!("it has no entry of interfaces.UDPInterface that binds an {kind} address, which a peer with such an address needs")
    })
}

fn beacons(text: &str) -> Vec<String> {
    const PATH: [Step<'_>; 2] = [Step::Key("interfaces"), Step::Key("ETHInterface")];
    let Ok(list) = container(text, &PATH) else { return Vec::new() };
    let bind = |index| value(text, &[PATH[0], PATH[1], Step::Index(index), Step::Key("bind")]);
    (0..list.entries.len()).filter_map(|index| bind(index).ok()).collect()
}

impl Addition {
    /// Without what is there already; `None` where that is all.
    fn missing(mut self, text: &str) -> anyhow::Result<Option<Self>> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        let known = self.container(text)?.entries;
        let mut seen = Vec::new();
        self.entries.retain(|(name, _)| {
            let new = !known.contains(name) && !seen.contains(name);
            seen.push(name.clone());
            new
        });
        Ok((!self.entries.is_empty()).then_some(self))
    }

    fn container(&self, text: &str) -> Result<Container, document::DocumentError> {
        container(text, &self.path)
    }

    /// Where it belongs in the settings as JSON (RFC 6901).
    fn pointer(&self) -> String {
        let step = |step: &Step<'_>| match step {
            Step::Key(key) => format!("/{key}"),
            Step::Index(index) => format!("/{index}"),
        };
        self.path.iter().map(step).collect()
    }

    /// An entry as it is written: in one line.
    fn written(&self, (name, value): &(String, Value)) -> String {
        if self.path.last() == Some(&Step::Key("connectTo")) {
            format!("{}: {value}", Value::from(name.as_str()))
        } else {
            value.to_string()
        }
    }
}

/// A text with additions, and what was written into it.
///
/// # Errors
/// Where it is not understood.
pub(crate) fn add(text: &str, additions: &[Addition]) -> anyhow::Result<(String, Vec<Edit>)> {
    let (mut text, mut edits) = (text.to_owned(), Vec::new());
    for addition in additions {
        let entries: Vec<String> = addition.entries.iter().map(|entry| addition.written(entry)).collect();
        let (at, ours) = addition.container(&text)?.added(&entries);
        text.insert_str(at, &ours);
        edits.push(Edit { ours, before: String::new() });
    }
    Ok((text, edits))
}

/// Whether settings, as their daemon reads them, have changed by the additions alone.
pub(crate) fn only_adds(before: &Value, after: &Value, additions: &[Addition]) -> bool {
    let mut expected = before.clone();
    for addition in additions {
        let entries = &addition.entries;
        match expected.pointer_mut(&addition.pointer()) {
            Some(Value::Array(list)) => {
                let had = std::mem::take(list);
                *list = entries.iter().map(|(_, value)| value.clone()).chain(had).collect();
            }
            Some(Value::Object(object)) => object.extend(entries.iter().cloned()),
            _ => return false,
        }
    }
    matches(&expected, after)
}

/// A daemon may fill in what an entry leaves out.
fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(key, value)| actual.get(key).is_some_and(|found| matches(value, found)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(one, other)| matches(one, other))
        }
        _ => expected == actual,
    }
}

/// Adds a daemon's settings to a plan.
pub(crate) fn plan(plan: &mut Plan, daemon: Daemon, text: String, edits: Vec<Edit>, origin: Origin) {
    let content = Content::Edited { text, edits, origin };
    plan.items.push(Item { path: daemon.file(), content, checker: Some(daemon.checker()) });
}

#[cfg(test)]
mod tests;
