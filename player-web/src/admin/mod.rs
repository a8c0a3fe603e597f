//! The owner's pages below `/admin`, and who gets to see them.
//!
//! Comes in: requests of browsers that have entered ([`OwnerAccess`]), and forms that carry their session's secret. Goes
//! out: pages that work without scripts, and calls of the ports that do what the owner asks ([`OwnerPorts`]). Nothing here
//! changes anything on a `GET`, trusts a page of another origin, or is kept by a cache.

mod access;
mod bytes;
mod enter;
mod feeds;
mod field;
mod keys;
mod overview;
mod sessions;
mod visitor;

use std::fmt;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Extension, Router};
use stream_model::{ArchiveKeeper, KeepPolicies, StreamKeys};

pub use access::OwnerAccess;
pub(crate) use sessions::{ChangeRefused, LINK_LIFETIME};

use crate::app::AppState;

/// Most bytes of a form: the longest description or post, every character of it escaped.
const MAX_FORM_BYTES: usize = 96 * 1024;

/// What the owner's pages ask for besides what everybody's do.
#[derive(Clone)]
pub struct OwnerPorts {
    /// Stream keys.
    pub keys: Arc<dyn StreamKeys>,
    /// How long broadcasts stay.
    pub policies: Arc<dyn KeepPolicies>,
    /// Mirrors, republications and withdrawals.
    pub keeper: Arc<dyn ArchiveKeeper>,
}

impl fmt::Debug for OwnerPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerPorts").finish_non_exhaustive()
    }
}

/// The paths of the owner's pages.
pub(crate) fn routes(ports: OwnerPorts) -> Router<AppState> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/enter", get(enter::show).post(enter::enter))
        .route("/admin/leave", post(enter::leave))
        .route("/admin/keys", get(keys::show).post(keys::add))
        .route("/admin/keys/{name}/revoke", get(keys::confirm_revoke).post(keys::revoke))
        .route("/admin/keys/{name}/archive", post(keys::archive))
        .route("/admin/feeds", get(feeds::show).post(feeds::relate))
        .route("/admin/feeds/block", get(feeds::confirm_block))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(Extension(ports))
}
