//! Real overlays: nodes that find each other through their daemons alone.

use anyhow::{Result, ensure};
use testkit::cjdns::Cjdroute;
use testkit::netns::Network;
use testkit::node::{Node, Settings};
use testkit::yggdrasil::Yggdrasil;

use crate::{MESHSTREAM, RADIO, ensure_plays, knows, publish, watch};

#[tokio::test]
async fn a_broadcast_passes_two_hops_of_nodes_that_know_their_neighbours_from_yggdrasil() -> Result<()> {
    let Some(network) = Network::line(&["a", "b", "c"], RADIO).await? else { return Ok(()) };
    let daemon = |name| Yggdrasil::start(network.namespace(name)?);
    let daemons = [daemon("a")?, daemon("b")?, daemon("c")?];
    let through = |daemon: &Yggdrasil| Settings { yggdrasil_admin: Some(daemon.admin()), ..Settings::default() };
    let [a, b, c] = &daemons;
    a_broadcast_passes(&network, [through(a), through(b), through(c)], "yggdrasil").await
}

#[tokio::test]
async fn a_broadcast_passes_two_hops_of_nodes_that_know_their_neighbours_from_cjdns() -> Result<()> {
    if !Cjdroute::is_there("nodes that know their neighbours from a real cjdns")? {
        return Ok(());
    }
    let Some(network) = Network::line(&["a", "b", "c"], RADIO).await? else { return Ok(()) };
    let daemon = |name, devices: &[&str]| Cjdroute::start(network.namespace(name)?, devices);
    let _daemons = [daemon("a", &["link0"])?, daemon("b", &["link0", "link1"])?, daemon("c", &["link1"])?];
    let through = || Settings { cjdns_admin: Some(Cjdroute::ADMIN.to_owned()), ..Settings::default() };
    a_broadcast_passes(&network, [through(), through(), through()], "cjdns").await
}

/// From one end of a line of three to the other, and each node knows its neighbours by this overlay alone.
async fn a_broadcast_passes(network: &Network, settings: [Settings; 3], overlay: &str) -> Result<()> {
    let [a, b, c] = settings;
    let (a, b, c) = tokio::try_join!(node(network, "a", a), node(network, "b", b), node(network, "c", c))?;
    let _publisher = publish(&a).await?;
    let (mut events, slug) = watch(&c).await?;
    events.segment(2).await?;
    ensure_plays(&c, &slug).await?;
    for (one, other) in [(&b, &a), (&c, &b)] {
        let peers = one.get_json("/api/v1/peers").await?;
        ensure!(knows(one, other).await?, "unknown to its neighbour: {peers}");
        let overlays = peers.as_array().into_iter().flatten().map(|peer| &peer["overlay"]);
        ensure!(overlays.into_iter().all(|one| one == overlay), "by another way: {peers}");
    }
    Ok(())
}

async fn node(network: &Network, name: &str, settings: Settings) -> Result<Node> {
    let namespace = Some(network.namespace(name)?.clone());
    Node::start(MESHSTREAM, Settings { name: name.to_owned(), namespace, ..settings }).await
}
