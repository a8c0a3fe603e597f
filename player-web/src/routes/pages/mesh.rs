//! `/mesh`: the nodes that are known here, and the links that they tell of, as tables; the page's script draws them.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use stream_model::{FeedId, LinkKind, MeshLink, MeshNode, MeshReport};

use crate::app::AppState;
use crate::assets::{LICENCES_TXT, MESH_JS, STYLE_CSS};
use crate::graph::Quality;
use crate::page::{Framing, Page};
use crate::people::short;
use crate::texts::Texts;

#[derive(Template)]
#[template(path = "mesh.html")]
struct Mesh {
    t: Texts,
    page: Page,
    located: usize,
    nodes: Vec<NodeRow>,
    links: Vec<LinkRow>,
}

/// A node in the table.
struct NodeRow {
    name: String,
    node: MeshNode,
    /// From this node to it, where it is a neighbour.
    link: Option<MeshLink>,
}

/// A link in the table.
struct LinkRow {
    ends: [String; 2],
    quality: Quality,
    link: MeshLink,
}

/// Where a node stands, in degrees and metres.
fn place(node: &MeshNode) -> Option<String> {
    let location = node.location?;
    let altitude = location.altitude_m().map(|metres| format!(", {metres} m")).unwrap_or_default();
    Some(format!("{:.5}, {:.5}{altitude}", location.latitude(), location.longitude()))
}

impl NodeRow {
    fn place(&self) -> Option<String> {
        place(&self.node)
    }

    fn heard_minutes(&self) -> Option<u64> {
        self.node.heard_s.map(|seconds| seconds / 60)
    }
}

/// What a node is called: by its name, or the beginning of its feed.
fn called(node: &MeshNode) -> String {
    let name = node.name.trim();
    if name.is_empty() { short(&node.feed) } else { name.to_owned() }
}

pub(crate) async fn mesh(State(state): State<AppState>, page: Page) -> Response {
    let MeshReport { nodes, links } = state.ports.status.mesh().await;
    let own = nodes.first().map(|node| node.feed);
    let names: HashMap<FeedId, String> = nodes.iter().map(|node| (node.feed, called(node))).collect();
    let name = |feed: &FeedId| names.get(feed).cloned().unwrap_or_else(|| short(feed));
    let from_here = |feed: FeedId| {
        let ends = |link: &&MeshLink| own.is_some_and(|own| [(own, feed), (feed, own)].contains(&(link.a, link.b)));
        links.iter().find(ends).cloned()
    };
    let rows =
        nodes.iter().map(|node| NodeRow { name: name(&node.feed), node: node.clone(), link: from_here(node.feed) });
    let rows = rows.collect();
    let link_row = |link: MeshLink| LinkRow {
        ends: [name(&link.a), name(&link.b)],
        quality: Quality::of_link(link.loss_percent, link.rtt_ms.map(u64::from)),
        link,
    };
    let located = nodes.iter().filter(|node| node.location.is_some()).count();
    let links = links.clone().into_iter().map(link_row).collect();
    let template = Mesh { t: page.t, page: page.clone(), located, nodes: rows, links };
    page.answer(StatusCode::OK, &template, Framing::Nobody)
}
