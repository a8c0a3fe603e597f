//! Two nodes on a link that carries no word of SSB's own discovery: they find each other by mDNS.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mdns_sd::{HostnameResolutionEvent, ServiceDaemon};
use serde_json::Value;
use testkit::events::Events;
use testkit::link;
use testkit::netns::{Network, SWITCH};
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, ensure_plays, node, publish, watch};

/// Far beyond what a question takes: only against hanging for ever.
const GUARD: Duration = Duration::from_secs(60);

/// UDP ports of SSB's discovery.
const SSB: [u16; 2] = [8008, 26830];

async fn silent_link() -> Result<Option<Network>> {
    let Some(network) = Network::line(&["a", "b"], link::Settings::default()).await? else { return Ok(None) };
    for name in ["a", "b"] {
        network.drop_udp(name, &SSB)?;
    }
    Ok(Some(network))
}

#[tokio::test]
async fn nodes_that_do_not_hear_each_other_by_ssb_find_each_other_by_mdns() -> Result<()> {
    let Some(network) = silent_link().await? else { return Ok(()) };
    let (a, b) = tokio::try_join!(node(&network, "a"), node(&network, "b"))?;
    let _publisher = publish(&a).await?;
    let (_, slug) = watch(&b).await?;
    ensure_plays(&b, &slug).await
}

#[tokio::test]
async fn link_local_ipv6_is_enough_to_replicate_with_a_node_found_by_mdns() -> Result<()> {
    let Some(network) = silent_link().await? else { return Ok(()) };
    network.remove_ipv4("a", "b")?;
    let (a, b) = tokio::try_join!(node(&network, "a"), node(&network, "b"))?;
    let _publisher = publish(&a).await?;
    // What a announces comes to b, although IPFS is not dialled at addresses with zones.
    let mut events = Events::of(&b).await?;
    events.live_broadcast().await?;
    let state = state_of(&b, &a).await?;
    ensure!(state == "partial", "{state}");
    Ok(())
}

/// The name to ask for, in the environment of [`ask_for_a_host`].
const ASKED: &str = "MESHSTREAM_TEST_ASKED_HOST";

#[tokio::test]
#[ignore = "runs in a namespace, where the next test starts it"]
async fn ask_for_a_host() -> Result<()> {
    let host = std::env::var(ASKED)?;
    let daemon = ServiceDaemon::new()?;
    let events = daemon.resolve_hostname(&host, None)?;
    let found = async {
        while let Ok(event) = events.recv_async().await {
            if let HostnameResolutionEvent::AddressesFound(_, addresses) = event {
                return Ok(addresses);
            }
        }
        bail!("the resolver ended")
    };
    for address in tokio::time::timeout(GUARD, found).await?? {
        println!("found {}", address.to_ip_addr());
    }
    Ok(())
}

/// What another resolver on the link finds, asking from a namespace.
async fn resolve(network: &Network, from: &str, host: &str) -> Result<Vec<IpAddr>> {
    let mut asking = network.namespace(from)?.command(std::env::current_exe()?);
    asking.args(["--ignored", "--exact", "mdns::ask_for_a_host", "--nocapture"]).env(ASKED, host);
    let output = asking.output().await?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let found =
        said.lines().filter_map(|line| line.split_once("found ")).map(|(_, address)| Ok(address.trim().parse()?));
    found.collect()
}

#[tokio::test]
async fn a_node_has_a_name_on_its_link_and_the_second_of_that_name_gets_a_number() -> Result<()> {
    let Some(network) = Network::lan(&["a", "b", "c"], link::Settings::default()).await? else { return Ok(()) };
    let start = async |place: &str| {
        let namespace = Some(network.namespace(place)?.clone());
        Node::start(MESHSTREAM, Settings { name: "Roof North".to_owned(), namespace, ..Settings::default() }).await
    };
    let _first = start("a").await?;
    let first = resolve(&network, "c", "roof-north.local.").await?;
    let address = |place: &str| network.address(place, SWITCH).map(IpAddr::V4);
    ensure!(first.contains(&address("a")?), "{first:?}");
    let _second = start("b").await?;
    let second = resolve(&network, "c", "roof-north-2.local.").await?;
    ensure!(second.contains(&address("b")?) && !second.contains(&address("a")?), "{second:?}");
    Ok(())
}

/// How a node stands with another.
async fn state_of(node: &Node, other: &Node) -> Result<Value> {
    let peers = node.get_json("/api/v1/peers").await?;
    let found = peers.as_array().into_iter().flatten().find(|peer| peer["feed"] == other.status()["node"]["feed"]);
    Ok(found.with_context(|| format!("unknown: {peers}"))?["state"].clone())
}
