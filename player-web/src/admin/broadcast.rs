//! `/admin/broadcasts/{broadcast}`: one broadcast, and what its owner or keeper does with it.

use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{
    BroadcastId, KeepPolicy, KeepPolicyError, KeeperError, MirrorEntry, OwnCopy, PageRequest, Post, ProgrammeError,
};

use super::field::{Field, lines};
use super::visitor::{Change, Frame, NoFields, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;
use crate::view::BroadcastView;

/// Comments on the page, the newest first.
const COMMENTS: usize = 50;

/// Longest time after which a broadcast may be dropped: ten years, in days.
const MAX_DAYS: u64 = 3_650;

const DAY_S: u64 = 86_400;

/// Where broadcasts are.
const BROADCASTS: &str = "/admin/broadcasts";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Texted {
    title: String,
    description: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Keeping {
    policy: String,
    days: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Mirroring {
    mirror: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Crediting {
    credit: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Withdrawing {
    reason: String,
    copy: String,
}

/// What was typed into the forms of the page, where something is wrong with it.
#[derive(Debug, Default)]
struct Typed {
    texts: Option<(Field, Field)>,
    days: Field,
    credit: Field,
    /// What is wrong with all else.
    failure: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/broadcast.html")]
struct Broadcast {
    t: Texts,
    page: Page,
    admin: Frame,
    broadcast: BroadcastView,
    title: Field,
    description: Field,
    policy: &'static str,
    days: Field,
    mirror: Option<MirrorEntry>,
    credit: Field,
    hidden: bool,
    comments: Vec<Comment>,
    failure: Option<String>,
}

/// A comment, and whether it is hidden here.
struct Comment {
    post: Post,
    slug: String,
    hidden: bool,
}

/// A question before something is lost.
#[derive(Template)]
#[template(path = "admin/broadcast_sure.html")]
struct Sure {
    t: Texts,
    page: Page,
    admin: Frame,
    broadcast: BroadcastView,
    what: What,
    reason: Field,
    failure: Option<String>,
}

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    End,
    Delete,
    Withdraw,
}

pub(crate) async fn show(Path(broadcast): Path<String>, owner: SignedIn) -> Response {
    page(owner, &broadcast, StatusCode::OK, Typed::default()).await
}

pub(crate) async fn update(Path(broadcast): Path<String>, change: Change<Texted>) -> Response {
    let Change { owner, fields } = change;
    let Some(id) = known(&owner, &broadcast) else { return gone(&owner) };
    let t = owner.t();
    let (title, description) = (fields.title.trim().to_owned(), lines(&fields.description));
    let error = match owner.ports.programme.update(id, title.clone(), description.clone()).await {
        Ok(()) => return owner.done(&path(id), t.get("owner-broadcast-updated")),
        Err(error) => error,
    };
    let (mut title, mut description) = (Field::new(title), Field::new(description));
    let (status, text) = programme_text(&owner, &error);
    match error {
        ProgrammeError::NoTitle | ProgrammeError::TooLong("title") => title.error = Some(text),
        ProgrammeError::TooLong(_) => description.error = Some(text),
        _ => {
            let typed = Typed { texts: Some((title, description)), failure: Some(text), ..Typed::default() };
            return page(owner, &broadcast, status, typed).await;
        }
    }
    page(owner, &broadcast, status, Typed { texts: Some((title, description)), ..Typed::default() }).await
}

pub(crate) async fn confirm_end(Path(broadcast): Path<String>, owner: SignedIn) -> Response {
    sure(owner, &broadcast, StatusCode::OK, What::End, Field::default(), None)
}

pub(crate) async fn end(Path(broadcast): Path<String>, Change { owner, .. }: Change<NoFields>) -> Response {
    let Some(id) = known(&owner, &broadcast) else { return gone(&owner) };
    match owner.ports.programme.end(id).await {
        Ok(()) => owner.done(&path(id), owner.t().get("owner-broadcast-ended")),
        Err(error) => {
            let (status, text) = programme_text(&owner, &error);
            sure(owner, &broadcast, status, What::End, Field::default(), Some(text))
        }
    }
}

pub(crate) async fn keep(Path(broadcast): Path<String>, change: Change<Keeping>) -> Response {
    let Change { owner, fields } = change;
    let Some(id) = known(&owner, &broadcast) else { return gone(&owner) };
    let t = owner.t();
    let days = fields.days.trim().parse::<u64>().ok().filter(|days| (1..=MAX_DAYS).contains(days));
    let policy = match (fields.policy.as_str(), days) {
        ("keep", _) => KeepPolicy::Keep,
        ("drop", Some(days)) => KeepPolicy::DropAfter(Duration::from_secs(days * DAY_S)),
        ("drop", None) => {
            let days = Field::wrong(fields.days, t.get("owner-keep-days-wrong").arg("most", MAX_DAYS));
            return page(owner, &broadcast, StatusCode::UNPROCESSABLE_ENTITY, Typed { days, ..Typed::default() }).await;
        }
        _ => KeepPolicy::Default,
    };
    match owner.ports.policies.set_policy(id, policy).await {
        Ok(()) => owner.done(&path(id), t.get("owner-keep-set")),
        Err(error) => {
            let (status, failure) = policy_text(&owner, &error);
            page(owner, &broadcast, status, Typed { failure: Some(failure), ..Typed::default() }).await
        }
    }
}

pub(crate) async fn confirm_delete(Path(broadcast): Path<String>, owner: SignedIn) -> Response {
    sure(owner, &broadcast, StatusCode::OK, What::Delete, Field::default(), None)
}

/// What is mirrored would come back: its mirror ends with it.
pub(crate) async fn delete(Path(broadcast): Path<String>, Change { owner, .. }: Change<NoFields>) -> Response {
    let Some(id) = known(&owner, &broadcast) else { return gone(&owner) };
    match owner.ports.policies.set_policy(id, KeepPolicy::DropAfter(Duration::ZERO)).await {
        Ok(()) => owner.done(BROADCASTS, owner.t().get("owner-broadcast-deleted")),
        Err(error) => {
            let (status, text) = policy_text(&owner, &error);
            sure(owner, &broadcast, status, What::Delete, Field::default(), Some(text))
        }
    }
}

pub(crate) async fn mirror(Path(broadcast): Path<String>, change: Change<Mirroring>) -> Response {
    let Change { owner, fields } = change;
    let Some(id) = known(&owner, &broadcast) else { return gone(&owner) };
    let (t, keeper) = (owner.t(), &owner.ports.keeper);
    let (result, done) = if fields.mirror == "no" {
        (keeper.unmirror(id).await, t.get("owner-mirror-ended"))
    } else {
        (keeper.mirror(id).await, t.get("owner-mirror-begun"))
    };
    match result {
        Ok(()) => owner.done(&path(id), done),
        Err(error) => {
            let (status, failure) = keeper_text(&owner, &error);
            page(owner, &broadcast, status, Typed { failure: Some(failure), ..Typed::default() }).await
        }
    }
}

pub(crate) async fn republish(Path(broadcast): Path<String>, change: Change<Crediting>) -> Response {
    let Change { owner, fields } = change;
    let Some(id) = known(&owner, &broadcast) else { return gone(&owner) };
    let credit = lines(&fields.credit);
    match owner.ports.keeper.republish(id, credit.clone()).await {
        Ok(_) => owner.done(&path(id), owner.t().get("owner-republished")),
        Err(error) => {
            let (status, text) = keeper_text(&owner, &error);
            page(owner, &broadcast, status, Typed { credit: Field::wrong(credit, text), ..Typed::default() }).await
        }
    }
}

pub(crate) async fn confirm_withdraw(Path(broadcast): Path<String>, owner: SignedIn) -> Response {
    sure(owner, &broadcast, StatusCode::OK, What::Withdraw, Field::default(), None)
}

pub(crate) async fn withdraw(Path(broadcast): Path<String>, change: Change<Withdrawing>) -> Response {
    let Change { owner, fields } = change;
    let Some(id) = known(&owner, &broadcast) else { return gone(&owner) };
    let reason = lines(&fields.reason);
    let copy = if fields.copy == "remove" { OwnCopy::Remove } else { OwnCopy::Keep };
    match owner.ports.keeper.withdraw(id, reason.clone(), copy).await {
        Ok(()) => owner.done(&path(id), owner.t().get("owner-withdrawn")),
        Err(error) => {
            let (status, text) = keeper_text(&owner, &error);
            sure(owner, &broadcast, status, What::Withdraw, Field::wrong(reason, text), None)
        }
    }
}

fn path(broadcast: BroadcastId) -> String {
    format!("{BROADCASTS}/{}", broadcast.slug())
}

/// A broadcast by its name in URLs, where it is known here.
fn known(owner: &SignedIn, broadcast: &str) -> Option<BroadcastId> {
    let id = broadcast.parse().ok()?;
    owner.state.ports.directory.listing(&id).map(|_| id)
}

fn gone(owner: &SignedIn) -> Response {
    owner.done(BROADCASTS, owner.t().get("owner-broadcast-unknown"))
}

fn view(owner: &SignedIn, id: BroadcastId) -> Option<BroadcastView> {
    let ports = &owner.state.ports;
    let listing = ports.directory.listing(&id)?;
    Some(BroadcastView::new(listing, &ports.standings.standing(&id), &*ports.playlists))
}

async fn page(owner: SignedIn, broadcast: &str, status: StatusCode, typed: Typed) -> Response {
    let Some(id) = known(&owner, broadcast) else { return gone(&owner) };
    let Some(broadcast) = view(&owner, id) else { return gone(&owner) };
    let Typed { texts, mut days, credit, mut failure } = typed;
    let texts = texts.unwrap_or_else(|| (Field::new(&*broadcast.title), Field::new(&*broadcast.description)));
    let policies = match owner.ports.policies.policies().await {
        Ok(policies) => policies,
        Err(error) => {
            failure.get_or_insert_with(|| owner.failure(&error));
            Vec::new()
        }
    };
    let wanted = policies.into_iter().find(|kept| kept.broadcast == id).map(|kept| kept.policy).unwrap_or_default();
    let policy = match wanted {
        _ if days.error.is_some() => "drop",
        KeepPolicy::Default => "default",
        KeepPolicy::Keep => "keep",
        KeepPolicy::DropAfter(age) => {
            days.value = age.as_secs().div_ceil(DAY_S).to_string();
            "drop"
        }
    };
    let mirror = owner.ports.keeper.mirrors().into_iter().find(|mirror| mirror.broadcast == id);
    let comments = comments(&owner, id, &mut failure).await;
    let page = Broadcast {
        t: owner.t(),
        page: owner.page.clone(),
        admin: owner.frame("broadcasts"),
        broadcast,
        title: texts.0,
        description: texts.1,
        policy,
        days,
        mirror,
        credit,
        hidden: owner.ports.moderation.hides(&id.0),
        comments,
        failure,
    };
    owner.answer(status, &page)
}

async fn comments(owner: &SignedIn, id: BroadcastId, failure: &mut Option<String>) -> Vec<Comment> {
    let comment = |post: Post| Comment { slug: post.key.slug(), hidden: owner.ports.moderation.hides(&post.key), post };
    match owner.state.ports.timeline.comments(id, PageRequest { before: None, limit: COMMENTS }).await {
        Ok(page) => page.posts.into_iter().map(comment).collect(),
        Err(error) => {
            failure.get_or_insert_with(|| owner.failure(&error));
            Vec::new()
        }
    }
}

fn sure(
    owner: SignedIn,
    broadcast: &str,
    status: StatusCode,
    what: What,
    reason: Field,
    failure: Option<String>,
) -> Response {
    let Some(broadcast) = broadcast.parse().ok().and_then(|id| view(&owner, id)) else { return gone(&owner) };
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("broadcasts"));
    owner.answer(status, &Sure { t, page, admin, broadcast, what, reason, failure })
}

/// Why the programme is not changed, and what to do.
pub(super) fn programme_text(owner: &SignedIn, error: &ProgrammeError) -> (StatusCode, String) {
    let t = owner.t();
    let (status, text) = match error {
        ProgrammeError::NoTitle => (StatusCode::UNPROCESSABLE_ENTITY, t.get("owner-title-empty")),
        ProgrammeError::TooLong("title") => (StatusCode::UNPROCESSABLE_ENTITY, t.get("owner-title-long")),
        ProgrammeError::TooLong(_) => (StatusCode::UNPROCESSABLE_ENTITY, t.get("owner-description-long")),
        ProgrammeError::UnknownSchedule(_) => (StatusCode::NOT_FOUND, t.get("owner-planned-gone")),
        ProgrammeError::TooMany => (StatusCode::CONFLICT, t.get("owner-planned-too-many")),
        ProgrammeError::NoKey(_) => (StatusCode::NOT_FOUND, t.get("owner-key-gone")),
        ProgrammeError::UnknownBroadcast(_) => (StatusCode::NOT_FOUND, t.get("owner-broadcast-unknown")),
        ProgrammeError::NotOwn(_) => (StatusCode::CONFLICT, t.get("owner-not-own")),
        ProgrammeError::Over(_) => (StatusCode::CONFLICT, t.get("owner-broadcast-over")),
        _ => return (StatusCode::INTERNAL_SERVER_ERROR, owner.failure(error)),
    };
    (status, text.to_string())
}

fn policy_text(owner: &SignedIn, error: &KeepPolicyError) -> (StatusCode, String) {
    match error {
        KeepPolicyError::Unfinished(_) => (StatusCode::CONFLICT, owner.t().get("owner-keep-unfinished").to_string()),
        KeepPolicyError::TooMany(most) => {
            (StatusCode::CONFLICT, owner.t().get("owner-keep-too-many").arg("most", *most).to_string())
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, owner.failure(error)),
    }
}

fn keeper_text(owner: &SignedIn, error: &KeeperError) -> (StatusCode, String) {
    let t = owner.t();
    let text = match error {
        KeeperError::Unknown(_) => t.get("owner-broadcast-unknown"),
        KeeperError::Own(_) => t.get("owner-mirror-own"),
        KeeperError::NotOwn(_) => t.get("owner-not-own"),
        KeeperError::NotToBeKept(_) => t.get("owner-not-to-be-kept"),
        KeeperError::Withdrawn(_) => t.get("owner-was-withdrawn"),
        KeeperError::Live(_) => t.get("owner-still-live"),
        KeeperError::NothingHeld(_) => t.get("owner-nothing-held"),
        KeeperError::NotRunning(..) => t.get("owner-mirror-not-running"),
        KeeperError::TooMany(_) => t.get("owner-mirror-too-many"),
        KeeperError::Announce(stream_model::AnnounceError::TooLong(_)) => t.get("owner-reason-long"),
        _ => return (StatusCode::INTERNAL_SERVER_ERROR, owner.failure(error)),
    };
    (StatusCode::CONFLICT, text.to_string())
}
