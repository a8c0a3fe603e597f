//! `/control/keys`: stream keys, on the owner's unix socket only.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use stream_model::{KeyError, StreamKeys, StreamName};

use super::json_error;
use crate::app::AppState;

/// Content of a request for a new key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: StreamName,
    /// Whether what is published with it is kept; left out: as the node does it.
    archive: Option<bool>,
}

type Keys = Extension<Arc<dyn StreamKeys>>;

pub(crate) fn routes(keys: Arc<dyn StreamKeys>) -> Router<AppState> {
    Router::new()
        .route("/control/keys", get(list).post(add))
        .route("/control/keys/{name}", delete(revoke))
        .layer(Extension(keys))
}

async fn list(Extension(keys): Keys) -> Response {
    keys.list().await.map_or_else(|error| refuse(&error), |entries| Json(entries).into_response())
}

async fn add(Extension(keys): Keys, body: Result<Bytes, axum::extract::rejection::BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return json_error(rejection.status(), "the request is too long or was cut off"),
    };
    match serde_json::from_slice::<NewKey>(&body) {
        Ok(NewKey { name, archive }) => {
            let made = async {
                let key = keys.add(name.clone()).await?;
                if archive.is_some() {
                    keys.set_archive(name, archive).await?;
                }
                Ok(key)
            };
            made.await.map_or_else(|error| refuse(&error), |key| (StatusCode::CREATED, Json(key)).into_response())
        }
        Err(error) => json_error(StatusCode::BAD_REQUEST, format!("expected {{\"name\": …}}: {error}")),
    }
}

async fn revoke(Extension(keys): Keys, Path(name): Path<String>) -> Response {
    match name.parse::<StreamName>() {
        Ok(name) => {
            keys.revoke(name).await.map_or_else(|error| refuse(&error), |()| StatusCode::NO_CONTENT.into_response())
        }
        Err(error) => json_error(StatusCode::BAD_REQUEST, error),
    }
}

fn refuse(error: &KeyError) -> Response {
    let status = match error {
        KeyError::Exists(_) => StatusCode::CONFLICT,
        KeyError::NotFound(_) => StatusCode::NOT_FOUND,
        _ => {
            tracing::error!(%error, "stream keys cannot be managed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    json_error(status, error)
}
