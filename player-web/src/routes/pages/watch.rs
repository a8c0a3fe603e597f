//! `/watch/{broadcast}`, `/embed/{broadcast}`, `/broadcast/{broadcast}` and its comments.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use stream_model::{ArchiveKind, BroadcastId, FeedId, Mirroring, PageRequest, Republication, TimelineCursor};

use super::super::archives_of;
use super::{What, failed, missing, trouble};
use crate::app::AppState;
use crate::assets::{LICENCES_TXT, PLAYER_CSS, PLAYER_JS, STYLE_CSS, WATCH_JS};
use crate::audience::{SourceView, SourcesView, ViewersView};
use crate::card::{self, Card, clock};
use crate::graph::tail;
use crate::page::{Framing, Page};
use crate::people::{People, Person, short};
use crate::post_card::{self, Before, PostCard};
use crate::sizes::bytes;
use crate::texts::Texts;
use crate::view::{ArchiveView, BroadcastView};

/// Comments below the player; older ones are a page of their own, or come when asked for.
const COMMENTS: usize = 20;

/// Comments of a page of them.
const COMMENTS_OF_A_PAGE: usize = 50;

#[derive(Template)]
#[template(path = "watch.html")]
struct Watch {
    t: Texts,
    page: Page,
    broadcast: BroadcastView,
    /// The path of the picture that stands for it.
    poster: Option<String>,
    card: Card,
    posts: Vec<PostCard>,
    /// The page of older comments.
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "embed.html")]
struct Embed {
    t: Texts,
    broadcast: BroadcastView,
    poster: Option<String>,
}

#[derive(Template)]
#[template(path = "comments.html")]
struct Comments {
    t: Texts,
    page: Page,
    card: Card,
    posts: Vec<PostCard>,
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "broadcast.html")]
struct Details {
    t: Texts,
    page: Page,
    card: Card,
    archives: Vec<ArchiveRow>,
    holders: Vec<Holder>,
    viewers: ViewersView,
    sources: SourcesView,
}

impl Details {
    /// What a source is called: its name, its feed, or the end of its libp2p identity.
    fn source_name(source: &SourceView) -> String {
        let name = source.source.name.trim();
        let fallback = || source.source.feed.as_ref().map_or_else(|| tail(&source.source.peer.to_string()), short);
        if name.is_empty() { fallback() } else { name.to_owned() }
    }
}

/// An archive on the page of details.
struct ArchiveRow {
    view: ArchiveView,
    kind: ArchiveKind,
    /// Which hour or day, as HTML; empty where that is not known.
    named: String,
    length: String,
    size: String,
}

/// A node that says to have a broadcast.
struct Holder {
    person: Person,
    manifest: String,
    /// To whom a republisher says it is owed; `None` of a mirror.
    credit: Option<String>,
}

pub(crate) async fn watch(State(state): State<AppState>, page: Page, Path(broadcast): Path<String>) -> Response {
    let Some(card) = find(&state, &broadcast).await else {
        return trouble(page, missing(&state, &broadcast), Framing::Nobody);
    };
    // Comments that cannot be read keep nobody from watching.
    let (posts, older) = comments_of(&state, &card, None, COMMENTS).await.unwrap_or_default();
    let (broadcast, poster) = (card.broadcast.clone(), card.poster());
    let watch = Watch { t: page.t, page: page.clone(), broadcast, poster, card, posts, older };
    page.answer(StatusCode::OK, &watch, Framing::Nobody)
}

pub(crate) async fn embed(State(state): State<AppState>, page: Page, Path(broadcast): Path<String>) -> Response {
    let Some(card) = find(&state, &broadcast).await else {
        return trouble(page, missing(&state, &broadcast), Framing::Anybody);
    };
    let poster = card.poster();
    page.answer(StatusCode::OK, &Embed { t: page.t, broadcast: card.broadcast, poster }, Framing::Anybody)
}

pub(crate) async fn comments(
    State(state): State<AppState>,
    page: Page,
    Path(broadcast): Path<String>,
    before: Result<Query<Before>, QueryRejection>,
) -> Response {
    let Some(card) = find(&state, &broadcast).await else {
        return trouble(page, missing(&state, &broadcast), Framing::Nobody);
    };
    let Some((posts, older)) =
        comments_of(&state, &card, before.ok().and_then(|Query(before)| before.before), COMMENTS_OF_A_PAGE).await
    else {
        return failed(page);
    };
    page.answer(StatusCode::OK, &Comments { t: page.t, page: page.clone(), card, posts, older }, Framing::Nobody)
}

pub(crate) async fn details(State(state): State<AppState>, page: Page, Path(broadcast): Path<String>) -> Response {
    let Some(card) = find(&state, &broadcast).await else {
        return trouble(page, missing(&state, &broadcast), Framing::Nobody);
    };
    let Ok(id) = broadcast.parse::<BroadcastId>() else {
        return trouble(page, What::Broadcast, Framing::Nobody);
    };
    let Some(listing) = state.ports.directory.listing(&id) else {
        return trouble(page, What::Broadcast, Framing::Nobody);
    };
    let sources = SourcesView::of(&listing, &state.ports);
    let viewers = ViewersView::of(&id, &state.ports);
    let standing = state.ports.standings.standing(&id);
    let nodes = standing.mirrors.iter().map(|mirror| mirror.node);
    let nodes: Vec<FeedId> = nodes.chain(standing.republications.iter().map(|one| one.node)).collect();
    let people = People::of(&*state.ports.timeline, nodes.into_iter()).await;
    let mirror =
        |one: Mirroring| Holder { person: people.get(one.node), manifest: one.manifest.to_string(), credit: None };
    let republication = |one: Republication| Holder {
        person: people.get(one.node),
        manifest: one.manifest.to_string(),
        credit: Some(one.credit),
    };
    let mirrors = standing.mirrors.into_iter().map(mirror);
    let holders = mirrors.chain(standing.republications.into_iter().map(republication)).collect();
    let archives = archives_of(&state.ports, &id).into_iter().map(ArchiveRow::new).collect();
    page.answer(
        StatusCode::OK,
        &Details { t: page.t, page: page.clone(), card, archives, holders, viewers, sources },
        Framing::Nobody,
    )
}

impl ArchiveRow {
    fn new(view: ArchiveView) -> Self {
        let named = view.period.map(card::period).unwrap_or_default();
        Self { kind: view.kind, named, length: clock(view.duration_ms / 1000), size: bytes(&view.bytes), view }
    }
}

async fn find(state: &AppState, broadcast: &str) -> Option<Card> {
    let id: BroadcastId = broadcast.parse().ok()?;
    let listing = state.ports.directory.listing(&id).filter(|listing| !listing.is_of_images())?;
    let people = People::of(&*state.ports.timeline, std::iter::once(listing.author)).await;
    Some(card::card(&state.ports, listing, &people))
}

/// Some comments, and the address of those before them. `None` where they cannot be read.
async fn comments_of(
    state: &AppState,
    card: &Card,
    before: Option<TimelineCursor>,
    limit: usize,
) -> Option<(Vec<PostCard>, Option<String>)> {
    let id: BroadcastId = card.broadcast.slug.parse().ok()?;
    let found = state.ports.timeline.comments(id, PageRequest { before, limit }).await;
    let found = found.inspect_err(|error| tracing::error!(%error, "comments cannot be read")).ok()?;
    let older = found.next.map(|next| format!("/broadcast/{}/comments?before={}", card.broadcast.slug, next.0));
    Some((post_card::comments(&state.ports, found.posts).await?, older))
}
