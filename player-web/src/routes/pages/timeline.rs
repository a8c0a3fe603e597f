//! `/timeline`, `/thread/{post}` and `/feed/{feed}`: what people write.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use stream_model::{BroadcastId, PageRequest, TimelineError, TimelinePage};

use super::{What, failed, trouble};
use crate::app::AppState;
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::card::{Card, cards, listed};
use crate::page::{Framing, Page};
use crate::people::{Person, feed_slug, parse_feed};
use crate::post_card::{self, Before, PostCard};
use crate::post_view::AuthorView;
use crate::texts::Texts;

/// Posts of a page.
const POSTS: usize = 20;

/// Answers of a page.
const ANSWERS: usize = 50;

/// Broadcasts of somebody on their page, the newest.
const BROADCASTS: usize = 12;

#[derive(Template)]
#[template(path = "timeline.html")]
struct TimelineTemplate {
    t: Texts,
    page: Page,
    posts: Vec<PostCard>,
    older: Option<String>,
    /// It is not the newest page.
    past: bool,
}

#[derive(Template)]
#[template(path = "thread.html")]
struct Thread {
    t: Texts,
    page: Page,
    first: Option<PostCard>,
    posts: Vec<PostCard>,
    older: Option<String>,
    slug: String,
}

#[derive(Template)]
#[template(path = "feed.html")]
struct FeedTemplate {
    t: Texts,
    page: Page,
    person: Person,
    description: String,
    cards: Vec<Card>,
    posts: Vec<PostCard>,
    older: Option<String>,
}

pub(crate) async fn timeline(
    State(state): State<AppState>,
    page: Page,
    before: Result<Query<Before>, QueryRejection>,
) -> Response {
    let before = before.ok().and_then(|Query(before)| before.before);
    let found = state.ports.timeline.newest(PageRequest { before, limit: POSTS }).await;
    let Some((posts, older)) = shown(&state, found, "/timeline").await else { return failed(page) };
    let past = before.is_some();
    let template = TimelineTemplate { t: page.t, page: page.clone(), posts, older, past };
    page.answer(StatusCode::OK, &template, Framing::Nobody)
}

/// A thread whose first post has not come here, or is of a blocked feed, still has the answers that did.
pub(crate) async fn thread(
    State(state): State<AppState>,
    page: Page,
    Path(post): Path<String>,
    before: Result<Query<Before>, QueryRejection>,
) -> Response {
    let Ok(BroadcastId(key)) = post.parse() else { return trouble(page, What::Post, Framing::Nobody) };
    let slug = key.slug();
    let before = before.ok().and_then(|Query(before)| before.before);
    let found = state.ports.timeline.replies(key, PageRequest { before, limit: ANSWERS }).await;
    let Ok(first) = state.ports.timeline.find(key).await else { return failed(page) };
    let Some((posts, older)) = shown(&state, found, &format!("/thread/{slug}")).await else { return failed(page) };
    let Some(mut firsts) = post_card::posts(&state.ports, first.into_iter().collect()).await else {
        return failed(page);
    };
    let first = firsts.pop();
    if first.is_none() && posts.is_empty() && older.is_none() {
        return trouble(page, What::Post, Framing::Nobody);
    }
    let template = Thread { t: page.t, page: page.clone(), first, posts, older, slug };
    page.answer(StatusCode::OK, &template, Framing::Nobody)
}

/// Of a feed that said nothing of itself there may be broadcasts and posts all the same.
pub(crate) async fn feed(
    State(state): State<AppState>,
    page: Page,
    Path(feed): Path<String>,
    before: Result<Query<Before>, QueryRejection>,
) -> Response {
    let Some(feed) = parse_feed(&feed) else { return trouble(page, What::Feed, Framing::Nobody) };
    let Ok(profile) = state.ports.timeline.profile(feed).await else { return failed(page) };
    let before = before.ok().and_then(|Query(before)| before.before);
    let found = state.ports.timeline.written_by(feed, PageRequest { before, limit: POSTS }).await;
    let address = format!("/feed/{}", feed_slug(&feed));
    let Some((posts, older)) = shown(&state, found, &address).await else { return failed(page) };
    let theirs = listed(&state.ports).into_iter().filter(|listing| listing.author == feed).take(BROADCASTS).collect();
    let cards = cards(&state.ports, theirs).await;
    if profile.is_none() && posts.is_empty() && cards.is_empty() {
        return trouble(page, What::Feed, Framing::Nobody);
    }
    let description = profile.as_ref().and_then(|profile| profile.description.clone()).unwrap_or_default();
    let author = profile.map(|profile| AuthorView::from(profile.author));
    let person = author.as_ref().map_or(Person { feed, name: None, image: None }, Person::from);
    let template = FeedTemplate { t: page.t, page: page.clone(), person, description, cards, posts, older };
    page.answer(StatusCode::OK, &template, Framing::Nobody)
}

/// A page of posts, and the address of the one before it. `None` where they cannot be read.
async fn shown(
    state: &AppState,
    found: Result<TimelinePage, TimelineError>,
    address: &str,
) -> Option<(Vec<PostCard>, Option<String>)> {
    let found = found.inspect_err(|error| tracing::error!(%error, "posts cannot be read")).ok()?;
    let older = found.next.map(|next| format!("{address}?before={}", next.0));
    Some((post_card::posts(&state.ports, found.posts).await?, older))
}
