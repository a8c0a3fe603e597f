//! Who watches a broadcast and who brings it here, as it is told: in the JSON of `/api/v1` and `/ws`.

use serde::Serialize;
use stream_model::{BroadcastId, Listing, Source};

use crate::app::Ports;

/// Sources that are told of: those that bring most.
const MAX_SOURCES: usize = 16;

/// Viewers of a broadcast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ViewersView {
    /// On this node.
    pub(crate) here: u64,
    /// On all nodes, as they say.
    pub(crate) all: u64,
}

impl ViewersView {
    pub(crate) fn of(broadcast: &BroadcastId, ports: &Ports) -> Self {
        Self::with(ports.viewers.of(broadcast), broadcast, ports)
    }

    /// Where it is known how many watch here.
    pub(crate) fn with(here: u32, broadcast: &BroadcastId, ports: &Ports) -> Self {
        let here = u64::from(here);
        Self { here, all: here.saturating_add(ports.elsewhere.elsewhere(broadcast)) }
    }
}

/// Where a broadcast comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SourcesView {
    /// Whether it is published to this node: then nobody brings it.
    pub(crate) own: bool,
    /// How far back the counts go.
    pub(crate) window_s: u64,
    pub(crate) sources: Vec<SourceView>,
}

/// A peer that brings it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SourceView {
    #[serde(flatten)]
    pub(crate) source: Source,
    /// Its part of all bytes that came.
    pub(crate) percent: u64,
    /// Whether it is the node that the broadcast is published to.
    pub(crate) publisher: bool,
}

impl SourcesView {
    /// How far back the counts go, in whole minutes.
    pub(crate) fn window_minutes(&self) -> u64 {
        self.window_s.div_ceil(60)
    }

    pub(crate) fn of(listing: &Listing, ports: &Ports) -> Self {
        let brought = ports.sources.sources(&listing.id);
        let all: u64 = brought.peers.iter().map(|source| source.bytes).sum();
        let view = |source: Source| SourceView {
            percent: source.bytes.saturating_mul(100) / all.max(1),
            publisher: source.peer == listing.peer,
            source,
        };
        let sources = brought.peers.into_iter().take(MAX_SOURCES).map(view).collect();
        Self { own: listing.own, window_s: brought.window.as_secs(), sources }
    }
}
