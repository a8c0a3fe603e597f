//! `/control/settings` and `/control/logs`: what the owner sets, and the last lines of the log, on the owner's unix socket only.

use std::sync::Arc;

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use stream_model::{LogBook, LogLevel, LogQuery, Setting, Settings, SettingsError};

use super::{json_error, read_json};

/// Lines of the log where nothing else is asked for, and at most.
const DEFAULT_LINES: usize = 100;
const MAX_LINES: usize = 5_000;

type Owner = Extension<Arc<dyn Settings>>;

/// The paths of settings and the log.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    settings: Arc<dyn Settings>,
    log_book: Arc<dyn LogBook>,
) -> Router<S> {
    Router::new()
        .route("/control/settings", get(list))
        .route("/control/settings/{key}", put(set).delete(unset))
        .route("/control/logs", get(logs))
        .layer(Extension(settings))
        .layer(Extension(log_book))
}

/// A value as it is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    value: String,
}

/// Which lines are asked for.
#[derive(Debug, Deserialize)]
struct Lines {
    level: Option<LogLevel>,
    before: Option<u64>,
    limit: Option<usize>,
}

async fn list(Extension(settings): Owner) -> Response {
    settings.list().await.map_or_else(|error| refuse(&error), |all| Json(all).into_response())
}

async fn set(Extension(settings): Owner, Path(key): Path<String>, body: Result<Bytes, BytesRejection>) -> Response {
    match read_json::<Value>(body, r#"{"value": "10GiB"}"#) {
        Ok(Value { value }) => changed(settings.set(&key, &value).await),
        Err(refused) => refused.into_response(),
    }
}

async fn unset(Extension(settings): Owner, Path(key): Path<String>) -> Response {
    changed(settings.unset(&key).await)
}

fn changed(result: Result<Setting, SettingsError>) -> Response {
    result.map_or_else(|error| refuse(&error), |setting| Json(setting).into_response())
}

async fn logs(
    Extension(log_book): Extension<Arc<dyn LogBook>>,
    query: Result<Query<Lines>, QueryRejection>,
) -> Response {
    let Ok(Query(Lines { level, before, limit })) = query else {
        return json_error(StatusCode::BAD_REQUEST, "expected ?level=info&before=NUMBER&limit=NUMBER");
    };
    let limit = limit.unwrap_or(DEFAULT_LINES).min(MAX_LINES);
    Json(log_book.lines(LogQuery { level: level.unwrap_or(LogLevel::Trace), before, limit })).into_response()
}

fn refuse(error: &SettingsError) -> Response {
    let status = match error {
        SettingsError::UnknownKey(_) => StatusCode::NOT_FOUND,
        SettingsError::Invalid(_) => StatusCode::BAD_REQUEST,
        SettingsError::Overridden { .. } => StatusCode::CONFLICT,
        _ => {
            tracing::error!(%error, "settings cannot be kept");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    json_error(status, error)
}
