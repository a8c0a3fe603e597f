//! A real overlay: nodes that find each other through their Yggdrasil daemons alone.

use anyhow::{Result, ensure};
use testkit::netns::Network;
use testkit::node::{Node, Settings};
use testkit::yggdrasil::Yggdrasil;

use crate::{MESHSTREAM, RADIO, ensure_plays, knows, publish, watch};

#[tokio::test]
async fn a_broadcast_passes_two_hops_of_nodes_that_know_their_neighbours_from_yggdrasil() -> Result<()> {
    let Some(network) = Network::line(&["a", "b", "c"], RADIO).await? else { return Ok(()) };
    let daemon = |name| Yggdrasil::start(network.namespace(name)?);
    let daemons = [daemon("a")?, daemon("b")?, daemon("c")?];
    let (a, b, c) = tokio::try_join!(
        node(&network, "a", &daemons[0]),
        node(&network, "b", &daemons[1]),
        node(&network, "c", &daemons[2])
    )?;
    let _publisher = publish(&a).await?;
    let (mut events, slug) = watch(&c).await?;
    events.segment(2).await?;
    ensure_plays(&c, &slug).await?;
    for (one, other) in [(&b, &a), (&c, &b)] {
        let peers = one.get_json("/api/v1/peers").await?;
        ensure!(knows(one, other).await?, "unknown to its neighbour: {peers}");
        let overlays = peers.as_array().into_iter().flatten().map(|peer| &peer["overlay"]);
        ensure!(overlays.into_iter().all(|overlay| overlay == "yggdrasil"), "by another way: {peers}");
    }
    Ok(())
}

async fn node(network: &Network, name: &str, daemon: &Yggdrasil) -> Result<Node> {
    let settings = Settings {
        name: name.to_owned(),
        namespace: Some(network.namespace(name)?.clone()),
        yggdrasil_admin: Some(daemon.admin()),
        ..Settings::default()
    };
    Node::start(MESHSTREAM, settings).await
}
