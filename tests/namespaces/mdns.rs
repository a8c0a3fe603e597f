//! Two nodes on a link that carries no word of SSB's own discovery: they find each other by mDNS.

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::events::Events;
use testkit::link;
use testkit::netns::Network;
use testkit::node::Node;

use crate::{ensure_plays, node, publish, watch};

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
    anyhow::ensure!(state == "partial", "{state}");
    Ok(())
}

/// How a node stands with another.
async fn state_of(node: &Node, other: &Node) -> Result<Value> {
    let peers = node.get_json("/api/v1/peers").await?;
    let found = peers.as_array().into_iter().flatten().find(|peer| peer["feed"] == other.status()["node"]["feed"]);
    Ok(found.with_context(|| format!("unknown: {peers}"))?["state"].clone())
}
