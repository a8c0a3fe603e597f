//! `/control/archives`: what the owner has done with archives, on the owner's unix socket only.
//!
//! What takes long answers with a line of JSON for each event, so that who waits sees how far it is.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use futures::FutureExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use stream_model::{AnnounceError, ArchiveKeeper, BroadcastId, CarVersion, KeeperError, OwnCopy, StoreError};

use super::carry::{as_lines, take_in};
use super::json_error;

type Keeper = Extension<Arc<dyn ArchiveKeeper>>;
type Id = Result<Path<BroadcastId>, PathRejection>;

pub(crate) fn routes<S: Clone + Send + Sync + 'static>(keeper: Arc<dyn ArchiveKeeper>) -> Router<S> {
    Router::new()
        .route("/control/archives/mirrors", get(mirrors))
        .route("/control/archives/import", post(import))
        .route("/control/archives/{broadcast}/mirror", get(progress).post(mirror).delete(unmirror))
        .route("/control/archives/{broadcast}/export", get(export))
        .route("/control/archives/{broadcast}/republish", post(republish))
        .route("/control/archives/{broadcast}/withdraw", post(withdraw))
        .route("/control/archives/{broadcast}/rebroadcast", post(rebroadcast).delete(stop_rebroadcast))
        .layer(Extension(keeper))
}

async fn mirrors(Extension(keeper): Keeper) -> Response {
    Json(keeper.mirrors()).into_response()
}

async fn mirror(Extension(keeper): Keeper, id: Id) -> Answer {
    let id = parse(id)?;
    keeper.mirror(id).await?;
    Ok(Json(json!({})).into_response())
}

async fn unmirror(Extension(keeper): Keeper, id: Id) -> Answer {
    let id = parse(id)?;
    keeper.unmirror(id).await?;
    Ok(Json(json!({})).into_response())
}

/// A line for each step, until who asked goes.
async fn progress(Extension(keeper): Keeper, id: Id) -> Answer {
    Ok(as_lines(keeper.mirror_progress(parse(id)?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: Option<u8>,
}

async fn export(Extension(keeper): Keeper, id: Id, Query(form): Query<Form>) -> Answer {
    let id = parse(id)?;
    let version = match form.version {
        None | Some(1) => CarVersion::V1,
        Some(2) => CarVersion::V2,
        Some(other) => return Err(Refusal::wrong(format!("CAR version {other}: there are 1 and 2"))),
    };
    let car = keeper.export(id, version).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.ipld.car".to_owned()),
        (header::CONTENT_LENGTH, car.total_bytes.to_string()),
    ];
    Ok((headers, Body::from_stream(car.bytes)).into_response())
}

async fn import(Extension(keeper): Keeper, body: Body) -> Response {
    take_in(body, move |file, progress| async move { keeper.import(file, progress).await }.boxed())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Republish {
    #[serde(default)]
    credit: String,
}

async fn republish(Extension(keeper): Keeper, id: Id, body: Result<Bytes, BytesRejection>) -> Answer {
    let (id, Republish { credit }) = (parse(id)?, content(body)?);
    Ok(Json(keeper.republish(id, credit).await?).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdraw {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    remove: bool,
}

async fn withdraw(Extension(keeper): Keeper, id: Id, body: Result<Bytes, BytesRejection>) -> Answer {
    let (id, Withdraw { reason, remove }) = (parse(id)?, content(body)?);
    let copy = if remove { OwnCopy::Remove } else { OwnCopy::Keep };
    keeper.withdraw(id, reason, copy).await?;
    Ok(Json(json!({})).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebroadcast {
    title: Option<String>,
}

async fn rebroadcast(Extension(keeper): Keeper, id: Id, body: Result<Bytes, BytesRejection>) -> Answer {
    let (id, Rebroadcast { title }) = (parse(id)?, content(body)?);
    let new = keeper.rebroadcast(id, title).await?;
    Ok((StatusCode::CREATED, Json(json!({"id": new.to_string(), "slug": new.slug()}))).into_response())
}

async fn stop_rebroadcast(Extension(keeper): Keeper, id: Id) -> Answer {
    let id = parse(id)?;
    keeper.stop_rebroadcast(id).await?;
    Ok(Json(json!({})).into_response())
}

fn parse(id: Id) -> Result<BroadcastId, Refusal> {
    id.map(|Path(id)| id).map_err(|error| Refusal::wrong(error.body_text()))
}

fn content<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|error| Refusal(error.status(), "the request is too long or was cut off".to_owned()))?;
    serde_json::from_slice(&body).map_err(Refusal::wrong)
}

type Answer = Result<Response, Refusal>;

/// Why something is not done.
struct Refusal(StatusCode, String);

impl Refusal {
    fn wrong(why: impl std::fmt::Display) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_error(self.0, self.1)
    }
}

impl From<KeeperError> for Refusal {
    fn from(error: KeeperError) -> Self {
        Self(status(&error), error.to_string())
    }
}

fn status(error: &KeeperError) -> StatusCode {
    match error {
        KeeperError::Unknown(_) | KeeperError::NothingHeld(_) | KeeperError::NotRunning(..) => StatusCode::NOT_FOUND,
        KeeperError::Own(_)
        | KeeperError::NotOwn(_)
        | KeeperError::NotToBeKept(_)
        | KeeperError::Withdrawn(_)
        | KeeperError::Live(_)
        | KeeperError::TooMany(_)
        | KeeperError::Refused(_) => StatusCode::CONFLICT,
        KeeperError::Announce(AnnounceError::TooLong(_)) => StatusCode::BAD_REQUEST,
        KeeperError::Store(StoreError::Full(_)) => StatusCode::INSUFFICIENT_STORAGE,
        _ => {
            tracing::error!(%error, "an archive cannot be managed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
