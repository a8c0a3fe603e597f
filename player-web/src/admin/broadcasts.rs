//! `/admin/broadcasts`: what is on the air, what is planned, what was, and what is held of others.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use stream_model::{Scheduled, StreamName};

use super::visitor::{Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;
use crate::view::{BroadcastView, originals};

/// Broadcasts on the page, the newest first.
const MAX_SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "admin/broadcasts.html")]
struct Broadcasts {
    t: Texts,
    page: Page,
    admin: Frame,
    planned: Vec<Scheduled>,
    streams: Vec<Stream>,
    failure: Option<String>,
    live: Vec<BroadcastView>,
    ended: Vec<BroadcastView>,
    others: Vec<BroadcastView>,
}

/// A stream name that has a key.
struct Stream {
    name: StreamName,
    /// Somebody publishes under it now.
    on_air: bool,
    /// Its publisher is refused, because the owner ended its broadcast.
    refused: bool,
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    let ports = &owner.state.ports;
    let view = |listing: stream_model::Listing| {
        BroadcastView::new(listing.clone(), &ports.standings.standing(&listing.id), &*ports.playlists)
    };
    let views: Vec<BroadcastView> = originals(&*ports.directory).map(view).collect();
    let (own, others): (Vec<_>, Vec<_>) = views.into_iter().partition(|broadcast| broadcast.own);
    let (live, mut ended): (Vec<_>, Vec<_>) = own.into_iter().partition(BroadcastView::live);
    ended.truncate(MAX_SHOWN);
    let here = |broadcast: &BroadcastView| broadcast.live() || broadcast.held_segments > 0;
    let others = others.into_iter().filter(here).take(MAX_SHOWN).collect();
    let planned = ports.directory.upcoming().into_iter().filter(|planned| planned.own).collect();
    let (streams, failure) = match streams(&owner).await {
        Ok(streams) => (streams, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("broadcasts"));
    let broadcasts = Broadcasts { t, page, admin, planned, streams, failure, live, ended, others };
    owner.answer(StatusCode::OK, &broadcasts)
}

async fn streams(owner: &SignedIn) -> Result<Vec<Stream>, String> {
    let publishing = owner.state.ports.status.report().await.publishing;
    let refused = owner.ports.programme.refused();
    let keys = owner.ports.keys.list().await.map_err(|error| owner.failure(&error))?;
    let stream = |name: StreamName| Stream {
        on_air: publishing.iter().any(|one| one.name == name),
        refused: refused.contains(&name),
        name,
    };
    Ok(keys.into_iter().map(|key| stream(key.name)).collect())
}
