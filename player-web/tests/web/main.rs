//! The web server through its public API: the routers called without a socket, and a few tests over loopback.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod admin_pages;
mod api;
mod audience;
mod blobs;
mod cameras;
mod control;
mod docs;
mod download;
mod fetching;
mod first_boot;
mod gateway;
mod harmless;
mod hls;
mod https;
mod mesh;
mod openapi;
mod own_origin;
mod owner;
mod pages;
mod pages_archive;
mod pages_language;
mod pages_node;
mod pages_talk;
mod player;
mod portal;
mod proxies;
mod renditions;
mod server;
mod socket;
mod thumbnails;
mod timeline;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use support::FakeNode;
use tower::ServiceExt as _;

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a router answers, which is as openapi.json says.
async fn send(router: Router, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = answered(router, request).await;
    openapi::check(&method, &path, &answer);
    answer
}

/// What a router answers, also one whose paths are others.
async fn answered(router: Router, mut request: Request<Body>) -> Answer {
    // As every client does.
    request.headers_mut().entry("host").or_insert(HeaderValue::from_static("localhost"));
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

async fn ask(node: &Arc<FakeNode>, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask_app(player_web::app(node.ports(), &player_web::Config::default()), method, path, headers).await
}

async fn ask_app(app: Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::empty()).unwrap()).await
}

async fn get(node: &Arc<FakeNode>, path: &str) -> Answer {
    ask(node, Method::GET, path, &[]).await
}
