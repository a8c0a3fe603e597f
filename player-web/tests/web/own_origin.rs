//! The gateway's own port, and codes of this node's addresses.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use player_web::Config;

use crate::support::FakeNode;
use crate::{answered, ask, ask_app, get};

#[tokio::test]
async fn content_of_others_has_an_origin_of_its_own_where_there_is_a_port_for_it() {
    let node = FakeNode::new();
    let config = Config { gateway_port: Some(8081), ..Config::default() };
    let app = player_web::app(node.ports(), &config);
    let headers = [("host", "10.0.0.1:8080")];
    for path in ["/ipfs/bafy", "/ipfs/bafy/", "/ipfs/bafy/index.m3u8?x=1"] {
        let answer = ask_app(app.clone(), Method::GET, path, &headers).await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(answer.header("location"), format!("http://10.0.0.1:8081{path}"));
        assert_eq!(answer.header("access-control-allow-origin"), "*", "players of other pages follow it");
    }
    let policy = ask_app(app, Method::GET, "/", &headers).await;
    let policy = policy.header("content-security-policy");
    for part in ["img-src 'self' data: blob: http://10.0.0.1:8081;", "media-src 'self' blob: http://10.0.0.1:8081;"] {
        assert!(policy.contains(part), "{policy}");
    }

    let gateway = player_web::gateway_app(node.ports(), &config);
    let answer = ask_app(gateway.clone(), Method::GET, "/ipfs/nonsense", &headers).await;
    assert_eq!(
        (answer.status, answer.header("content-security-policy")),
        (StatusCode::BAD_REQUEST, "sandbox; default-src 'none'")
    );
    for path in ["/", "/portal", "/admin", "/api/v1/node", "/ws", "/metrics", "/watch/x", "/hls/x/index.m3u8"] {
        let request = Request::get(path).header(headers[0].0, headers[0].1).body(Body::empty()).unwrap();
        let answer = answered(gateway.clone(), request).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text().contains("/ipfs/"), "{path}");
    }
}

#[tokio::test]
async fn codes_lead_to_this_node_as_the_visitor_reaches_it_and_nowhere_else() {
    let node = FakeNode::new();
    let code = get(&node, "/qr.svg").await;
    assert_eq!((code.status, code.header("content-type")), (StatusCode::OK, "image/svg+xml"));
    assert_eq!(code.text(), player_web::qr::svg("http://localhost/").unwrap());
    let watch = ask(&node, Method::GET, "/qr.svg?for=/watch/x%3Ft%3D5", &[("host", "10.0.0.1:8080")]).await;
    assert_eq!(watch.text(), player_web::qr::svg("http://10.0.0.1:8080/watch/x?t=5").unwrap());
    let long = format!("/qr.svg?for=/{}", "x".repeat(600));
    for path in [
        "/qr.svg?for=//evil.example",
        "/qr.svg?for=http://evil.example/",
        "/qr.svg?for=x",
        "/qr.svg?for=/%5Cevil",
        "/qr.svg?for=/a%20b",
        &long,
    ] {
        assert_eq!(get(&node, path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}
