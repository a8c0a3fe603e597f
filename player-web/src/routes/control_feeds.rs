//! `/control/feeds`: whom this node follows and blocks, on the owner's unix socket only.

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stream_model::{FeedId, FollowError, Relation};

use super::json_error;
use crate::app::AppState;

/// What this node is to be, and is now, to a feed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Related {
    feed: FeedId,
    relation: Relation,
}

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/control/feeds", get(list).post(relate))
}

async fn list(State(state): State<AppState>) -> Response {
    state.ports.follows.list().await.map_or_else(|error| refuse(&error), |entries| Json(entries).into_response())
}

async fn relate(State(state): State<AppState>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return json_error(rejection.status(), "the request is too long or was cut off"),
    };
    match serde_json::from_slice::<Related>(&body) {
        Ok(related) => match state.ports.follows.relate(related.feed, related.relation).await {
            Ok(()) => Json(related).into_response(),
            Err(error) => refuse(&error),
        },
        Err(error) => {
            let expected = r#"{"feed": "@….ed25519", "relation": "following", "blocking" or "neutral"}"#;
            json_error(StatusCode::BAD_REQUEST, format!("expected {expected}: {error}"))
        }
    }
}

fn refuse(error: &FollowError) -> Response {
    let status = match error {
        FollowError::Own(_) | FollowError::Refused(_) => StatusCode::CONFLICT,
        _ => {
            tracing::error!(%error, "the follow graph cannot be managed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    json_error(status, error)
}
