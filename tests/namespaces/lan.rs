//! Two nodes on one link.

use anyhow::Result;
use testkit::link;
use testkit::netns::Network;

use crate::{ensure_plays, node, publish, watch};

#[tokio::test]
async fn a_broadcast_at_one_of_two_nodes_without_settings_plays_at_the_other() -> Result<()> {
    let Some(network) = Network::line(&["a", "b"], link::Settings::default()).await? else { return Ok(()) };
    let (a, b) = tokio::try_join!(node(&network, "a"), node(&network, "b"))?;
    let _publisher = publish(&a).await?;
    let (_, slug) = watch(&b).await?;
    ensure_plays(&b, &slug).await
}
