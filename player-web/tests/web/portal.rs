//! Phones on an access point, and names that are not this node's.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use player_web::{Config, Portal};

use crate::support::{FakeNode, broadcast_id};
use crate::{Answer, ask_app, send};

/// Requests without a connection count as a neighbour's only where the address says so; a router without a socket has none.
fn app(config: &Config) -> Router {
    player_web::app(FakeNode::new().ports(), config)
}

async fn get(app: &Router, host: &str, path: &str) -> Answer {
    ask_app(app.clone(), Method::GET, path, &[("host", host)]).await
}

#[tokio::test]
async fn pages_under_a_foreign_name_lead_to_the_node() {
    let app = app(&Config { names: vec!["video.mesh".into()], ..Config::default() });
    let slug = broadcast_id(7).slug();
    for (host, path, expected) in [
        ("example.com", "/", "http://video.mesh/".to_owned()),
        ("example.com:8080", "/", "http://video.mesh:8080/".to_owned()),
        ("example.com", "/news/today?x=1", "http://video.mesh/".to_owned()),
        ("evil.example", &format!("/watch/{slug}?t=5"), format!("http://video.mesh/watch/{slug}?t=5")),
        ("evil.example", "/watch/ž?t=5", "http://video.mesh/watch/%C5%BE?t=5".to_owned()),
        ("evil.example", "/admin", "http://video.mesh/".to_owned()),
    ] {
        let answer = get(&app, host, path).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::FOUND, &*expected), "{host}{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let unnamed = self::app(&Config::default());
    assert_eq!(get(&unnamed, "example.com", "/").await.header("location"), "http://thisnode.info/");
    for host in ["thisnode.info", "10.0.0.1:8080", "[fc00::1]", "localhost"] {
        assert_eq!(get(&unnamed, host, "/").await.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn a_foreign_name_reads_and_writes_nothing_that_is_the_nodes_own() {
    let app = app(&Config::default());
    let (host, origin) = (("host", "evil.example"), ("origin", "http://evil.example"));
    for path in ["/api/v1/node", "/api/v1/peers", "/ws", "/metrics"] {
        let answer = ask_app(app.clone(), Method::GET, path, &[host, origin]).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
        assert!(answer.text().contains("web.names"), "{path}");
    }
    for path in ["/api/v1/posts", "/portal/continue", "/"] {
        let headers = [host, origin, ("authorization", "Bearer correct-horse-battery")];
        assert_eq!(ask_app(app.clone(), Method::POST, path, &headers).await.status, StatusCode::MISDIRECTED_REQUEST);
    }
    // What every page may read anyway.
    for path in ["/healthz", "/nodeinfo.json"] {
        assert_eq!(get(&app, "node.invalid", path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_target_in_absolute_form_and_a_host_twice_cannot_get_past() {
    let app = app(&Config::default());
    let answer = ask_app(app.clone(), Method::GET, "http://evil.example/api/v1/node", &[("host", "localhost")]).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    let answer = ask_app(app.clone(), Method::GET, "http://10.0.0.1/api/v1/node", &[("host", "evil.example")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let twice = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(ask_app(app.clone(), Method::GET, "/", &twice).await.status, StatusCode::BAD_REQUEST);
    for host in ["a b", "user@localhost", "localhost:99999", "[::1"] {
        assert_eq!(get(&app, host, "/").await.status, StatusCode::BAD_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn rfc_8908_is_answered_over_tls_alone() {
    let answer = get(&app(&Config::default()), "localhost", "/captive-portal/api").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text().contains("HTTPS"));
}

#[tokio::test]
async fn the_portal_needs_no_script_and_says_where_to_go() {
    let answer = get(&app(&Config::default()), "10.0.0.1:8080", "/portal").await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    let html = answer.text();
    assert!(html.contains("href=\"http://10.0.0.1:8080/\"") && html.contains("action=\"/portal/continue\""), "{html}");
    let (_, main) = html.split_once("<main").unwrap();
    assert!(!main.contains("<script") && !main.contains("hidden"), "it says all without the page's script: {main}");
    assert!(html.contains("roof &#60;north&#62;"));
}

#[tokio::test]
async fn a_portal_that_is_off_leads_probes_to_the_pages() {
    let app = app(&Config { portal: Portal::Off, ..Config::default() });
    let answer = get(&app, "captive.apple.com", "/hotspot-detect.html").await;
    assert_eq!(answer.header("location"), "http://thisnode.info/");
    let request = Request::builder().uri("/generate_204").header("host", "clients3.google.com").body(Body::empty());
    assert_eq!(send(app, request.unwrap()).await.status, StatusCode::FOUND);
}
