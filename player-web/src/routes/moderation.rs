//! `/control/hidden`: what is not shown on this node, on the owner's unix socket only.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Extension, Json, Router};
use stream_model::{BroadcastId, Moderation, ModerationError};

use super::{json_error, read_id};

type Owner = Extension<Arc<dyn Moderation>>;

/// The paths of moderation.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(moderation: Arc<dyn Moderation>) -> Router<S> {
    Router::new()
        .route("/control/hidden", get(list))
        .route("/control/hidden/{message}", put(hide).delete(unhide))
        .layer(Extension(moderation))
}

async fn list(Extension(moderation): Owner) -> Response {
    Json(moderation.hidden()).into_response()
}

/// A message is named as a broadcast is: by its key, or by the slug of that.
async fn hide(Extension(moderation): Owner, Path(message): Path<String>) -> Response {
    match read_id::<BroadcastId>(&message) {
        Ok(message) => moderation
            .hide(message.0)
            .await
            .map_or_else(|error| refuse(&error), |()| StatusCode::NO_CONTENT.into_response()),
        Err(refused) => refused.into_response(),
    }
}

async fn unhide(Extension(moderation): Owner, Path(message): Path<String>) -> Response {
    match read_id::<BroadcastId>(&message) {
        Ok(message) => match moderation.unhide(message.0).await {
            Ok(true) => StatusCode::NO_CONTENT.into_response(),
            Ok(false) => json_error(StatusCode::NOT_FOUND, format!("{message} is not hidden here")),
            Err(error) => refuse(&error),
        },
        Err(refused) => refused.into_response(),
    }
}

fn refuse(error: &ModerationError) -> Response {
    let status = match error {
        ModerationError::TooMany(_) => StatusCode::INSUFFICIENT_STORAGE,
        _ => {
            tracing::error!(%error, "what is hidden cannot be changed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    json_error(status, error)
}
