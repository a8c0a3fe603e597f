//! `/admin/feeds`: whom this node follows and blocks.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use stream_model::{FeedId, FollowEntry, FollowError, Relation};

use super::field::Field;
use super::visitor::{Change, Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;
use crate::view::originals;

/// Feeds on the page, the nearest first: a browser on a phone bears no more, and 'meshstream feed list' has them all.
const MAX_SHOWN: usize = 500;

/// What the owner's page says of a feed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Relating {
    feed: String,
    relation: String,
    /// It was shown what is lost.
    sure: String,
}

/// Which feed is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Meant {
    feed: String,
}

/// Broadcasts named where their author is to be blocked.
const MAX_NAMED: usize = 10;

#[derive(Template)]
#[template(path = "admin/feeds.html")]
struct Feeds {
    t: Texts,
    page: Page,
    admin: Frame,
    entries: Vec<FollowEntry>,
    left_out: usize,
    feed: Field,
    failure: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/feed_block.html")]
struct Block {
    t: Texts,
    page: Page,
    admin: Frame,
    feed: FeedId,
    name: String,
    /// Titles of what goes with it.
    broadcasts: Vec<String>,
}

impl Feeds {
    fn followed(entry: &FollowEntry) -> bool {
        entry.relation == Relation::Following
    }

    fn blocked(entry: &FollowEntry) -> bool {
        entry.relation == Relation::Blocking
    }
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    page(owner, StatusCode::OK, Field::default()).await
}

pub(crate) async fn relate(Change { owner, fields }: Change<Relating>) -> Response {
    let t = owner.t();
    let text = fields.feed.trim();
    let Ok(feed) = text.parse::<FeedId>() else {
        let error = Field::wrong(text, t.get("owner-feed-wrong"));
        return page(owner, StatusCode::UNPROCESSABLE_ENTITY, error).await;
    };
    if fields.relation == "blocking" && fields.sure != "yes" {
        let feed = utf8_percent_encode(text, NON_ALPHANUMERIC);
        return Redirect::to(&format!("/admin/feeds/block?feed={feed}")).into_response();
    }
    let (relation, done) = match fields.relation.as_str() {
        "following" => (Relation::Following, t.get("owner-feed-followed")),
        "blocking" => (Relation::Blocking, t.get("owner-feed-blocked")),
        _ => (Relation::Neutral, t.get("owner-feed-neutral")),
    };
    match owner.state.ports.follows.relate(feed, relation).await {
        Ok(()) => owner.done("/admin/feeds", done.arg("feed", feed.to_string())),
        Err(FollowError::Own(_)) => {
            let error = Field::wrong(text, t.get("owner-feed-own"));
            page(owner, StatusCode::CONFLICT, error).await
        }
        Err(error @ FollowError::Refused(_)) => page(owner, StatusCode::CONFLICT, Field::wrong(text, error)).await,
        Err(error) => {
            let error = Field::wrong(text, owner.failure(&error));
            page(owner, StatusCode::INTERNAL_SERVER_ERROR, error).await
        }
    }
}

/// What is lost when a feed is blocked.
pub(crate) async fn confirm_block(Query(meant): Query<Meant>, owner: SignedIn) -> Response {
    let t = owner.t();
    let Ok(feed) = meant.feed.trim().parse::<FeedId>() else {
        let error = Field::wrong(meant.feed, t.get("owner-feed-wrong"));
        return page(owner, StatusCode::UNPROCESSABLE_ENTITY, error).await;
    };
    let ports = &owner.state.ports;
    let entries = ports.follows.list().await.unwrap_or_default();
    let name = entries.into_iter().find(|entry| entry.feed == feed).and_then(|entry| entry.name).unwrap_or_default();
    let listings = originals(&*ports.directory).filter(|listing| listing.author == feed);
    let broadcasts = listings.map(|listing| listing.title).take(MAX_NAMED).collect();
    let admin = owner.frame("feeds");
    owner.answer(StatusCode::OK, &Block { t, page: owner.page.clone(), admin, feed, name, broadcasts })
}

async fn page(owner: SignedIn, status: StatusCode, feed: Field) -> Response {
    let (mut entries, failure) = match owner.state.ports.follows.list().await {
        Ok(entries) => (entries, None),
        Err(error) => (Vec::new(), Some(owner.failure(&error))),
    };
    let left_out = entries.len().saturating_sub(MAX_SHOWN);
    entries.truncate(MAX_SHOWN);
    let admin = owner.frame("feeds");
    let feeds = Feeds { t: owner.t(), page: owner.page.clone(), admin, entries, left_out, feed, failure };
    owner.answer(status, &feeds)
}
