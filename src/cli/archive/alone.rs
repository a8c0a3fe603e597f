//! `meshstream archive list` where no node runs: out of the files that it left.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use ssb_announcer::announcement::BroadcastDirectory;
use ssb_announcer::feed::FeedStore;
use ssb_announcer::graph::ContactIndex;
use ssb_announcer::identity::Identity;
use ssb_announcer::releases::ReleaseIndex;
use ssb_announcer::social::SocialIndex;
use stream_model::KeptBroadcast;
use streamer::catalog::Catalog;

use crate::config::Config;
use crate::data_dir::{DataDir, feed_database, secret_file, streamer_database};

/// What is known of all broadcasts, as the node would tell it, and what the owner wants of some.
pub(super) async fn read(config: &Config) -> anyhow::Result<(Vec<Value>, Vec<KeptBroadcast>)> {
    let data_dir = DataDir::lock(&config.node.data_dir)?;
    let (secret, feeds) = (secret_file(data_dir.path()), feed_database(data_dir.path()));
    if !secret.exists() || !feeds.exists() {
        // No node ran here.
        return Ok((Vec::new(), Vec::new()));
    }
    let opened = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let own = Identity::load(&secret)?.id();
        let store =
            FeedStore::open(&feeds, own, vec![Arc::new(ContactIndex), Arc::new(SocialIndex), Arc::new(ReleaseIndex)])?;
        Ok(BroadcastDirectory::open(store, own)?)
    });
    let directory = opened.await.context("reading the feeds failed")??;
    let catalog = Catalog::open(&streamer_database(data_dir.path()))?;
    let held: HashMap<_, u64> = catalog.held_segments(|count: &mut u64, _| *count += 1).await?;
    let of = |broadcast: &_| held.get(broadcast).copied().unwrap_or_default();
    let documents = player_web::broadcast_documents(&*directory, &*directory, of)?;
    Ok((documents, catalog.kept_broadcasts().await?))
}
