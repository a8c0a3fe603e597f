//! The map of the mesh: its page and its JSON.

use axum::http::StatusCode;
use stream_model::{FeedId, MeshReport};

use crate::get;
use crate::support::{FakeNode, mesh};

#[tokio::test]
async fn the_mesh_is_told_as_it_is_known() {
    let node = FakeNode::new();
    assert_eq!(get(&node, "/api/v1/mesh").await.json(), serde_json::json!({ "nodes": [], "links": [] }));
    *node.mesh.lock().unwrap() = mesh();
    let answer = get(&node, "/api/v1/mesh").await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    let read: MeshReport = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(read, mesh());
    let told = answer.json();
    assert_eq!(told["nodes"][0]["location"]["latitude"], 41.404);
    assert!(told["nodes"][4].get("location").is_none(), "who does not say where it stands");
    assert_eq!(told["links"][2]["over"], "cjdns");
    assert_eq!(told["links"][9]["confirmed"], false);
}

#[tokio::test]
async fn the_page_has_nodes_and_links_in_tables_and_their_names_as_text() {
    let node = FakeNode::new();
    *node.mesh.lock().unwrap() = mesh();
    let page = get(&node, "/mesh").await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page.text();
    assert!(html.contains("&#60;i&#62;mill&#60;/i&#62;") && !html.contains("<i>mill"));
    assert!(html.contains("<a href=\"http://[fc00:1234::1]:8080/\"><bdi>Escuela</bdi></a>"));
    assert!(html.contains("41.40800, 2.16300") && html.contains("41.40400, 2.15700, 120 m"));
    assert_eq!(html.matches("<td>212 ms</td>").count(), 2, "of the neighbour, and of the link to it");
    assert_eq!(html.matches("<td>90 ms</td>").count(), 1, "of a link beyond");
    assert_eq!(html.matches("class=\"dot link-poor\"").count(), 2);
    assert!(html.contains("meshstream settings set node.location"));
    assert!(!html.contains(" style="));
    let unnamed = FakeNode::new();
    let mut alone = mesh();
    alone.nodes.truncate(1);
    alone.links.clear();
    alone.nodes[0].name = " ".to_owned();
    alone.nodes[0].feed = FeedId([9; 32]);
    *unnamed.mesh.lock().unwrap() = alone;
    let html = get(&unnamed, "/mesh").await;
    assert!(html.text().contains("<bdi>@CQkJCQkJ…</bdi>") && html.text().contains("No link between two nodes"));
    assert_eq!(get(&FakeNode::new(), "/mesh").await.status, StatusCode::OK, "before anything is known");
}
