//! `/admin/hidden`: comments and broadcasts that this node does not show.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{BroadcastId, MessageKey, ModerationError};

use super::visitor::{Change, Frame, SignedIn, local};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;
use crate::view::utc;

/// Where what is hidden is listed.
const HIDDEN: &str = "/admin/hidden";

/// Messages on the page, the latest first.
const MAX_SHOWN: usize = 200;

/// Characters of a post that tell it from others.
const EXCERPT_CHARS: usize = 280;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Way {
    back: String,
}

/// What is to become of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hiding {
    hide: String,
    back: String,
}

/// A message as the owner tells it from others.
struct Message {
    slug: String,
    /// What it says; nothing where it is not known here.
    text: Option<String>,
    author: Option<String>,
    broadcast: bool,
    since: String,
}

#[derive(Template)]
#[template(path = "admin/hidden.html")]
struct AllHidden {
    t: Texts,
    page: Page,
    admin: Frame,
    hidden: Vec<Message>,
    left_out: usize,
}

#[derive(Template)]
#[template(path = "admin/hide.html")]
struct Hide {
    t: Texts,
    page: Page,
    admin: Frame,
    message: Message,
    hidden: bool,
    back: String,
    failure: Option<String>,
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    let all = owner.ports.moderation.hidden();
    let left_out = all.len().saturating_sub(MAX_SHOWN);
    let mut hidden = Vec::new();
    for one in all.into_iter().take(MAX_SHOWN) {
        hidden.push(Message { since: utc(one.since), ..message(&owner, one.message).await });
    }
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("hidden"));
    owner.answer(StatusCode::OK, &AllHidden { t, page, admin, hidden, left_out })
}

/// One message, to be hidden or shown again: where the links beside comments and broadcasts lead.
pub(crate) async fn confirm(Path(message): Path<String>, Query(way): Query<Way>, owner: SignedIn) -> Response {
    let Some(key) = key(&message) else { return owner.done(HIDDEN, owner.t().get("owner-message-unknown")) };
    ask(owner, StatusCode::OK, key, &way.back, None).await
}

pub(crate) async fn set(Path(message): Path<String>, Change { owner, fields }: Change<Hiding>) -> Response {
    let t = owner.t();
    let Some(key) = key(&message) else { return owner.done(HIDDEN, t.get("owner-message-unknown")) };
    let moderation = &owner.ports.moderation;
    let (result, done) = if fields.hide == "yes" {
        (moderation.hide(key).await, t.get("owner-hidden-now"))
    } else {
        (moderation.unhide(key).await.map(drop), t.get("owner-shown-now"))
    };
    match result {
        Ok(()) => owner.done(local(&fields.back).unwrap_or(HIDDEN), done),
        Err(ModerationError::TooMany(most)) => {
            let failure = t.get("owner-hidden-too-many").arg("most", most).to_string();
            ask(owner, StatusCode::CONFLICT, key, &fields.back, Some(failure)).await
        }
        Err(error) => {
            let failure = owner.failure(&error);
            ask(owner, StatusCode::INTERNAL_SERVER_ERROR, key, &fields.back, Some(failure)).await
        }
    }
}

/// In paths a message is written as a broadcast is: its key, or that in base64url.
fn key(message: &str) -> Option<MessageKey> {
    message.parse::<BroadcastId>().ok().map(|id| id.0)
}

async fn ask(owner: SignedIn, status: StatusCode, key: MessageKey, back: &str, failure: Option<String>) -> Response {
    let hide = Hide {
        t: owner.t(),
        page: owner.page.clone(),
        admin: owner.frame("hidden"),
        message: message(&owner, key).await,
        hidden: owner.ports.moderation.hides(&key),
        back: local(back).unwrap_or(HIDDEN).to_owned(),
        failure,
    };
    owner.answer(status, &hide)
}

/// What is known of a message.
async fn message(owner: &SignedIn, key: MessageKey) -> Message {
    let slug = key.slug();
    let ports = &owner.state.ports;
    if let Some(listing) = ports.directory.listing(&BroadcastId(key)) {
        let (text, author) = (Some(listing.title), Some(listing.author.to_string()));
        return Message { slug, text, author, broadcast: true, since: String::new() };
    }
    // A post that cannot be read is as good as one that is not known: it can be shown again all the same.
    let post = ports.timeline.find(key).await.ok().flatten();
    let author = post.as_ref().map(|post| post.author.name.clone().unwrap_or_else(|| post.author.feed.to_string()));
    let text = post.map(|post| post.text.chars().take(EXCERPT_CHARS).collect());
    Message { slug, text, author, broadcast: false, since: String::new() }
}
