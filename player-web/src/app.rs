//! The routers: which path leads where, and the limits that hold for each request.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use stream_model::{
    ArchiveKeeper, BlobStore, ContentCarrier, ContentLookup, ContentReader, ContentSources, Directory, Downloads,
    FirstBoot, FollowGraph, KeepPolicies, Moderation, NodeStatus, Playlists, RemoteViewers, RunningHours, Standings,
    StorageChecker, StreamKeys, Timeline,
};

use crate::admin::{self, OwnerAccess};
use crate::entrance::{self, Entrance};
use crate::gateway::Gateway;
use crate::owner::OnControlSocket;
use crate::proxies::{self, Proxies};
use crate::routes::{
    api, archives, blobs, broadcast_timeline, carry, control, control_admin, control_feeds, docs, download, first_boot,
    gateway, hls, keep, moderation, node, openapi, pages, player, portal, programme, releases, session, settings,
    timeline,
};
use crate::served::Served;
use crate::slots::Slots;
use crate::viewers::ViewerCounter;
use crate::waits::{self, Waits};
use crate::{Config, OwnerPorts, Portal, assets, limits, moderated, socket};

/// Most bytes of a request's body, but for posts: a stream name in JSON.
const MAX_BODY_BYTES: usize = 4096;

/// Where answers come from.
#[derive(Clone)]
pub struct Ports {
    /// Broadcasts known here.
    pub directory: Arc<dyn Directory>,
    /// Their playlists and segments.
    pub playlists: Arc<dyn Playlists>,
    /// Broadcasts as files.
    pub downloads: Arc<dyn Downloads>,
    /// What there is so far of the hours that are not complete.
    pub running_hours: Arc<dyn RunningHours>,
    /// Bytes of segments, and of everything that the gateway shows.
    pub content: Arc<dyn ContentReader>,
    /// What peers have, for the gateway.
    pub lookup: Arc<dyn ContentLookup>,
    /// What people say.
    pub timeline: Arc<dyn Timeline>,
    /// Pictures of people and posts.
    pub blobs: Arc<dyn BlobStore>,
    /// Whom this node follows and blocks.
    pub follows: Arc<dyn FollowGraph>,
    /// What is said of broadcasts by others than their authors.
    pub standings: Arc<dyn Standings>,
    /// Who brings broadcasts here.
    pub sources: Arc<dyn ContentSources>,
    /// Who watches here.
    pub viewers: ViewerCounter,
    /// Who watches on other nodes.
    pub elsewhere: Arc<dyn RemoteViewers>,
    /// What is not to be shown on this node.
    pub moderation: Arc<dyn Moderation>,
    /// This node.
    pub status: Arc<dyn NodeStatus>,
    /// Its machine, where that has no owner yet.
    pub first_boot: Option<Arc<dyn FirstBoot>>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) ports: Ports,
    /// All that is announced, also what is not shown: for what is served as content.
    pub(crate) announced: Arc<dyn Directory>,
    pub(crate) sockets: Slots,
    pub(crate) hub: socket::Hub,
    pub(crate) served: Served,
    pub(crate) gateway: Gateway,
    pub(crate) access: OwnerAccess,
    /// Answers with pictures that are on their way.
    pub(crate) pictures: Slots,
    /// Files that are being sent.
    pub(crate) downloads: Slots,
}

impl FromRef<AppState> for OwnerAccess {
    fn from_ref(state: &AppState) -> Self {
        state.access.clone()
    }
}

/// What the network sees: without what is hidden.
pub fn app(ports: Ports, config: &Config) -> Router {
    let gateway = match config.gateway_port {
        Some(port) => gateway_routes().layer(middleware::from_fn_with_state(port, gateway::lead_to_port)),
        None => gateway_routes(),
    };
    let playing = playing_routes().layer(middleware::from_fn(waits::limit));
    let first_boot = Router::new().route(first_boot::PATH, get(first_boot::show).post(first_boot::submit));
    let routes = routes().merge(playing).merge(gateway).merge(portal::routes()).merge(first_boot);
    from_network(finish(routes, ports, Sees::WhatIsShown, config), config)
}

/// What requests from the network pass before any route, the last one first.
fn from_network(router: Router, config: &Config) -> Router {
    let entrance = Entrance::new(config);
    let proxies = Proxies::new(&config.trusted_proxies);
    router
        .layer(Extension(entrance.clone()))
        .layer(middleware::from_fn(limits::limit))
        .layer(middleware::from_fn_with_state(entrance, entrance::enter))
        .layer(middleware::from_fn_with_state(proxies, proxies::look_through))
}

/// What the network sees on the gateway's port, if it has one: content by CID alone, under an origin that no page of this
/// node shares.
pub fn gateway_app(ports: Ports, config: &Config) -> Router {
    let routes = gateway_routes().route("/healthz", get(node::health)).fallback(gateway::nothing_else);
    let config = Config { portal: Portal::Off, ..config.clone() };
    from_network(finish(routes, ports, Sees::All, &config), &config)
}

/// What the owner's browsers see besides: the pages below `/admin`. To be merged with [`app`], and with nothing that serves what
/// others have made from an origin of its own.
pub fn admin_app(ports: Ports, owner: OwnerPorts, config: &Config) -> Router {
    from_network(finish(admin::routes(owner), ports, Sees::All, config), config)
}

/// What the owner's programs see on the unix socket: the same, writing without a token, the stream keys, and whom the
/// node follows.
pub fn control_app(ports: Ports, keys: Arc<dyn StreamKeys>, config: &Config) -> Router {
    let own = control::routes(keys).merge(control_feeds::routes()).merge(control_admin::routes());
    let routes = routes().merge(playing_routes()).merge(gateway_routes()).merge(own);
    finish(routes, ports, Sees::All, config).layer(Extension(OnControlSocket))
}

/// What the owner's programs see besides: content as CAR files, and the check of the store. To be merged with
/// [`control_app`].
pub fn content_app(carrier: Arc<dyn ContentCarrier>, checker: Arc<dyn StorageChecker>) -> Router {
    carry::routes(carrier, checker).layer(middleware::from_fn(count))
}

/// How long broadcasts stay, for the owner's programs. To be merged with [`control_app`].
pub fn policies_app(policies: Arc<dyn KeepPolicies>) -> Router {
    keep::routes(policies).layer(middleware::from_fn(count))
}

/// What the owner has done with archives. To be merged with [`control_app`].
pub fn archives_app(keeper: Arc<dyn ArchiveKeeper>) -> Router {
    archives::routes(keeper).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(middleware::from_fn(count))
}

/// What the owner plans, names, ends, hides, sets and reads of the log. To be merged with [`control_app`].
pub fn owner_control_app(owner: &OwnerPorts) -> Router {
    programme::routes(owner.programme.clone())
        .merge(moderation::routes(owner.moderation.clone()))
        .merge(settings::routes(owner.settings.clone(), owner.log_book.clone()))
        .merge(releases::routes(owner.releases.clone()))
        .layer(middleware::from_fn(count))
}

fn gateway_routes() -> Router<AppState> {
    Router::new()
        .route("/ipfs/{cid}", get(gateway::root).options(hls::preflight))
        .route("/ipfs/{cid}/", get(gateway::root).options(hls::preflight))
        .route("/ipfs/{cid}/{*path}", get(gateway::below).options(hls::preflight))
}

/// What players ask for, for which other nodes may have to be asked.
fn playing_routes() -> Router<AppState> {
    Router::new()
        .route("/hls/{broadcast}/{file}", get(hls::file).options(hls::preflight))
        .route("/hls/{broadcast}/hour/{file}", get(hls::hour).options(hls::preflight))
        .route("/hls/{broadcast}/day/{file}", get(hls::day).options(hls::preflight))
        .route("/api/v1/broadcasts/{id}/download.mp4", get(download::download))
        .route("/api/v1/broadcasts/{id}/segments/{segment}", get(broadcast_timeline::segment))
        .route("/api/v1/broadcasts/{id}/timeline", get(broadcast_timeline::timeline))
}

fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(pages::home))
        .route("/search", get(pages::search))
        .route("/archive", get(pages::days))
        .route("/archive/{date}", get(pages::day))
        .route("/timeline", get(pages::timeline))
        .route("/thread/{post}", get(pages::thread))
        .route("/feed/{feed}", get(pages::feed))
        .route("/node", get(pages::node))
        .route("/mesh", get(pages::mesh))
        .route("/watch/{broadcast}", get(pages::watch))
        .route("/broadcast/{broadcast}", get(pages::details))
        .route("/broadcast/{broadcast}/comments", get(pages::comments))
        .route("/embed/{broadcast}", get(pages::embed))
        .route("/docs", get(docs::to_top))
        .route("/docs/", get(docs::top))
        .route("/docs/search", get(docs::search))
        .route("/docs/{*path}", get(docs::file))
        .route("/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(assets::no_icon))
        .route("/player.js", get(player::script))
        .route("/player.css", get(player::style))
        .route("/blobs/{blob}", get(blobs::blob).options(hls::preflight))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/node", get(api::node))
        .route("/api/v1/broadcasts", get(api::broadcasts))
        .route("/api/v1/upcoming", get(api::upcoming))
        .route("/api/v1/broadcasts/{id}", get(api::broadcast))
        .route("/api/v1/broadcasts/{id}/sources", get(api::sources))
        .route("/api/v1/broadcasts/{id}/comments", get(timeline::comments))
        .route("/api/v1/timeline", get(timeline::timeline))
        .route("/api/v1/threads/{key}", get(timeline::thread))
        .route("/api/v1/feeds/{feed}", get(timeline::feed))
        .route("/api/v1/posts", post(timeline::post).layer(DefaultBodyLimit::max(timeline::MAX_POST_BYTES)))
        .route("/api/v1/votes", post(timeline::vote))
        .route("/api/v1/session", get(session::session))
        .route("/api/v1/peers", get(api::peers))
        .route("/api/v1/mesh", get(api::mesh))
        .route("/api/v1/storage", get(api::storage))
        .route("/ws", get(socket::upgrade))
        .route("/nodeinfo.json", get(node::info))
        .route("/healthz", get(node::health))
        .route("/metrics", get(node::metrics))
        .fallback(pages::not_found)
}

/// Which messages a router tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// All.
    All,
    /// Those that the owner does not hide.
    WhatIsShown,
}

fn finish(routes: Router<AppState>, ports: Ports, sees: Sees, config: &Config) -> Router {
    let announced = ports.directory.clone();
    let gateway = Gateway::new(&ports, config.gateway.clone());
    let ports = if sees == Sees::WhatIsShown { moderated::shown(ports) } else { ports };
    let sockets = Slots::new(config.max_sockets, config.max_sockets_per_address);
    let access = config.access.clone();
    let pictures = Slots::new(blobs::MAX_ANSWERS, blobs::MAX_ANSWERS_PER_ADDRESS);
    let downloads = Slots::new(download::MAX_DOWNLOADS, download::MAX_DOWNLOADS_PER_ADDRESS);
    let routes = routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(Extension(Waits::new()));
    routes.layer(middleware::from_fn(count)).with_state(AppState {
        ports,
        announced,
        sockets,
        hub: socket::Hub::new(),
        served: Served::new(Instant::now()),
        gateway,
        access,
        pictures,
        downloads,
    })
}

async fn count(request: axum::extract::Request, next: Next) -> Response {
    let response = next.run(request).await;
    metrics::counter!("meshstream_web_requests_total", "status" => class(response.status())).increment(1);
    response
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
