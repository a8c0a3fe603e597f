//! `/api/v1/…`: what people say, for everybody to read and for the owner to write.

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stream_model::{
    BroadcastId, FeedId, MessageKey, NewPost, PageRequest, Post, PostTarget, TimelineCursor, TimelineError,
    TimelinePage, Vote,
};

use super::api::fresh;
use super::json_error;
use crate::app::AppState;
use crate::owner::Owner;
use crate::post_view::{self, PostView, ProfileView};

/// Posts of a page where nothing else is asked for.
const DEFAULT_LIMIT: usize = 20;

/// Most posts of a page.
const MAX_LIMIT: usize = 100;

/// Most bytes of a request to post: the longest text, every character of it escaped.
pub(crate) const MAX_POST_BYTES: usize = 64 * 1024;

/// Which page is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    before: Option<TimelineCursor>,
    limit: Option<usize>,
}

type Asked = Result<Query<PageQuery>, QueryRejection>;
type Body = Result<Bytes, BytesRejection>;

/// The JSON of a page.
#[derive(Debug, Serialize)]
struct PageView {
    posts: Vec<PostView>,
    next: Option<TimelineCursor>,
}

/// The JSON of a thread.
#[derive(Debug, Serialize)]
struct ThreadView {
    post: Option<PostView>,
    replies: Vec<PostView>,
    next: Option<TimelineCursor>,
}

/// Content of a request to post.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostRequest {
    text: String,
    root: Option<MessageKey>,
    broadcast: Option<BroadcastId>,
}

/// Content of a request to vote.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VoteRequest {
    post: MessageKey,
    value: u8,
}

pub(crate) async fn timeline(State(state): State<AppState>, query: Asked) -> Response {
    answer(async {
        let page = state.ports.timeline.newest(page_request(query)?).await.map_err(refuse)?;
        Ok(fresh(page_view(&state, page).await?))
    })
    .await
}

pub(crate) async fn comments(State(state): State<AppState>, Path(id): Path<String>, query: Asked) -> Response {
    answer(async {
        let broadcast = parse::<BroadcastId>(&id)?;
        let page = state.ports.timeline.comments(broadcast, page_request(query)?).await.map_err(refuse)?;
        Ok(fresh(page_view(&state, page).await?))
    })
    .await
}

/// A thread whose first post has not come here, or is of a blocked feed, still has the answers that did.
pub(crate) async fn thread(State(state): State<AppState>, Path(key): Path<String>, query: Asked) -> Response {
    answer(async {
        // In paths a message is written as a broadcast is: its key, or that in base64url.
        let key = parse::<BroadcastId>(&key)?.0;
        let page = state.ports.timeline.replies(key, page_request(query)?).await.map_err(refuse)?;
        let post = state.ports.timeline.find(key).await.map_err(refuse)?;
        if post.is_none() && page.posts.is_empty() && page.next.is_none() {
            return Err(refuse(TimelineError::UnknownPost(key)));
        }
        let post = views(&state, post.into_iter().collect()).await?.pop();
        let PageView { posts: replies, next } = page_view(&state, page).await?;
        Ok(fresh(ThreadView { post, replies, next }))
    })
    .await
}

pub(crate) async fn feed(State(state): State<AppState>, Path(feed): Path<String>) -> Response {
    answer(async {
        let feed = parse::<FeedId>(&feed)?;
        match state.ports.timeline.profile(feed).await.map_err(refuse)? {
            Some(profile) => Ok(fresh(ProfileView::from(profile))),
            None => Err(Refusal::new(
                StatusCode::NOT_FOUND,
                format!("{feed} has said nothing of itself that is known here"),
            )),
        }
    })
    .await
}

pub(crate) async fn post(State(state): State<AppState>, _: Owner, headers: HeaderMap, body: Body) -> Response {
    answer(async {
        let request: PostRequest = read(&headers, body, r#"{"text": …, "root": …} or {"text": …, "broadcast": …}"#)?;
        let about = match (request.root, request.broadcast) {
            (None, None) => PostTarget::Nothing,
            (Some(root), None) => PostTarget::Post(root),
            (None, Some(broadcast)) => PostTarget::Broadcast(broadcast),
            (Some(_), Some(_)) => {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "name either root or broadcast, not both"));
            }
        };
        let post = state.ports.timeline.post(NewPost { text: request.text, about }).await.map_err(refuse)?;
        let view = views(&state, vec![post]).await?.pop();
        Ok((StatusCode::CREATED, fresh(view)).into_response())
    })
    .await
}

pub(crate) async fn vote(State(state): State<AppState>, _: Owner, headers: HeaderMap, body: Body) -> Response {
    answer(async {
        let request: VoteRequest = read(&headers, body, r#"{"post": …, "value": 1 or 0}"#)?;
        let vote = match request.value {
            0 => Vote::Withdrawn,
            1 => Vote::For,
            _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, "value must be 1, or 0 to take the vote back")),
        };
        state.ports.timeline.vote(request.post, vote).await.map_err(refuse)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Why a request gets nothing.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl std::fmt::Display) -> Self {
        Self { status, message: message.to_string() }
    }
}

async fn answer(work: impl Future<Output = Result<Response, Refusal>>) -> Response {
    work.await.unwrap_or_else(|refusal| json_error(refusal.status, refusal.message))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error))
}

fn page_request(query: Asked) -> Result<PageRequest, Refusal> {
    let expected = "expected ?before=NUMBER&limit=NUMBER: before is the next of another page, limit 1 to 100";
    let Ok(Query(PageQuery { before, limit })) = query else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, expected));
    };
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, expected));
    }
    Ok(PageRequest { before, limit })
}

/// A browser sends JSON to another origin only where that allows it, which this node does not.
fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body, expected: &str) -> Result<T, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send it as application/json"));
    }
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), "the request is too long or was cut off"))?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("expected {expected}: {error}")))
}

fn refuse(error: TimelineError) -> Refusal {
    let status = match error {
        TimelineError::UnknownPost(_) | TimelineError::UnknownBroadcast(_) => StatusCode::NOT_FOUND,
        TimelineError::Empty => StatusCode::BAD_REQUEST,
        TimelineError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        TimelineError::Refused(_) => StatusCode::CONFLICT,
        _ => {
            tracing::error!(%error, "the timeline does not work");
            return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the timeline cannot be read or written now");
        }
    };
    Refusal::new(status, error)
}

async fn page_view(state: &AppState, page: TimelinePage) -> Result<PageView, Refusal> {
    Ok(PageView { posts: views(state, page.posts).await?, next: page.next })
}

async fn views(state: &AppState, posts: Vec<Post>) -> Result<Vec<PostView>, Refusal> {
    post_view::render(state.ports.directory.clone(), posts)
        .await
        .ok_or_else(|| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the posts cannot be shown now"))
}
