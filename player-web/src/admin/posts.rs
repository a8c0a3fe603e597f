//! `/admin/posts`: writing as the node: posts, comments and replies.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{BroadcastId, NewPost, PageRequest, Post, PostTarget, TimelineError};

use super::field::{Field, lines};
use super::visitor::{Change, Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;

/// Posts on the page, the newest first.
const SHOWN: usize = 20;

/// Characters of a post that tell it from others.
const EXCERPT_CHARS: usize = 280;

/// Where posts are.
const POSTS: &str = "/admin/posts";

/// What a post answers, as an address or a form says it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Writing {
    text: String,
    broadcast: String,
    root: String,
}

impl Writing {
    /// Nothing else, where it names something that cannot be.
    fn target(&self) -> PostTarget {
        let key = |text: &str| text.parse::<BroadcastId>().ok();
        match (key(&self.broadcast), key(&self.root)) {
            (Some(broadcast), _) => PostTarget::Broadcast(broadcast),
            (None, Some(root)) => PostTarget::Post(root.0),
            (None, None) => PostTarget::Nothing,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/posts.html")]
struct Posts {
    t: Texts,
    page: Page,
    admin: Frame,
    text: Field,
    target: PostTarget,
    /// What is answered: a title, or the beginning of a post.
    about: Option<String>,
    posts: Vec<Shown>,
    failure: Option<String>,
}

/// A post, and whether it is hidden here.
struct Shown {
    post: Post,
    slug: String,
    hidden: bool,
}

pub(crate) async fn show(Query(writing): Query<Writing>, owner: SignedIn) -> Response {
    let (text, target) = (Field::new(&*writing.text), writing.target());
    page(owner, StatusCode::OK, text, target).await
}

pub(crate) async fn add(Change { owner, fields }: Change<Writing>) -> Response {
    let (t, about, text) = (owner.t(), fields.target(), lines(&fields.text));
    let error = match owner.state.ports.timeline.post(NewPost { text: text.clone(), about }).await {
        Ok(_) => {
            let back = match about {
                PostTarget::Broadcast(broadcast) => format!("/admin/broadcasts/{}", broadcast.slug()),
                PostTarget::Post(_) | PostTarget::Nothing => POSTS.to_owned(),
            };
            return owner.done(&back, t.get("owner-posted"));
        }
        Err(error) => error,
    };
    let (status, why) = match &error {
        TimelineError::Empty => (StatusCode::UNPROCESSABLE_ENTITY, t.get("owner-post-empty").to_string()),
        TimelineError::TooLong => (StatusCode::UNPROCESSABLE_ENTITY, t.get("owner-post-long").to_string()),
        TimelineError::UnknownPost(_) | TimelineError::UnknownBroadcast(_) => {
            (StatusCode::NOT_FOUND, t.get("owner-message-unknown").to_string())
        }
        TimelineError::Refused(why) => (StatusCode::CONFLICT, why.clone()),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, owner.failure(&error)),
    };
    page(owner, status, Field::wrong(text, why), about).await
}

async fn page(owner: SignedIn, status: StatusCode, text: Field, target: PostTarget) -> Response {
    let ports = &owner.state.ports;
    let excerpt = |text: &str| text.chars().take(EXCERPT_CHARS).collect();
    let about = match target {
        PostTarget::Nothing => None,
        PostTarget::Broadcast(broadcast) => ports.directory.listing(&broadcast).map(|listing| listing.title),
        PostTarget::Post(key) => ports.timeline.find(key).await.ok().flatten().map(|post| excerpt(&post.text)),
    };
    let shown = |mut post: Post| {
        post.text = excerpt(&post.text);
        Shown { slug: post.key.slug(), hidden: owner.ports.moderation.hides(&post.key), post }
    };
    let (posts, failure) = match ports.timeline.newest(PageRequest { before: None, limit: SHOWN }).await {
        Ok(page) => (page.posts.into_iter().map(shown).collect(), None),
        Err(error) => (Vec::new(), Some(owner.failure(&error))),
    };
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("posts"));
    owner.answer(status, &Posts { t, page, admin, text, target, about, posts, failure })
}
