//! Nodes on a link each: without settings, and confined to a device.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use testkit::link;
use testkit::netns::Network;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, RADIO, ensure_plays, knows, node, publish, watch};

#[tokio::test]
async fn a_broadcast_at_one_of_two_nodes_without_settings_plays_at_the_other() -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], link::Settings::default()).await? else { return Ok(()) };
    let (a, b) = tokio::try_join!(node(&network, "a"), node(&network, "b"))?;
    let _publisher = publish(&a).await?;
    let (_, slug) = watch(&b).await?;
    ensure_plays(&b, &slug).await
}

#[tokio::test]
async fn a_node_confined_to_a_device_that_appears_later_takes_part_there_and_nowhere_else() -> Result<()> {
    let Some(mut network) = Network::new().await? else { return Ok(()) };
    for name in ["inside", "confined", "outside"] {
        network.add(name)?;
    }
    network.join("outside", "confined", RADIO)?;
    let confined = Settings {
        name: "confined".to_owned(),
        devices: vec!["link1".to_owned()],
        namespace: Some(network.namespace("confined")?.clone()),
        ..Settings::default()
    };
    let (inside, outside, confined) =
        tokio::try_join!(node(&network, "inside"), node(&network, "outside"), Node::start(MESHSTREAM, confined))?;
    let _publisher = publish(&inside).await?;

    network.join("inside", "confined", RADIO)?;
    let (mut events, slug) = watch(&confined).await?;
    // Its pages are not on loopback either; here they are read through its control socket.
    let path = format!("/hls/{slug}/{}.m4s", events.segment(2).await?);
    ensure!(confined.get_bytes(&path).await? == inside.get_bytes(&path).await?, "another segment");

    ensure!(knows(&inside, &confined).await? && knows(&confined, &inside).await?, "they met otherwise");
    for (one, other) in [(&outside, &confined), (&confined, &outside)] {
        ensure!(!knows(one, other).await?, "they know each other over a device that it is confined from");
    }
    for port in PORTS {
        let (near, far) = (network.address("confined", "inside")?, network.address("confined", "outside")?);
        ensure!(accepts(&network, "inside", near, port).await?, "port {port} is closed on its device");
        ensure!(!accepts(&network, "outside", far, port).await?, "port {port} is open on another device");
    }
    Ok(())
}

/// Of SSB, IPFS and HTTP, as they are by default.
const PORTS: [u16; 3] = [8008, 4001, 8080];

/// Whether a connection from a node to an address of its neighbour comes about.
async fn accepts(network: &Network, from: &str, to: Ipv4Addr, port: u16) -> Result<bool> {
    let mut command = network.namespace(from)?.command("bash");
    let status = command.args(["-c", &format!("exec 3<>/dev/tcp/{to}/{port}")]).output().await?.status;
    Ok(status.success())
}
