//! `/node`: this node, drawn: its neighbours, its storage, what it holds, and how to publish to it.

use std::net::{IpAddr, SocketAddr};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use stream_model::{NodeReport, PeerReport, PeerState, StorageOutlook};

use crate::app::AppState;
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::card::{Card, cards, listed};
use crate::graph::{Graph, Quality, SIZE, beyond, peer_name};
use crate::node_state::NodeState;
use crate::page::{Framing, Page};
use crate::people::short;
use crate::sizes::bytes;
use crate::texts::Texts;

/// Broadcasts of which something is held here that are shown; `/api/v1/broadcasts` has them all.
const MAX_HELD: usize = 12;

/// Rows of the table of nodes beyond the neighbours.
const MAX_ROWS: usize = 200;

/// Where the drawing's bar of storage ends, in its units.
const BAR: u64 = 300;

#[derive(Template)]
#[template(path = "node.html")]
struct Node {
    t: Texts,
    page: Page,
    node_line: String,
    report: NodeReport,
    graph: Graph,
    peers: Vec<PeerRow>,
    known: Vec<KnownRow>,
    storage: Storage,
    held: Vec<Card>,

    ingest: Vec<String>,
}

/// A neighbour in the table.
struct PeerRow {
    name: String,
    quality: Quality,
    report: PeerReport,
}

/// A node beyond in the table.
struct KnownRow {
    name: String,
    feed: String,
    seen_minutes: Option<u64>,
}

struct Storage {
    used: String,
    quota: String,
    free: String,
    percent: u64,
    /// Of the bar.
    width: u64,
    outlook: StorageOutlook,
    next: Vec<Leaving>,
}

/// What makes room next.
struct Leaving {
    title: String,
    slug: String,
    size: String,
}

pub(crate) async fn node(State(state): State<AppState>, page: Page) -> Response {
    let ports = &state.ports;
    let (report, peers, info) = (ports.status.report().await, ports.status.peers().await, ports.status.info());
    let node_line = NodeState::new(&report, &peers).line(page.t);
    let graph = Graph::new(report.node.feed, &peers, &info.nodes);
    let known = beyond(report.node.feed, &peers, &info.nodes).into_iter().take(MAX_ROWS).map(|node| KnownRow {
        name: if node.identity.name.trim().is_empty() {
            short(&node.identity.feed)
        } else {
            node.identity.name.clone()
        },
        feed: node.identity.feed.to_string(),
        seen_minutes: node.age_seconds.map(|seconds| seconds / 60),
    });
    let known = known.collect();
    let row = |report: PeerReport| PeerRow { name: peer_name(&report), quality: Quality::of(&report), report };
    let peers = peers.into_iter().take(MAX_ROWS).map(row).collect();
    let is_held = |listing: &stream_model::Listing| ports.playlists.held_segments(&listing.id) > 0;
    let held = listed(ports).into_iter().filter(is_held).take(MAX_HELD).collect();
    let template = Node {
        t: page.t,
        page: page.clone(),
        node_line,
        graph,
        peers,
        known,
        storage: Storage::new(ports.status.storage().await, page.t),
        held: cards(ports, held).await,
        ingest: ingest(&page, &report.listen.rtmp),
        report,
    };
    page.answer(StatusCode::OK, &template, Framing::Nobody)
}

/// Addresses that a publisher's program wants, at the name by which the visitor reached this node.
fn ingest(page: &Page, listening: &[String]) -> Vec<String> {
    let Some(name) = page.host_name() else { return Vec::new() };
    // Who comes from elsewhere does not reach what listens for this machine alone.
    let here = name == "localhost" || name.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let addresses = listening.iter().filter_map(|address| address.parse::<SocketAddr>().ok());
    let mut ports: Vec<u16> =
        addresses.filter(|address| here || !address.ip().is_loopback()).map(|address| address.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    let address =
        |port: u16| if port == 1935 { format!("rtmp://{name}/live") } else { format!("rtmp://{name}:{port}/live") };
    ports.into_iter().map(address).collect()
}

impl Storage {
    fn new(outlook: StorageOutlook, t: Texts) -> Self {
        let report = outlook.report;
        let quota = report.quota_bytes.max(1);
        let leaving = |next: &stream_model::LeavingBroadcast| Leaving {
            title: Some(next.title.trim())
                .filter(|title| !title.is_empty())
                .map_or_else(|| t.get("untitled").to_string(), str::to_owned),
            slug: next.slug.clone(),
            size: bytes(&next.bytes),
        };
        Self {
            used: bytes(&report.used_bytes),
            quota: bytes(&report.quota_bytes),
            free: bytes(&report.free_bytes),
            percent: report.used_bytes.saturating_mul(100) / quota,
            width: (report.used_bytes.saturating_mul(BAR) / quota).min(BAR),
            next: outlook.next.iter().map(leaving).collect(),
            outlook,
        }
    }
}
