//! `/control/schedules`, `/control/streams` and `/control/broadcasts`: what is planned, what broadcasts are called, and their end, on
//! the owner's unix socket only.

use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stream_model::{Programme, ProgrammeError, Schedule, ScheduleId, StreamDetails};

use super::{Refused, read_id, read_json};

/// Most bytes of a request: the longest title and description, every character of them escaped.
const MAX_BODY_BYTES: usize = 32 * 1024;

const SCHEDULE: &str = r#"{"title": …, "description": …, "starts_at": milliseconds since 1970}"#;
const DETAILS: &str = r#"{"title": …, "description": …, "schedule": id or null}"#;
const CALLED: &str = r#"{"title": …, "description": …}"#;

type Owner = Extension<Arc<dyn Programme>>;
type Body = Result<Bytes, BytesRejection>;

/// The paths of the programme.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(programme: Arc<dyn Programme>) -> Router<S> {
    Router::new()
        .route("/control/schedules", post(schedule))
        .route("/control/schedules/{id}", put(reschedule).delete(cancel))
        .route("/control/streams/refused", get(refused))
        .route("/control/streams/{name}/details", get(details).put(set_details))
        .route("/control/streams/{name}/refusal", delete(admit))
        .route("/control/broadcasts/{id}", put(update))
        .route("/control/broadcasts/{id}/end", post(end))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(Extension(programme))
}

/// A schedule that was announced.
#[derive(Debug, Serialize)]
struct Announced {
    id: ScheduleId,
    slug: String,
}

/// What a broadcast is called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    title: String,
    description: String,
}

async fn answer(work: impl Future<Output = Result<Response, Refused>>) -> Response {
    work.await.unwrap_or_else(IntoResponse::into_response)
}

fn done(result: Result<(), ProgrammeError>) -> Result<Response, Refused> {
    result.map(|()| StatusCode::NO_CONTENT.into_response()).map_err(|error| refuse(&error))
}

async fn schedule(Extension(programme): Owner, body: Body) -> Response {
    answer(async {
        let schedule: Schedule = read_json(body, SCHEDULE)?;
        let id = programme.schedule(schedule).await.map_err(|error| refuse(&error))?;
        Ok((StatusCode::CREATED, Json(Announced { id, slug: id.slug() })).into_response())
    })
    .await
}

async fn reschedule(Extension(programme): Owner, Path(id): Path<String>, body: Body) -> Response {
    answer(async { done(programme.reschedule(read_id(&id)?, read_json(body, SCHEDULE)?).await) }).await
}

async fn cancel(Extension(programme): Owner, Path(id): Path<String>) -> Response {
    answer(async { done(programme.cancel(read_id(&id)?).await) }).await
}

async fn refused(Extension(programme): Owner) -> Response {
    Json(programme.refused()).into_response()
}

async fn details(Extension(programme): Owner, Path(name): Path<String>) -> Response {
    answer(async {
        let details = programme.details(read_id(&name)?).await.map_err(|error| refuse(&error))?;
        Ok(Json(details).into_response())
    })
    .await
}

async fn set_details(Extension(programme): Owner, Path(name): Path<String>, body: Body) -> Response {
    answer(async {
        let details: StreamDetails = read_json(body, DETAILS)?;
        done(programme.set_details(read_id(&name)?, details).await)
    })
    .await
}

async fn admit(Extension(programme): Owner, Path(name): Path<String>) -> Response {
    answer(async { done(programme.admit(read_id(&name)?).await) }).await
}

async fn update(Extension(programme): Owner, Path(id): Path<String>, body: Body) -> Response {
    answer(async {
        let Called { title, description } = read_json(body, CALLED)?;
        done(programme.update(read_id(&id)?, title, description).await)
    })
    .await
}

async fn end(Extension(programme): Owner, Path(id): Path<String>) -> Response {
    answer(async { done(programme.end(read_id(&id)?).await) }).await
}

fn refuse(error: &ProgrammeError) -> Refused {
    let status = match error {
        ProgrammeError::NoTitle => StatusCode::BAD_REQUEST,
        ProgrammeError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        ProgrammeError::UnknownSchedule(_) | ProgrammeError::NoKey(_) | ProgrammeError::UnknownBroadcast(_) => {
            StatusCode::NOT_FOUND
        }
        ProgrammeError::TooMany | ProgrammeError::NotOwn(_) | ProgrammeError::Over(_) => StatusCode::CONFLICT,
        _ => {
            tracing::error!(%error, "the programme cannot be changed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    Refused::new(status, error)
}
