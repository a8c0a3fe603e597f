//! The owner's pages below `/admin`, and who gets to see them.
//!
//! Comes in: requests of browsers that have entered ([`OwnerAccess`]), and forms that carry their session's secret. Goes
//! out: pages that work without scripts, and calls of the ports that do what the owner asks
//! ([`OwnerPorts`]). Nothing here changes anything on a `GET`, trusts a page of another origin, or is kept by a cache.

mod access;
mod broadcast;
mod broadcasts;
mod camera;
mod cameras;
mod community;
mod enter;
mod feeds;
mod field;
mod keys;
mod logs;
mod moderation;
mod overview;
mod posts;
mod schedule;
mod sessions;
mod settings;
mod storage;
mod stream;
pub(crate) mod visitor;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Extension, Router};

pub use access::OwnerAccess;
pub(crate) use sessions::{ChangeRefused, LINK_LIFETIME};

use crate::OwnerPorts;
use crate::app::AppState;

/// Most bytes of a form: the longest post, every character of it escaped.
const MAX_FORM_BYTES: usize = 96 * 1024;

/// The paths of the owner's pages.
pub(crate) fn routes(ports: OwnerPorts) -> Router<AppState> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/enter", get(enter::show).post(enter::enter))
        .route("/admin/leave", post(enter::leave))
        .route("/admin/keys", get(keys::show).post(keys::add))
        .route("/admin/keys/{name}/revoke", get(keys::confirm_revoke).post(keys::revoke))
        .route("/admin/keys/{name}/archive", post(keys::archive))
        .route("/admin/streams/{name}", get(stream::show).post(stream::set))
        .route("/admin/streams/{name}/admit", post(stream::admit))
        .route("/admin/cameras", get(cameras::show))
        .route("/admin/camera", get(camera::add).post(camera::create))
        .route("/admin/cameras/{name}", get(camera::show).post(camera::change))
        .route("/admin/cameras/{name}/switch", post(cameras::switch))
        .route("/admin/cameras/{name}/remove", get(cameras::confirm_remove).post(cameras::remove))
        .route("/admin/broadcasts", get(broadcasts::show))
        .route("/admin/broadcasts/{broadcast}", get(broadcast::show).post(broadcast::update))
        .route("/admin/broadcasts/{broadcast}/end", get(broadcast::confirm_end).post(broadcast::end))
        .route("/admin/broadcasts/{broadcast}/keep", post(broadcast::keep))
        .route("/admin/broadcasts/{broadcast}/delete", get(broadcast::confirm_delete).post(broadcast::delete))
        .route("/admin/broadcasts/{broadcast}/mirror", post(broadcast::mirror))
        .route("/admin/broadcasts/{broadcast}/republish", post(broadcast::republish))
        .route("/admin/broadcasts/{broadcast}/withdraw", get(broadcast::confirm_withdraw).post(broadcast::withdraw))
        .route("/admin/planned", get(schedule::plan).post(schedule::add))
        .route("/admin/planned/{schedule}", get(schedule::edit).post(schedule::change))
        .route("/admin/planned/{schedule}/cancel", get(schedule::confirm_cancel).post(schedule::cancel))
        .route("/admin/feeds", get(feeds::show).post(feeds::relate))
        .route("/admin/feeds/block", get(feeds::confirm_block))
        .route("/admin/posts", get(posts::show).post(posts::add))
        .route("/admin/hidden", get(moderation::show))
        .route("/admin/hidden/{message}", get(moderation::confirm).post(moderation::set))
        .route("/admin/storage", get(storage::show))
        .route("/admin/community", get(community::show))
        .route("/admin/settings", get(settings::show).post(settings::set))
        .route("/admin/logs", get(logs::show))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(Extension(ports))
}
