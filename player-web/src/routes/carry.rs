//! `/control/content`, `/control/storage`: content as CAR files, and the check of the store, on the owner's unix socket only.
//!
//! What takes long answers with a line of JSON for each event, so that who waits sees how far it is.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io};

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use cid::Cid;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stream_model::{
    CarBytes, CarImported, CarProgress, CarVersion, Claim, ContentCarrier, StorageChecker, StorageRepair, StoreError,
    StoredContent,
};
use tokio::sync::mpsc;

use super::json_error;

/// How often a waiting person is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// Events that wait to be sent.
const EVENTS: usize = 8;
/// What is still taken of a file that was refused, so that who sends it gets to read why.
const DRAINED: usize = 8 << 20;

type Carrier = Extension<Arc<dyn ContentCarrier>>;
type Checker = Extension<Arc<dyn StorageChecker>>;

/// The paths of content that is carried, and of the check.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    carrier: Arc<dyn ContentCarrier>,
    checker: Arc<dyn StorageChecker>,
) -> Router<S> {
    Router::new()
        .route("/control/content/{file}", get(export))
        .route("/control/content.car", post(import))
        .route("/control/storage/check", post(check))
        .layer(Extension(carrier))
        .layer(Extension(checker))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: Option<u8>,
}

async fn export(Extension(carrier): Carrier, Path(file): Path<String>, Query(form): Query<Form>) -> Response {
    let Some(root) = file.strip_suffix(".car").and_then(|cid| cid.parse::<Cid>().ok()) else {
        return json_error(StatusCode::BAD_REQUEST, format!("'{file}' is no CID with .car after it"));
    };
    let version = match form.version {
        None | Some(1) => CarVersion::V1,
        Some(2) => CarVersion::V2,
        Some(other) => return json_error(StatusCode::BAD_REQUEST, format!("CAR version {other}: there are 1 and 2")),
    };
    match carrier.export(root, version).await {
        Ok(car) => {
            let name = format!("attachment; filename=\"{root}.car\"");
            let headers = [
                (header::CONTENT_TYPE, "application/vnd.ipld.car".to_owned()),
                (header::CONTENT_LENGTH, car.total_bytes.to_string()),
                (header::CONTENT_DISPOSITION, name),
            ];
            (headers, Body::from_stream(car.bytes)).into_response()
        }
        Err(error @ StoreError::NotFound(_)) => json_error(StatusCode::NOT_FOUND, error),
        Err(error) => {
            tracing::error!(%error, "content cannot be exported");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, error)
        }
    }
}

async fn import(Extension(carrier): Carrier, body: Body) -> Response {
    take_in(body, move |file, progress| {
        async move { carrier.import(file, &Claim::Carried, progress).await.map(imported) }.boxed()
    })
}

fn imported(CarImported { roots, progress }: CarImported) -> Value {
    let root = |root: &StoredContent| json!({"cid": root.cid.to_string(), "bytes": root.bytes});
    let roots: Vec<_> = roots.iter().map(root).collect();
    json!({"roots": roots, "progress": progress})
}

/// What an import says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum ImportEvent<T> {
    Progress(CarProgress),
    Imported(T),
    Failed(String),
}

/// Takes in a file, and answers with how far it is and how it ended.
pub(super) fn take_in<T, E, I>(body: Body, import: I) -> Response
where
    T: Serialize + Send + 'static,
    E: fmt::Display + 'static,
    I: for<'a> FnOnce(CarBytes<'a>, &'a (dyn Fn(CarProgress) + Send + Sync)) -> BoxFuture<'a, Result<T, E>>
        + Send
        + 'static,
{
    let (events, received) = mpsc::channel(EVENTS);
    // Detached, and not cancelled when who asked goes: the file ends then, and what it brought is kept.
    tokio::spawn(async move {
        let told = Mutex::new(None::<Instant>);
        let progress = |progress| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|at| at.elapsed() >= PROGRESS_INTERVAL) {
                *told = Some(Instant::now());
                // Who reads slowly misses some.
                let _ = events.try_send(ImportEvent::Progress(progress));
            }
        };
        let mut file = body.into_data_stream().map(|piece| piece.map_err(io::Error::other));
        let last = match import((&mut file).boxed(), &progress).await {
            Ok(imported) => ImportEvent::Imported(imported),
            Err(error) => ImportEvent::Failed(error.to_string()),
        };
        let failed = matches!(last, ImportEvent::Failed(_));
        // Who asked may be gone.
        let _ = events.send(last).await;
        let mut left = DRAINED;
        while failed && left > 0 {
            let Some(Ok(piece)) = file.next().await else { return };
            left = left.saturating_sub(piece.len());
        }
    });
    lines(received)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    #[serde(default)]
    repair: bool,
}

async fn check(Extension(checker): Checker, Query(check): Query<Check>) -> Response {
    let repair = if check.repair { StorageRepair::FromPeers } else { StorageRepair::Tell };
    as_lines(checker.check(repair))
}

fn lines<T: Serialize + Send + 'static>(events: mpsc::Receiver<T>) -> Response {
    as_lines(stream::unfold(events, |mut events| async { Some((events.recv().await?, events)) }))
}

pub(super) fn as_lines<T: Serialize>(events: impl futures::Stream<Item = T> + Send + 'static) -> Response {
    let line = |event: T| {
        let line = serde_json::to_string(&event).unwrap_or_default();
        Ok::<_, Infallible>(Bytes::from(line + "\n"))
    };
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(events.map(line))).into_response()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use axum::http::Request;
    use futures::TryStreamExt as _;
    use futures::stream::BoxStream;
    use http_body_util::BodyExt as _;
    use multihash_codetable::{Code, MultihashDigest as _};
    use stream_model::{CarError, CarExport, StorageCheckEvent, StorageCheckProgress};
    use tower::ServiceExt as _;

    use super::*;

    /// Has one file, and takes whatever says "good".
    struct Fake;

    fn held() -> Cid {
        Cid::new_v1(0x55, Code::Sha2_256.digest(b"held"))
    }

    #[async_trait]
    impl ContentCarrier for Fake {
        async fn export(&self, root: Cid, version: CarVersion) -> Result<CarExport, StoreError> {
            if root != held() {
                return Err(StoreError::NotFound(root));
            }
            let text: &[u8] = if version == CarVersion::V1 { b"one" } else { b"second" };
            let bytes = stream::iter([Ok(Bytes::from_static(text))]).boxed();
            Ok(CarExport { total_bytes: text.len() as u64, bytes })
        }

        async fn import(
            &self,
            file: CarBytes<'_>,
            claim: &(dyn Fn(Cid) -> Claim + Send + Sync),
            progress: &(dyn Fn(CarProgress) + Send + Sync),
        ) -> Result<CarImported, CarError> {
            assert_eq!(claim(held()), Claim::Carried(held()));
            let file = file.try_collect::<Vec<_>>().await.map_err(|error| CarError::Incomplete(error.to_string()))?;
            let now = CarProgress { bytes_read: file.concat().len() as u64, blocks_new: 1, blocks_here: 0 };
            progress(now);
            if file.concat() != b"good" {
                return Err(CarError::Refused { at: 7, reason: "not good".into() });
            }
            Ok(CarImported { roots: vec![StoredContent { cid: held(), bytes: 4 }], progress: now })
        }
    }

    impl StorageChecker for Fake {
        fn check(&self, repair: StorageRepair) -> BoxStream<'static, StorageCheckEvent> {
            let blocks = if repair == StorageRepair::FromPeers { 2 } else { 1 };
            let done = StorageCheckProgress { blocks, total_blocks: 2, bytes: 3 };
            async move { StorageCheckEvent::Done(done) }.into_stream().boxed()
        }
    }

    async fn send(method: &str, path: &str, body: &'static str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let answer = routes::<()>(Arc::new(Fake), Arc::new(Fake)).oneshot(request).await.unwrap();
        let status = answer.status();
        (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn content_is_exported_by_its_cid_in_either_version() {
        let path = format!("/control/content/{}.car", held());
        assert_eq!(send("GET", &path, "").await, (StatusCode::OK, "one".into()));
        assert_eq!(send("GET", &format!("{path}?version=2"), "").await, (StatusCode::OK, "second".into()));
        assert_eq!(send("GET", &format!("{path}?version=3"), "").await.0, StatusCode::BAD_REQUEST);
        assert_eq!(send("GET", "/control/content/x.car", "").await.0, StatusCode::BAD_REQUEST);
        let other = Cid::new_v1(0x55, Code::Sha2_256.digest(b"other"));
        assert_eq!(send("GET", &format!("/control/content/{other}.car"), "").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn an_import_tells_how_far_it_is_and_how_it_ended() {
        let (_, said) = send("POST", "/control/content.car", "good").await;
        let progress = r#"{"bytes_read":4,"blocks_new":1,"blocks_here":0}"#;
        let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let progress: Value = serde_json::from_str(progress).unwrap();
        let imported = json!({"roots": [{"cid": held().to_string(), "bytes": 4}], "progress": progress});
        assert_eq!(lines, [json!({"progress": progress}), json!({"imported": imported})]);
        let (_, said) = send("POST", "/control/content.car", "bad").await;
        assert!(said.lines().last().unwrap().contains("at byte 7: not good"), "{said}");
    }

    #[tokio::test]
    async fn a_check_is_told_line_by_line_and_repairs_only_when_asked() {
        let done = |blocks| format!("{{\"done\":{{\"blocks\":{blocks},\"total_blocks\":2,\"bytes\":3}}}}\n");
        assert_eq!(send("POST", "/control/storage/check", "").await, (StatusCode::OK, done(1)));
        assert_eq!(send("POST", "/control/storage/check?repair=true", "").await, (StatusCode::OK, done(2)));
    }
}
